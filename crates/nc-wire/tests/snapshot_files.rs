//! What lies in the place of `outbound.db` may be anything: it is read or refused by name, and nothing is touched.

mod work;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use nc_wire::Verdict;
use nc_wire::snapshot::{Look, SnapshotError};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use proptest::prelude::*;
use work::{Work, ids};

const LIMIT: u64 = 64 * 1024 * 1024;

#[track_caller]
fn refused(work: &Work, said: &str) {
    let (error, text) = work.refusal();
    assert_eq!(error.verdict(), Verdict::Refuse, "{text}");
    assert_eq!(text, said);
}

#[test]
fn no_file_and_an_empty_file_are_nothing() {
    let work = Work::new();
    assert!(matches!(work.look(), Ok(Look::Absent)));
    work.bytes(b"");
    assert!(matches!(work.look(), Ok(Look::Absent)));
}

#[test]
fn a_database_without_our_tables_has_no_rows() {
    let work = Work::new();
    work.sql("CREATE TABLE other (x)");
    let snapshot = work.snapshot();
    assert!(snapshot.messages_out(|_| false).expect("rows").rows.is_empty());
    assert!(snapshot.acks(|_| false).expect("acks").rows.is_empty());
    assert!(snapshot.session_state("").expect("state").rows.is_empty());
    assert!(snapshot.container_state().expect("state").is_none());
}

#[test]
fn a_link_is_not_followed() {
    let (work, elsewhere) = (Work::new(), Work::with_tables());
    symlink(elsewhere.database(), work.database()).expect("a link");
    refused(&work, "take a copy of the agent's file: open \"outbound.db\": it is a symbolic link, not a regular file");
    fs::remove_file(work.database()).expect("removed");
    symlink("/nonexistent", work.database()).expect("a link to nothing");
    refused(&work, "take a copy of the agent's file: open \"outbound.db\": it is a symbolic link, not a regular file");
}

#[test]
fn a_second_name_is_refused() {
    let work = Work::with_tables();
    fs::hard_link(work.database(), work.path().join("other")).expect("a link");
    refused(&work, "take a copy of the agent's file: open \"outbound.db\": it has 2 links, one is allowed");
}

#[test]
fn a_directory_a_pipe_a_socket_and_a_device_are_refused_at_once() {
    let said =
        |found| format!("take a copy of the agent's file: open \"outbound.db\": it is {found}, not a regular file");
    let work = Work::new();
    fs::create_dir(work.database()).expect("a directory");
    refused(&work, &said("a directory"));

    let work = Work::new();
    mkfifo(&work.database(), Mode::S_IRWXU).expect("a pipe");
    refused(&work, &said("a pipe or device"));

    let work = Work::new();
    let _socket = UnixListener::bind(work.database()).expect("a socket");
    refused(&work, &said("a socket or device"));

    let work = Work::new();
    match mknod(&work.database(), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)) {
        Ok(()) => refused(&work, &said("a pipe or device")),
        Err(errno) => eprintln!("skipped the device: mknod says {errno}"),
    }
}

#[test]
fn a_planted_journal_is_checked_like_the_file() {
    let work = Work::with_tables();
    mkfifo(&work.journal(), Mode::S_IRWXU).expect("a pipe");
    refused(
        &work,
        "take a copy of the agent's file: open \"outbound.db-journal\": it is a pipe or device, not a regular file",
    );
    fs::remove_file(work.journal()).expect("removed");
    symlink("/etc/passwd", work.journal()).expect("a link");
    refused(
        &work,
        "take a copy of the agent's file: open \"outbound.db-journal\": it is a symbolic link, not a regular file",
    );
}

#[test]
fn too_large_is_refused_in_length_and_on_disk() {
    let work = Work::new();
    let file = fs::File::create(work.database()).expect("a file");
    file.set_len(LIMIT + 1).expect("a sparse file");
    let over = LIMIT + 1;
    refused(
        &work,
        &format!(
            "take a copy of the agent's file: read \"outbound.db\": it has {over} bytes, at most {LIMIT} are allowed"
        ),
    );
    file.set_len(0).expect("cut");
    // Not longer than its first page, but larger on disk.
    let keep = nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match nix::fcntl::fallocate(&file, keep, 0, (LIMIT + 1024 * 1024).cast_signed()) {
        Ok(()) => assert!(matches!(work.refusal().0, SnapshotError::File(_))),
        Err(errno) => eprintln!("skipped the preallocated file: fallocate says {errno}"),
    }
}

