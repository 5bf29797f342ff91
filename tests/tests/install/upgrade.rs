//! What is installed, replaced and removed, and that it is so as a whole or not at all.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nc_testkit::skip;

use crate::listing::Listing;
use crate::tree::{Tree, ran, shell_that_mounts};

const UNITS: &str = "usr/local/lib/systemd/system";

#[test]
fn everything_of_the_tree_is_installed_and_a_second_run_changes_nothing() {
    let tree = Tree::new();
    let planned = tree.run(&["--dry-run"]).is(0);
    assert!(!tree.dest().exists());
    tree.run(&[]).is(0);
    let first = Listing::with_times(&tree.dest());
    for page in fs::read_dir(tree.path("tree/man")).expect("pages") {
        let name = page.expect("a page").file_name().into_string().expect("a name");
        assert!(first.has(&format!("usr/local/share/man/man{}/{name}", &name[name.len() - 1..])), "{name}");
    }
    for program in ["bin/nanoclawctl", "libexec/nanoclaw/nc-router", "libexec/nanoclaw/nc-agent"] {
        assert!(first.has(&format!("usr/local/{program}")), "{program}");
    }
    for unit in ["nanoclaw.target", "nc-runner@.service.d/20-user.conf", "nc-.service.d/10-common.conf"] {
        assert!(first.has(&format!("{UNITS}/{unit}")), "{unit}");
    }
    assert_eq!(first.text("usr/local/share/bash-completion/completions/nanoclawctl"), "1 bash\n");
    assert_eq!(first.text("usr/local/share/zsh/site-functions/_nanoclawctl"), "1 zsh\n");
    assert_eq!(first.text("usr/local/share/fish/vendor_completions.d/nanoclawctl.fish"), "1 fish\n");
    let files = first.paths().filter(|path| tree.dest().join(path).is_file());
    assert_eq!(
        planned.stdout.lines().filter(|line| line.starts_with("write ")).count() + 1,
        files.count(),
        "and the list"
    );

    let again = tree.run(&["--dry-run"]).is(0);
    assert_eq!(again.stdout, "nothing is to be changed\n");
    tree.run(&[]).is(0);
    first.is_the_same(&Listing::with_times(&tree.dest()), "a second run");
}

#[test]
fn units_of_a_program_that_is_not_there_yet_stay_in_the_tree() {
    let tree = Tree::new();
    tree.write("systemd/nc-later@.service", "[Service]\nExecStart=/usr/local/libexec/nanoclaw/nc-later %i\n");
    tree.write("systemd/nc-later@.socket", "[Socket]\n");
    tree.write("systemd/nc-later@.service.d/50-later.conf", "[Service]\n");
    tree.write("systemd/system/nc-later@.service.d/20-user.conf", "[Service]\n");
    tree.run(&[]).is(0);
    let before = Listing::of(&tree.dest());
    assert_eq!(before.paths().filter(|path| path.to_string_lossy().contains("later")).count(), 0);
    fs::create_dir(tree.path("tree/bins/nc-later")).expect("a directory");
    tree.program("nc-later", "1", "exit 1");
    tree.run(&[]).is(0);
    let after = Listing::of(&tree.dest());
    assert!(after.text(&format!("{UNITS}/nc-later@.service")).contains("/usr/local/libexec/nanoclaw/nc-later"));
    assert!(
        after.has(&format!("{UNITS}/nc-later@.service.d/20-user.conf"))
            && after.has(&format!("{UNITS}/nc-later@.socket"))
    );
}

#[test]
fn another_prefix_is_named_by_everything_and_units_are_where_systemd_looks() {
    let tree = Tree::new();
    tree.run(&["--prefix=//opt/claw/"]).is(0);
    let made = Listing::of(&tree.dest());
    assert!(
        made.text(&format!("{UNITS}/nc-router.service")).contains("ExecStart=/opt/claw/libexec/nanoclaw/nc-router\n")
    );
    for path in made.paths().filter(|path| !path.ends_with("installed") && !path.ends_with("README.md")) {
        let text = made.text(path.to_str().expect("a name"));
        for place in ["/usr/local/libexec", "/usr/local/bin/nanoclawctl", "/usr/local/share", "/usr/local/lib/"] {
            assert!(!text.contains(place), "{} names {place}", path.display());
        }
    }
    tree.run(&["--prefix=/opt/claw", "--uninstall", "--purge"]).is(0);
    assert!(!tree.dest().exists());
}

