//! What cannot be used is named by every program that meets it, with the status that says whether to try again, and
//! nothing is left half done.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nc_testkit::{Toolkit, finish, wait_until};

/// A user that no machine knows by name.
const NOBODY_BY_NAME: u32 = 61_998;

/// Every program, as it is started by hand, but for the commands that mend.
const PROGRAMS: &[&[&str]] = &[
    &["nanoclawctl", "group", "list"],
    &["nanoclawctl", "group", "add", "X"],
    &["nanoclawctl", "wire", "1", "main"],
    &["nanoclawctl", "ledger"],
    &["nanoclawctl", "talk", "--once", "x"],
    &["nanoclawctl", "run"],
    &["nanoclawctl", "up"],
    &["nc-router"],
    &["nc-ipcd"],
    &["nc-runner", "--shell", "main", "--", "true"],
];

/// Makes something of an installation that nobody can use.
type Spoil = fn(&Path) -> io::Result<()>;

/// An installation with a main group, of an ordinary user: root is above modes.
fn ordinary() -> Toolkit {
    let kit = if nix::unistd::geteuid().is_root() { Toolkit::as_user(NOBODY_BY_NAME) } else { Toolkit::new() };
    kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
    kit
}

/// Starts each of `programs`, which must end with `status` and say `says`.
fn all_refuse(kit: &Toolkit, programs: &[&[&str]], status: i32, says: &str) {
    for program in programs {
        let output = finish(kit.program(program[0]).args(&program[1..]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{program:?}: {said}");
        assert!(said.contains(says), "{program:?} does not say {says:?}: {said}");
        assert!(!said.contains("panicked"), "{program:?}: {said}");
    }
}

/// Everything below a directory with its mode and a number for what is in it, but for the places of sockets and locks, and
/// what the store keeps beside it while it is open.
fn everything(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.metadata().expect("it is there"));
        if path.ends_with("data/run") || path.to_string_lossy().contains("messages.db-") {
            continue;
        }
        if kind.is_dir() {
            found.extend(everything(&path));
        }
        let mut content = DefaultHasher::new();
        if kind.is_file() {
            fs::read(&path).expect("it can be read").hash(&mut content);
        }
        found.push(format!("{} {:o} {:x}", path.display(), kind.permissions().mode(), content.finish()));
    }
    found.sort();
    found
}

#[test]
fn a_bad_configuration_is_named_by_every_program() {
    let write: [(&str, &[u8], &str); 6] = [
        ("nanoclaw.toml", b"\nmax_run = 1\n", "nanoclaw.toml:2: unknown key \"max_run\", did you mean \"max_runs\"?"),
        ("nanoclaw.toml", b"max_runs = 0\n", "nanoclaw.toml:1: max_runs is 0: write a whole number from 1 to 1000"),
        ("nanoclaw.toml", b"idle_timeout = 5\n", "nanoclaw.toml:1: idle_timeout is 5: write a duration"),
        ("nanoclaw.toml", b"image = \"\xff\"\n", "line 1 is not UTF-8"),
        ("nanoclaw.toml", b"max_runs = \n", "nanoclaw.toml\" line 1 is not TOML"),
        ("nanoclaw.toml.d/9.toml", b"[channels.fax]\n", "9.toml:1: unknown key \"channels.fax\""),
    ];
    let kit = ordinary();
    let before = everything(&kit.dir());
    for (name, text, says) in write {
        let path = kit.dir().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(&path, text).expect("written");
        all_refuse(&kit, PROGRAMS, 78, says);
        fs::remove_file(&path).expect("removed");
    }
    fs::remove_dir(kit.dir().join("nanoclaw.toml.d")).expect("removed");
    assert_eq!(everything(&kit.dir()), before);
}

#[test]
fn a_store_that_cannot_be_used_is_named_by_every_program() {
    let spoils: [(Spoil, &str); 5] = [
        (|store| fs::write(store, "Dear Ana,\n".repeat(999)), "the file is not a database"),
        (|store| fs::create_dir(store), "it is not a regular file"),
        (|store| symlink("/nowhere/messages.db", store), "it is not a regular file"),
        (
            |store| fs::write(store, "").and_then(|()| fs::set_permissions(store, Permissions::from_mode(0o000))),
            "may not use",
        ),
        (
            |store| fs::set_permissions(store.parent().unwrap_or(store), Permissions::from_mode(0o000)),
            "Permission denied",
        ),
    ];
    for (spoil, says) in spoils {
        let kit = ordinary();
        for name in ["messages.db", "messages.db-wal", "messages.db-shm"] {
            drop(fs::remove_file(kit.dir().join("store").join(name)));
        }
        spoil(&kit.dir().join("store/messages.db")).expect("spoilt");
        let before = everything(&kit.dir());
        all_refuse(&kit, PROGRAMS, 78, says);
        let mut after = everything(&kit.dir());
        // nc-router and nc-ipcd by hand take their locks first, and make the place of the locks.
        after.retain(|line| !line.starts_with(&format!("{} ", kit.dir().join("data").display())));
        assert_eq!(after, before, "{says}");
        fs::set_permissions(kit.dir().join("store"), Permissions::from_mode(0o700)).expect("given back");
    }
}