#[test]
fn a_sparse_file_of_the_largest_size_is_read_in_time() {
    let work = Work::with_tables();
    work.say("a", 1, "hello");
    let file = fs::OpenOptions::new().write(true).open(work.database()).expect("the file");
    file.set_len(LIMIT).expect("a sparse file");
    assert_eq!(ids(&work.rows()), ["a"]);
}

#[test]
fn a_file_that_the_host_may_not_read_is_refused_by_name() {
    if nix::unistd::geteuid().is_root() {
        eprintln!("skipped: root may read everything");
        return;
    }
    let work = Work::with_tables();
    fs::set_permissions(work.database(), std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("the mode is set");
    refused(
        &work,
        "take a copy of the agent's file: open \"outbound.db\": its permissions do not let the host read it",
    );
}

#[test]
fn a_write_ahead_log_is_refused_before_sqlite_sees_it() {
    let work = Work::with_tables();
    work.sql("PRAGMA journal_mode = WAL; INSERT INTO session_state VALUES ('a', 'b', 'c')");
    refused(&work, "read outbound.db: it is set to journal_mode WAL, only DELETE, TRUNCATE and PERSIST are allowed");
    // Only one of the two bytes.
    for at in [18, 19] {
        let work = Work::with_tables();
        let mut bytes = fs::read(work.database()).expect("the file");
        bytes[at] = 2;
        work.bytes(&bytes);
        assert!(matches!(work.refusal().0, SnapshotError::Wal));
        bytes[at] = 3;
        work.bytes(&bytes);
        assert!(matches!(work.refusal().0, SnapshotError::NotADatabase));
    }
}

#[test]
fn other_files_are_no_database() {
    for bytes in [&b"x"[..], b"SQLite format 3\0", &[0; 4096], b"---\nhello\n"] {
        let work = Work::new();
        work.bytes(bytes);
        refused(&work, "read outbound.db: it is not a SQLite database");
    }
}

#[test]
fn every_cut_of_a_database_is_read_or_refused() {
    let whole = Work::with_tables();
    for n in 0..200 {
        whole.say(&format!("{n}"), 2 * n + 1, &"word ".repeat(50));
    }
    let bytes = fs::read(whole.database()).expect("the file");
    for length in (0..bytes.len()).step_by(1021) {
        let work = Work::new();
        work.bytes(&bytes[..length]);
        if let Ok(Look::Snapshot(snapshot)) = work.look() {
            drop(snapshot.messages_out(|_| false));
            drop(snapshot.acks(|_| false));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..20_000), headed in any::<bool>()) {
        let work = Work::new();
        let mut bytes = bytes;
        if headed && bytes.len() >= 100 {
            let real = fs::read(Work::with_tables().database()).expect("the file");
            bytes[..100].copy_from_slice(&real[..100]);
        }
        work.bytes(&bytes);
        if let Ok(Look::Snapshot(snapshot)) = work.look() {
            drop(snapshot.messages_out(|_| false));
        }
    }

    #[test]
    fn a_database_with_changed_bytes_is_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40), journal in any::<bool>()
    ) {
        let work = Work::with_tables();
        for n in 0..40 {
            work.say(&format!("{n}"), 2 * n + 1, "some words");
        }
        let mut bytes = fs::read(work.database()).expect("the file");
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        work.bytes(&bytes);
        if journal {
            let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
            journal.extend_from_slice(&bytes[..bytes.len().min(6000)]);
            fs::write(work.journal(), journal).expect("a journal");
        }
        if let Ok(Look::Snapshot(snapshot)) = work.look() {
            drop(snapshot.messages_out(|_| false));
            drop(snapshot.acks(|_| false));
            drop(snapshot.session_state("usage:"));
            drop(snapshot.container_state());
        }
    }
}
