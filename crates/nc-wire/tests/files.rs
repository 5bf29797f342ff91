//! Opening what a sandbox made, keeping what was refused, and waking on commits.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nc_wire::Verdict;
use nc_wire::files::{Directory, FileError, is_plain_name};
use nc_wire::rejected::Rejected;
use nc_wire::watch::{Changes, LiveWatch};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn place() -> (tempfile::TempDir, Directory) {
    let place = tempfile::tempdir().expect("a directory");
    let directory = Directory::open(place.path()).expect("it opens");
    (place, directory)
}

#[test]
fn a_plain_name_is_one_component() {
    for name in ["a", "a.txt", "...", "-", "ä", " ", &"x".repeat(255)] {
        assert!(is_plain_name(name), "{name:?}");
    }
    for name in ["", ".", "..", "a/b", "/a", "a\0", &"x".repeat(256)] {
        assert!(!is_plain_name(name), "{name:?}");
    }
}

#[test]
fn a_regular_file_is_read_and_copied_up_to_the_limit() {
    let (place, directory) = place();
    fs::create_dir_all(place.path().join("outbox/m1")).expect("made");
    fs::write(place.path().join("outbox/m1/a.txt"), "hello").expect("written");
    let file = directory.file("outbox/m1/a.txt", 5).expect("it opens");
    assert_eq!((file.len(), file.is_empty()), (5, false));
    assert_eq!(file.read().expect("it reads"), b"hello");
    let below = directory.directory("outbox").and_then(|d| d.directory("m1")).expect("they open");
    let mut copy = Vec::new();
    assert_eq!(below.file("a.txt", 5).expect("it opens").copy_to(&mut copy).expect("copied"), 5);
    assert_eq!(copy, b"hello");
    let error = below.file("a.txt", 4).expect_err("too large");
    assert!(error.to_string().starts_with("read \"a.txt\": it has "), "{error}");
    assert!(error.to_string().ends_with(" bytes, at most 4 are allowed"), "{error}");
}

#[test]
fn what_leads_out_or_is_no_file_is_refused_and_named() {
    let (place, directory) = place();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("d")).expect("made");
    fs::write(at("d/f"), "x").expect("written");
    symlink("/etc", at("out")).expect("a link");
    symlink("f", at("d/link")).expect("a link");
    mkfifo(&at("pipe"), Mode::S_IRWXU).expect("a pipe");
    fs::hard_link(at("d/f"), at("second")).expect("a link");
    let cases = [
        ("out/passwd", "open \"out/passwd\": it is a symbolic link, not a regular file"),
        ("d/link", "open \"d/link\": it is a symbolic link, not a regular file"),
        ("../x", "open \"../x\": it is outside the directory, not a regular file"),
        ("/etc/passwd", "open \"/etc/passwd\": it is outside the directory, not a regular file"),
        ("d", "open \"d\": it is a directory, not a regular file"),
        ("pipe", "open \"pipe\": it is a pipe or device, not a regular file"),
        ("second", "open \"second\": it has 2 links, one is allowed"),
        ("second/f", "open \"second/f\": it is below something that is no directory, not a regular file"),
        ("a\0b", "open \"a\\0b\": it is a name that no file has, not a regular file"),
    ];
    for (name, said) in cases {
        let error = directory.file(name, 100).expect_err(name);
        assert_eq!((error.to_string().as_str(), error.verdict()), (said, Verdict::Refuse));
    }
    let missing = directory.file("none", 100).expect_err("missing");
    assert_eq!(
        (missing.to_string().as_str(), missing.verdict()),
        ("open \"none\": there is no such file", Verdict::Keep)
    );
    assert!(matches!(directory.directory("out"), Err(FileError::NotPlain { .. })));
    assert!(Directory::open(&at("out")).is_err(), "the directory itself is a link");
}

#[test]
fn a_file_that_became_shorter_is_not_taken_for_whole() {
    let (place, directory) = place();
    let path = place.path().join("f");
    fs::write(&path, "hello").expect("written");
    let file = directory.file("f", 100).expect("it opens");
    fs::write(&path, "he").expect("written");
    assert!(matches!(file.read(), Err(FileError::Changed { .. })));
    fs::write(&path, "hello").expect("written");
    let file = directory.file("f", 100).expect("it opens");
    fs::write(&path, "hello and more").expect("written");
    assert_eq!(file.read().expect("it reads"), b"hello");
}

fn names(place: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> =
        fs::read_dir(place).expect("it lists").map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    names
}

#[test]
fn a_refused_thing_is_kept_beside_its_reason_where_only_the_host_sees_it() {
    let (place, _) = place();
    let group = place.path().join("rejected/family");
    let kept = Rejected::new(group.clone()).keep("../../1 \n.json", b"bytes", "field text: no text").expect("kept");
    assert_eq!(fs::read(&kept).expect("it is there"), b"bytes");
    let name = kept.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    assert!(name.ends_with("-.._.._1__.json"), "{name}");
    let reason = group.join(format!("{name}.reason"));
    assert_eq!(fs::read_to_string(&reason).expect("it is there"), "field text: no text\n");
    assert_eq!(names(&group), [kept.clone(), reason.clone()]);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!([mode(&group), mode(&kept), mode(&reason)], [0o700, 0o600, 0o600]);
}