#[test]
fn a_newer_version_replaces_what_changed_and_removes_what_is_gone() {
    let tree = Tree::new();
    tree.run(&[]).is(0);
    // Of others, with names that one might make on the way.
    let others = [
        "libexec/nanoclaw/nc-router.new",
        "share/man/man8/nc-older.8.new",
        "lib/systemd/system/nc-older.timer.d/mine.conf",
    ];
    for other in others {
        fs::write(tree.dest().join("usr/local").join(other), "of others").expect("a file");
    }
    fs::set_permissions(tree.dest().join("usr/local/bin/nanoclawctl"), Permissions::from_mode(0o700)).expect("a mode");
    tree.newer();
    tree.run(&[]).is(0);
    let now = Listing::of(&tree.dest());
    assert!(now.text("usr/local/libexec/nanoclaw/nc-router").contains("echo 2"));
    assert_eq!(now.text(&format!("{UNITS}/nc-router.service")), "[Service]\n");
    assert!(
        now.has("usr/local/share/man/man8/nc-newer.8") && now.has(&format!("{UNITS}/nc-newer.timer.d/50-newer.conf"))
    );
    for gone in ["nc-older.timer", "nc-older.timer.d/50-older.conf"] {
        assert!(!now.has(&format!("{UNITS}/{gone}")), "{gone}");
    }
    assert!(!now.has("usr/local/share/man/man8/nc-older.8"));
    for other in others {
        assert_eq!(now.text(&format!("usr/local/{other}")), "of others");
    }
    // Besides those of others, it is what the newer version installs where nothing was before.
    for other in others {
        fs::remove_file(tree.dest().join("usr/local").join(other)).expect("it is there");
    }
    let upgraded = Listing::of(&tree.dest());
    fs::remove_dir_all(tree.dest()).expect("it is removed");
    tree.run(&[]).is(0);
    let fresh = Listing::of(&tree.dest());
    let differences = fresh.differences(&upgraded);
    assert_eq!(differences, [format!("more: {UNITS}/nc-older.timer.d")], "the directory that somebody used");
}