#[test]
fn a_directory_that_may_not_be_written_is_named_by_whoever_needs_it() {
    let shut = |dir: &Path| fs::set_permissions(dir, Permissions::from_mode(0o500)).expect("shut");
    let open = |dir: &Path| fs::set_permissions(dir, Permissions::from_mode(0o700)).expect("opened");
    let who: &[&[&str]] = &[
        &["nanoclawctl", "run"],
        &["nanoclawctl", "up"],
        &["nc-router"],
        &["nc-ipcd"],
        &["nc-runner", "--shell", "main", "--", "true"],
    ];
    let kit = ordinary();
    shut(&kit.dir());
    all_refuse(&kit, who, 78, "Permission denied");
    open(&kit.dir());
    let run = kit.dir().join("data/run");
    assert!(!run.exists());
    let made = finish(kit.program("nanoclawctl").arg("run"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in ["router.lock", "ipcd.lock", "up.lock"] {
        drop(fs::remove_file(run.join(name)));
    }
    shut(&run);
    all_refuse(&kit, &who[1..4], 78, "Permission denied");
    open(&run);
}

#[test]
fn a_folder_outside_its_alphabet_is_refused_by_every_program_that_takes_one() {
    let kit = ordinary();
    let before = everything(&kit.dir());
    let long = "a".repeat(65);
    for name in ["../x", "global", "", &long, "fämily", "a/b", "..", "A", "a_b", "a\nb", "/etc"] {
        let programs: [&[&str]; 5] = [
            &["nanoclawctl", "group", "add", "N", "--folder", name],
            &["nanoclawctl", "group", "edit", name, "--name", "N"],
            &["nanoclawctl", "wire", "1", name],
            &["nanoclawctl", "talk", name, "--once", "x"],
            &["nc-runner", "--shell", name, "--", "true"],
        ];
        all_refuse(&kit, &programs, 78, "is not allowed: ");
    }
    all_refuse(&kit, &[&["nanoclawctl", "group", "add", "N", "--folder", "main"]], 78, "another group has it");
    all_refuse(&kit, &[&["nanoclawctl", "group", "add", "N", "--folder", "n", "--main"]], 78, "there is one only");
    assert_eq!(everything(&kit.dir()), before);
}

#[test]
fn programs_that_die_on_a_full_disk_come_back_and_everything_is_answered_when_there_is_room() {
    if !nix::unistd::geteuid().is_root() {
        nc_testkit::skip("a full disk", "only root can mount a small file system");
        return;
    }
    let mut kit = Toolkit::new();
    let Some(_disk) = Disk::mount(&kit.dir(), "size=6m") else {
        nc_testkit::skip("a full disk", "no file system can be mounted here");
        return;
    };
    kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
    kit.up();
    assert!(kit.talk_once("before").status.success(), "{}", kit.log());
    let fill = kit.dir().join("fill");
    for round in 0..4 {
        fill_up(&fill);
        let refused = kit.talk_once("while it is full");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(75), "{said}");
        assert!(said.contains("no space is left on its disk; make room, then try again"), "{said}");
        kit.kill(if round % 2 == 0 { "nc-ipcd" } else { "nc-router" }, nc_testkit::Signal::SIGKILL);
        fs::remove_file(&fill).expect("room");
        let text = format!("room again {round}");
        let answered = kit.talk_once(&text);
        let out = String::from_utf8_lossy(&answered.stdout).into_owned();
        assert!(answered.status.success(), "{}\n{}", String::from_utf8_lossy(&answered.stderr), kit.log());
        assert_eq!(out.matches(&text).count(), 1, "{out}");
    }
    wait_until(nc_testkit::PATIENCE, "the ledger balances", || kit.ctl(["ledger", "--check"]).status.success());
    assert_eq!(kit.stop(nc_testkit::Signal::SIGTERM), Some(0));
}

/// Writes until nothing more can be written.
fn fill_up(path: &Path) {
    let mut file = fs::File::create(path).expect("made");
    while io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
}

/// A small file system, taken down on drop.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, options: &str) -> Option<Self> {
        let none = None::<&str>;
        let mounted = nix::mount::mount(none, at, Some("tmpfs"), nix::mount::MsFlags::empty(), Some(options));
        mounted.is_ok().then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}