#[test]
fn the_oldest_refused_things_go_first() {
    let (place, _) = place();
    let group = place.path().join("family");
    let rejected = Rejected::new(group.clone()).with_limits(6, 1000);
    let kept: Vec<PathBuf> = (0..5).map(|n| rejected.keep(&format!("{n}"), b"x", "why").expect("kept")).collect();
    assert_eq!(names(&group).len(), 6);
    assert!(!kept[0].exists() && !kept[1].exists() && kept[2].exists() && kept[4].exists());
    let large = rejected.keep("large", &[0; 995], "why").expect("kept");
    assert_eq!(names(&group).len(), 2);
    assert!(large.exists());
    let too_large = rejected.keep("too large", &[0; 1001], "why").expect("kept");
    assert!(!too_large.exists(), "it is kept as its reason alone");
    let total: u64 = names(&group).iter().map(|path| fs::metadata(path).expect("there").len()).sum();
    assert!(total <= 1000 && names(&group).len() <= 6);
}

#[test]
fn a_place_that_cannot_be_made_is_named() {
    let (place, _) = place();
    let group = place.path().join("file/family");
    fs::write(place.path().join("file"), "in the way").expect("written");
    let error = Rejected::new(group.clone()).keep("x", b"", "").expect_err("in the way");
    assert_eq!(error.to_string(), format!("make {}", group.display()));
}

/// Waits until the watch has something to say.
fn told(watch: &mut LiveWatch<&'static str>) -> Changes<&'static str> {
    let mut ready = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
    let events = poll(&mut ready, PollTimeout::from(5000_u16)).expect("poll");
    assert_eq!(events, 1, "nothing was told for 5 s");
    watch.changes().expect("it reads")
}

fn quiet(watch: &mut LiveWatch<&'static str>) -> bool {
    watch.changes().expect("it reads") == Changes { keys: BTreeSet::new(), overflow: false }
}

#[test]
fn a_commit_wakes_its_session_once_and_other_files_nobody() {
    let (a, b) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let mut watch = LiveWatch::new().expect("a watch");
    watch.add("a", a.path()).expect("watched");
    watch.add("b", b.path()).expect("watched");
    for name in [".heartbeat", "outbound.db", "outbound.db-journal2", "outbox"] {
        fs::write(a.path().join(name), "x").expect("written");
        fs::remove_file(a.path().join(name)).expect("removed");
    }
    assert!(quiet(&mut watch), "other files woke somebody");
    let journal = b.path().join("outbound.db-journal");
    for _ in 0..10 {
        fs::write(&journal, "x").expect("written");
        fs::remove_file(&journal).expect("removed");
    }
    assert_eq!(told(&mut watch), Changes { keys: BTreeSet::from(["b"]), overflow: false });
    assert!(quiet(&mut watch));
}

#[test]
fn a_real_commit_is_told() {
    let work = tempfile::tempdir().expect("made");
    let mut watch = LiveWatch::new().expect("a watch");
    watch.add("s", work.path()).expect("watched");
    let conn = rusqlite::Connection::open(work.path().join("outbound.db")).expect("opened");
    for mode in ["DELETE", "TRUNCATE", "PERSIST"] {
        conn.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).expect("set");
        conn.execute_batch(&format!("CREATE TABLE {mode}_ (x)")).expect("committed");
        assert_eq!(told(&mut watch).keys, BTreeSet::from(["s"]), "{mode}");
    }
}

#[test]
fn what_is_removed_or_gone_is_told_no_more() {
    let (a, b) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let mut watch = LiveWatch::new().expect("a watch");
    watch.add("a", a.path()).expect("watched");
    watch.add("b", b.path()).expect("watched");
    let commit = |work: &Path| {
        fs::write(work.join("outbound.db-journal"), "x").expect("written");
    };
    commit(a.path());
    watch.remove(&"a");
    watch.remove(&"never added");
    commit(a.path());
    assert!(quiet(&mut watch));
    drop(b);
    // Its removal took the journal along or not; either way the watch ends by itself.
    told(&mut watch);
    assert_eq!((watch.contains(&"a"), watch.contains(&"b"), watch.keys().count()), (false, false, 0));
    watch.add("a", a.path()).expect("watched again");
    commit(a.path());
    assert_eq!(told(&mut watch).keys, BTreeSet::from(["a"]));
    assert!(watch.add("none", Path::new("/nonexistent")).is_err());
    assert!(watch.add("file", &a.path().join("outbound.db-journal")).is_err(), "a file is no work directory");
}

#[test]
fn lost_events_are_told() {
    let (a, b) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let mut watch = LiveWatch::new().expect("a watch");
    watch.add("a", a.path()).expect("watched");
    watch.add("b", b.path()).expect("watched");
    let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .expect("it reads")
        .trim()
        .parse()
        .expect("a number");
    // Two files in turn: the kernel folds an event that is like the one before.
    for n in 0..=most / 2 {
        for work in [a.path(), b.path()] {
            fs::write(work.join("x"), n.to_string()).expect("written");
        }
    }
    let mut overflow = false;
    while !quiet_or(&mut watch, &mut overflow) {}
    assert!(overflow, "{most} events were not too many");
}

/// Reads what there is; false while there is more.
fn quiet_or(watch: &mut LiveWatch<&'static str>, overflow: &mut bool) -> bool {
    let changes = watch.changes().expect("it reads");
    *overflow |= changes.overflow;
    let mut ready = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::ZERO).expect("poll") == 0
}