#[test]
fn removing_leaves_what_was_there_before() {
    let tree = Tree::new();
    for dir in ["usr/local/bin", "usr/local/lib/systemd/system", "usr/local/share/man/man8", "etc"] {
        fs::create_dir_all(tree.dest().join(dir)).expect("a directory");
    }
    fs::write(tree.dest().join("usr/local/bin/other"), "of others").expect("a file");
    let before = Listing::of(&tree.dest());
    tree.run(&[]).is(0);
    for (path, text) in [("etc/nanoclaw/nanoclaw.toml", "# mine\n"), ("var/lib/nanoclaw/store/messages.db", "data")] {
        let path = tree.dest().join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    tree.run(&["--uninstall"]).is(0);
    let left = before.differences(&Listing::of(&tree.dest()));
    let is_data = |line: &String| {
        let path = line.strip_prefix("more: ").unwrap_or(line);
        ["etc/nanoclaw", "var"].iter().any(|place| Path::new(path).starts_with(place))
    };
    assert!(left.iter().all(is_data), "{left:#?}");
    assert!(left.contains(&"more: etc/nanoclaw/nanoclaw.toml".to_owned()), "{left:#?}");
    assert!(!left.iter().any(|line| line.ends_with("10-installed.toml")), "{left:#?}");
    tree.run(&["--uninstall"]).is(0);
    tree.run(&["--uninstall", "--purge"]).is(0);
    fs::remove_dir_all(tree.dest().join("var")).expect("the test made it");
    before.is_the_same(&Listing::of(&tree.dest()), "after --purge");
}

#[test]
fn a_rename_that_fails_puts_the_former_version_back() {
    // What is mounted on cannot be renamed over.
    let script = "
        \"$1\" --built=\"$2\" --destdir=\"$3\" 2>/dev/null
        find \"$3\" -type f -exec cksum {} + | sort >before
        cp -R \"$4\"/. \"$2\"
        mount --bind \"$3$5\" \"$3$5\"
        status=0; \"$1\" --built=\"$2\" --destdir=\"$3\" || status=$?
        umount \"$3$5\"
        find \"$3\" -type f -exec cksum {} + | sort | diff before -
        exit $status";
    for place in ["/usr/local/bin/nanoclawctl", "/usr/local/libexec/nanoclaw/nc-runner"] {
        let Some(mut shell) = shell_that_mounts(script) else {
            return skip("a rename that fails", "this machine gives no mount namespace");
        };
        let (tree, newer) = (Tree::new(), Tree::new());
        newer.newer();
        shell.arg(tree.path("tree/install.sh")).args([tree.path("built"), tree.dest(), newer.path("built")]);
        let said = ran(shell.arg(place).current_dir(tree.path(""))).is(78);
        assert_eq!(said.stdout, "", "{place}");
        assert!(said.stderr.contains("as it was before"), "{place}: {}", said.stderr);
    }
}

/// Sends the shell that calls it a signal at its n-th call.
const KILLS: &str = r#"#!/bin/sh
n=$(($(cat "$0.calls") + 1)); echo $n >"$0.calls"
if [ $n -ge "$(cat "$0.limit")" ]; then kill -"$(cat "$0.signal")" $PPID; fi
exec /bin/mv "$@"
"#;

#[test]
fn a_run_that_is_stopped_undoes_what_it_did_and_one_that_is_killed_is_undone_by_the_next() {
    let (tree, newer) = (Tree::new(), Tree::new());
    newer.newer();
    tree.run(&[]).is(0);
    let before = Listing::of(&tree.dest());
    let (bin, mv) = (tree.path("bin"), tree.path("bin/mv"));
    fs::create_dir(&bin).expect("a directory");
    fs::write(&mv, KILLS).expect("a program");
    fs::set_permissions(&mv, Permissions::from_mode(0o755)).expect("a mode");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let sent_at = |limit: &str, signal: &str| {
        fs::write(bin.join("mv.calls"), "0").expect("a file");
        fs::write(bin.join("mv.signal"), signal).expect("a file");
        fs::write(bin.join("mv.limit"), limit).expect("a file");
        let mut command = newer.bare();
        command.arg(format!("--built={}", newer.path("built").display()));
        command.arg(format!("--destdir={}", tree.dest().display())).env("PATH", &path);
        ran(&mut command)
    };
    for limit in ["1", "5", "9"] {
        let said = sent_at(limit, "TERM").is(78);
        assert!(said.stderr.contains("as it was before"), "{}", said.stderr);
        before.is_the_same(&Listing::of(&tree.dest()), limit);
    }
    let cut_at = |limit: &str| sent_at(limit, "KILL");
    for limit in ["1", "4", "9"] {
        assert_eq!(cut_at(limit).code, None, "it was cut off");
        assert_ne!(Listing::of(&tree.dest()), before, "half of it is there");
        let said = tree.run(&[]).is(0);
        assert!(said.stderr.contains("cut off"), "{}", said.stderr);
        before.is_the_same(&Listing::of(&tree.dest()), limit);
    }
    // When only the former version is left to be removed, the next run does that.
    let calls = {
        assert_eq!(cut_at("1000").code, Some(0));
        fs::read_to_string(bin.join("mv.calls")).expect("a count")
    };
    let after = Listing::of(&tree.dest());
    tree.run(&[]).is(0);
    assert_eq!(cut_at(calls.trim()).code, None, "it was cut off");
    ran(newer.package(&[]).arg(format!("--destdir={}", tree.dest().display()))).is(0);
    after.is_the_same(&Listing::of(&tree.dest()), "the newer version");
    // And removing removes all of it.
    assert_eq!(cut_at("3").code, Some(0), "nothing is to be changed");
    tree.run(&[]).is(0);
    assert_eq!(cut_at("5").code, None, "it was cut off");
    tree.run(&["--uninstall", "--purge"]).is(0);
    assert!(!tree.dest().exists(), "{:?}", Listing::of(&tree.dest()).paths().collect::<Vec<_>>());
}
