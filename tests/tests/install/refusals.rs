//! Calls that cannot be done: a sentence, 64 or 78, and nothing is changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use nc_testkit::{finish, programs, skip};

use crate::listing::Listing;
use crate::tree::{Tree, ran, shell_that_mounts};

#[test]
fn wrong_options_are_named() {
    let tree = Tree::new();
    let wrong: &[(&[&str], &str)] = &[
        (&["--foo"], "'--foo'"),
        (&["foo"], "'foo'"),
        (&[""], "''"),
        (&["--dry-run=yes"], "'--dry-run=yes'"),
        (&["--purge"], "--purge"),
        (&["--prefix"], "--prefix"),
        (&["--prefix="], "--prefix"),
        (&["--prefix=opt"], "'opt'"),
        (&["--prefix", "opt"], "'opt'"),
        (&["--prefix=/"], "'/'"),
        (&["--prefix=/opt/../etc"], "'/opt/../etc'"),
        (&["--prefix=/opt/."], "'/opt/.'"),
        (&["--prefix=/opt/a b"], "'/opt/a b'"),
        (&["--prefix=/opt/a\nb"], "--prefix"),
        (&["--prefix=/opt/|x"], "--prefix"),
        (&["--destdir=dest"], "'dest'"),
        (&["--destdir=/"], "'/'"),
        (&["--destdir=//"], "'//'"),
        (&["--destdir=/$(id)"], "--destdir"),
        (&["--built="], "--built"),
    ];
    for (arguments, named) in wrong {
        let said = ran(tree.bare().args(*arguments)).is(64);
        assert!(said.stderr.contains(named), "{arguments:?}: {}", said.stderr);
        assert_eq!(said.stdout, "", "{arguments:?}");
    }
    assert_eq!(ran(tree.bare().arg("--help")).code, Some(0));
}

#[test]
fn what_is_not_built_or_does_not_run_is_not_installed() {
    let tree = Tree::new();
    fs::remove_file(tree.path("built/nc-ipcd")).expect("it is there");
    let said = tree.run(&[]).is(78);
    assert!(said.stderr.contains("built/nc-ipcd"), "{}", said.stderr);
    tree.program("nc-ipcd", "1", "exit 1");
    fs::write(tree.path("built/nanoclawctl"), "no program").expect("a file");
    let said = tree.run(&[]).is(78);
    assert!(said.stderr.contains("built/nanoclawctl"), "{}", said.stderr);
    assert!(!tree.dest().exists());
}

#[test]
fn files_of_others_are_named_and_stay() {
    let places = [
        "usr/local/bin/nanoclawctl",
        "usr/local/lib/systemd/system/nc-router.service",
        "etc/nanoclaw/nanoclaw.toml.d/10-installed.toml",
        "usr/local/share/zsh/site-functions/_nanoclawctl",
        "usr/local/libexec/nanoclaw/nc-router.nanoclaw-new",
        "usr/local/libexec/nanoclaw/nc-router.nanoclaw-old",
    ];
    let kinds: [fn(&Path); 3] = [
        |path| fs::write(path, "of others").expect("a file"),
        |path| symlink("/nowhere", path).expect("a link"),
        |path| fs::create_dir(path).expect("a directory"),
    ];
    let tree = Tree::new();
    for (n, place) in places.iter().enumerate() {
        let path = tree.dest().join(place);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        kinds[n % kinds.len()](&path);
        let before = Listing::with_times(&tree.dest());
        let said = tree.run(&[]).is(78);
        assert!(said.stderr.contains(place), "{place}: {}", said.stderr);
        before.is_the_same(&Listing::with_times(&tree.dest()), place);
        fs::remove_dir_all(tree.dest()).expect("it is removed");
    }
}

#[test]
fn a_file_in_the_place_of_a_directory_leaves_nothing_half_done() {
    let tree = Tree::new();
    fs::create_dir_all(tree.dest().join("usr/local/share")).expect("a directory");
    fs::write(tree.dest().join("usr/local/share/man"), "a file").expect("a file");
    let before = Listing::of(&tree.dest());
    tree.run(&[]).is(78);
    before.is_the_same(&Listing::of(&tree.dest()), "it is as it was");
}

/// As nobody where this is root.
fn ordinary(tree: &Tree, arguments: &[&str]) -> Command {
    let script = tree.path("tree/install.sh");
    let mut command = Command::new(if nix::unistd::geteuid().is_root() { "setpriv" } else { "env" });
    if nix::unistd::geteuid().is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg(script).arg(format!("--built={}", tree.path("built").display())).args(arguments);
    command.stdin(Stdio::null()).current_dir("/");
    command
}

#[test]
fn an_ordinary_user_installs_nothing_for_the_system() {
    let tree = Tree::new();
    for arguments in [&[][..], &["--uninstall"], &["--uninstall", "--purge"], &["--prefix=/opt/nanoclaw"]] {
        let said = ran(&mut ordinary(&tree, arguments)).is(78);
        assert!(said.stderr.contains("only root"), "{arguments:?}: {}", said.stderr);
    }
    let closed = tree.path("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o555)).expect("a mode");
    let said = ran(&mut ordinary(&tree, &[&format!("--destdir={}/dest", closed.display())])).is(78);
    assert!(said.stderr.contains("as it was before"), "{}", said.stderr);
    assert_eq!(Listing::of(&closed), Listing::of(Path::new("/nowhere")));
}

#[test]
fn without_systemd_nothing_is_installed() {
    // Also where systemd runs: /run is another one here, and nothing of the system can be written.
    let script = "
        for dir in /run /usr/local /var/lib /opt; do mount -t tmpfs none $dir; done
        mount --bind /etc /etc; mount -o remount,bind,ro /etc
        status=0; \"$1\" --built=\"$2\" || status=$?
        find /usr/local /var/lib /opt -mindepth 1
        exit $status";
    let Some(mut shell) = shell_that_mounts(script) else {
        return skip("installing without systemd", "this machine gives no mount namespace");
    };
    let tree = Tree::new();
    let said = ran(shell.arg(tree.path("tree/install.sh")).arg(tree.path("built"))).is(78);
    assert!(said.stderr.contains("systemd does not run here"), "{}", said.stderr);
    assert_eq!(said.stdout, "");
}

#[test]
fn names_of_credentials_that_are_none_are_refused() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let names =
        ["../x", "x/../../y", "/etc/passwd", "", ".", "..", "ANTHROPIC_API_KEY/", "A B", "A\nB", "-x", "unknown"];
    for name in names {
        for verb in ["set", "rm"] {
            let mut command = Command::new(programs().join("nanoclawctl"));
            command.arg("--dir").arg(place.path()).args(["secret", verb, name]).stdin(Stdio::null());
            let said = finish(&mut command);
            assert_eq!(said.status.code(), Some(64), "{verb} {name:?}: {}", String::from_utf8_lossy(&said.stderr));
            assert!(!said.stderr.is_empty() && said.stdout.is_empty(), "{verb} {name:?}");
        }
    }
    assert_eq!(fs::read_dir(place.path()).expect("it lists").count(), 0);
}
