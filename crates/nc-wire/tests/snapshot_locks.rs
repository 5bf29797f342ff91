//! Locks and journals: a look waits for nobody, and sees what was committed and nothing else.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod other_process;
mod work;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nc_wire::files::Directory;
use nc_wire::snapshot::{self, Limits, Look, SnapshotError};
use other_process::{Container, part, wait_for_the_end};
use rusqlite::Connection;
use work::{Work, ids};

/// What the container does in the tests below.
#[test]
#[ignore = "played by the other tests"]
fn plays_the_container() {
    let (part, work) = part();
    let conn = Connection::open(work.join("outbound.db")).expect("the container opens its file");
    match part.as_str() {
        "commits" => conn.execute_batch("BEGIN EXCLUSIVE").expect("the lock is taken"),
        "reads" => conn.execute_batch("BEGIN; SELECT count(*) FROM messages_out").expect("the lock is taken"),
        "writes" => {
            conn.execute_batch("BEGIN IMMEDIATE").expect("the lock is taken");
            work::say(&conn, "uncommitted", 1001, "never seen");
        }
        "spills" => spill(&conn),
        other => panic!("no part {other:?}"),
    }
    println!("ready");
    wait_for_the_end();
}

/// Changes more than the cache holds, so that uncommitted pages stand in the file itself.
fn spill(conn: &Connection) {
    conn.execute_batch("PRAGMA cache_size = 5; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; DELETE FROM messages_out")
        .expect("the rows are deleted");
    for n in 0..300 {
        work::say(conn, &format!("uncommitted-{n}"), 2 * n + 1, &"never seen ".repeat(50));
    }
}

fn committed() -> Work {
    let work = Work::with_tables();
    for n in 0..50 {
        work.say(&format!("committed-{n}"), 2 * n + 1, &"seen ".repeat(100));
    }
    work
}

fn assert_committed(work: &Work) {
    let rows = work.rows();
    let expected: Vec<String> = (0..50).map(|n| format!("committed-{n}")).collect();
    assert_eq!(ids(&rows), expected);
}

/// Leaves a file with uncommitted pages in it and the journal of a writer that was killed.
fn killed_in_mid_transaction() -> Work {
    let work = committed();
    Container::start("spills", work.path(), "ready").kill();
    let bytes = fs::read(work.database()).expect("the file");
    let uncommitted = b"never seen never seen";
    assert!(bytes.windows(uncommitted.len()).any(|w| w == uncommitted), "nothing uncommitted is in the file");
    assert!(fs::metadata(work.journal()).expect("a journal").len() > 512);
    work
}

#[test]
fn a_kept_lock_is_not_waited_for() {
    let work = committed();
    let container = Container::start("commits", work.path(), "ready");
    assert!(matches!(work.look(), Ok(Look::Busy)));
    container.kill();
    assert_committed(&work);
}

#[test]
fn readers_do_not_hinder_each_other() {
    let work = committed();
    let _container = Container::start("reads", work.path(), "ready");
    assert_committed(&work);
}

#[test]
fn what_a_living_writer_has_begun_is_not_seen() {
    let work = committed();
    let container = Container::start("writes", work.path(), "ready");
    assert!(work.journal().exists());
    assert_committed(&work);
    drop(container);
    assert_committed(&work);
}

#[test]
fn a_writer_that_spills_is_busy_until_it_is_gone() {
    let work = committed();
    let container = Container::start("spills", work.path(), "ready");
    assert!(matches!(work.look(), Ok(Look::Busy)));
    container.kill();
    assert_committed(&work);
}

#[test]
fn what_a_dead_writer_left_is_rolled_back_on_a_copy_that_is_removed() {
    let work = killed_in_mid_transaction();
    let scratch = tempfile::tempdir().expect("a directory");
    let limits = Limits { scratch: scratch.path().to_owned(), ..Limits::default() };
    let before = work.listing();
    let look = snapshot::read(Directory::open(work.path()).expect("it opens"), &limits, None);
    let Ok(Look::Snapshot(snapshot)) = look else { panic!("{look:?}") };
    assert_eq!(snapshot.messages_out(|_| false).expect("rows").rows.len(), 50);
    assert_eq!(work.listing(), before);
    assert_eq!(fs::read_dir(scratch.path()).expect("it lists").count(), 0);
    assert_committed(&work);
}

#[test]
fn the_private_directory_is_private_and_named_when_it_cannot_be_made() {
    let work = killed_in_mid_transaction();
    let limits = Limits { scratch: "/nonexistent".into(), ..Limits::default() };
    let error =
        snapshot::read(Directory::open(work.path()).expect("it opens"), &limits, None).expect_err("no directory");
    assert_eq!(work::chain(&error), "make a private directory in /nonexistent: No such file or directory (os error 2)");
    assert_eq!(error.verdict(), nc_wire::Verdict::Keep);
}

/// Appends the name of a super-journal to a journal, as SQLite writes one.
fn name_super_journal(journal: &Path, name: &Path) {
    let mut bytes = fs::read(journal).expect("the journal");
    let name = name.to_str().expect("a name").as_bytes();
    let sum: u32 = name.iter().map(|b| u32::from(*b)).sum();
    bytes.extend_from_slice(&0x4000_0000_u32.div_ceil(4096).to_be_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(&u32::try_from(name.len()).expect("short").to_be_bytes());
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes.extend_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    fs::write(journal, bytes).expect("the journal is planted");
}

#[test]
fn a_super_journal_that_a_planted_journal_names_is_neither_read_nor_removed() {
    let work = killed_in_mid_transaction();
    let victim = tempfile::NamedTempFile::new().expect("a victim");
    fs::write(victim.path(), "precious").expect("written");
    name_super_journal(&work.journal(), victim.path());
    assert_committed(&work);
    assert_eq!(fs::read(victim.path()).expect("it is there"), b"precious");
}

#[test]
fn a_planted_name_of_a_super_journal_does_not_undo_the_rollback() {
    let work = killed_in_mid_transaction();
    name_super_journal(&work.journal(), Path::new("/nonexistent/super-journal"));
    assert_committed(&work);
}

#[test]
fn sqlite_itself_would_have_believed_the_planted_name() {
    let work = killed_in_mid_transaction();
    name_super_journal(&work.journal(), Path::new("/nonexistent/super-journal"));
    let sound: String = work.container().query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).expect("a check");
    assert_ne!(sound, "ok", "it was rolled back, and the test above proves nothing");
}

#[test]
fn a_journal_that_would_make_a_huge_file_is_refused() {
    let work = killed_in_mid_transaction();
    let mut journal = fs::read(work.journal()).expect("the journal");
    journal[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
    fs::write(work.journal(), journal).expect("the journal is planted");
    let (error, text) = work.refusal();
    assert!(matches!(error, SnapshotError::Journal { .. }), "{text}");
}

#[test]
fn any_journal_is_survived() {
    let work = killed_in_mid_transaction();
    let journal = fs::read(work.journal()).expect("the journal");
    for at in (0..journal.len()).step_by(97).chain(0..64) {
        let mut bent = journal.clone();
        bent[at] ^= 0x55;
        fs::write(work.journal(), bent).expect("the journal is planted");
        if let Ok(Look::Snapshot(snapshot)) = work.look() {
            drop(snapshot.messages_out(|_| false));
        }
    }
}

#[test]
fn a_journal_that_is_kept_after_its_end_is_no_journal() {
    for mode in ["PERSIST", "TRUNCATE"] {
        let work = committed();
        let conn = work.container();
        conn.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).expect("the mode is set");
        work::say(&conn, "last", 1001, "hello");
        drop(conn);
        assert!(work.journal().exists(), "{mode} keeps it");
        assert_eq!(work.rows().rows.len(), 51, "{mode}");
    }
}

#[test]
fn an_unchanged_file_is_not_copied_again_and_a_changed_one_is() {
    let work = committed();
    let look = |last| {
        let directory = Directory::open(work.path()).expect("it opens");
        snapshot::read(&directory, &Limits::default(), last).expect("a look")
    };
    let Look::Snapshot(first) = look(None) else { panic!("no snapshot") };
    assert!(matches!(look(Some(first.fingerprint())), Look::Unchanged));
    // Not even while a writer holds the lock: nothing was committed.
    let container = Container::start("commits", work.path(), "ready");
    assert!(matches!(look(Some(first.fingerprint())), Look::Unchanged));
    container.kill();
    work.say("more", 1001, "hello");
    let Look::Snapshot(second) = look(Some(first.fingerprint())) else { panic!("not seen") };
    assert_eq!(second.messages_out(|_| false).expect("rows").rows.len(), 51);
    // The same bytes in another file are another file.
    let copy = work.path().join("copy");
    fs::copy(work.database(), &copy).expect("copied");
    fs::rename(&copy, work.database()).expect("renamed");
    assert!(matches!(look(Some(second.fingerprint())), Look::Snapshot(_)));
}

#[test]
fn a_file_that_shrinks_and_grows_while_it_is_read_is_survived() {
    let work = committed();
    let bytes = fs::read(work.database()).expect("the file");
    let stop = Arc::new(AtomicBool::new(false));
    let agent = std::thread::spawn({
        let (stop, path) = (stop.clone(), work.database());
        move || {
            let file = fs::OpenOptions::new().write(true).open(path).expect("the file");
            while !stop.load(Ordering::Relaxed) {
                file.set_len(1000).expect("cut");
                std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).expect("written");
            }
        }
    });
    let mut seen = [0; 3];
    for _ in 0..2000 {
        match work.look_unwatched() {
            Ok(Look::Snapshot(snapshot)) => {
                drop(snapshot.messages_out(|_| false));
                seen[0] += 1;
            }
            Ok(_) => seen[1] += 1,
            Err(_) => seen[2] += 1,
        }
    }
    stop.store(true, Ordering::Relaxed);
    agent.join().expect("the agent ends");
    assert!(seen[0] > 0, "it was never read: {seen:?}");
}

/// Runs `agent` over and over while `looks` looks are made, none of which may refuse the file; gives how many of them saw it.
fn looks_beside(work: &Work, looks: usize, agent: impl FnMut() + Send) -> usize {
    let (stop, mut agent) = (AtomicBool::new(false), agent);
    let found = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                agent();
            }
        });
        let look = |seen, _| work.look_unwatched().map(|look| seen + usize::from(matches!(look, Look::Snapshot(_))));
        let found = (0..looks).try_fold(0, look);
        stop.store(true, Ordering::Relaxed);
        found
    });
    found.unwrap_or_else(|error| panic!("an honest file is refused: {}", work::chain(&error)))
}

#[test]
fn a_journal_that_vanishes_while_it_is_opened_is_no_journal() {
    let work = committed();
    let journal = work.journal();
    let seen = looks_beside(&work, 20_000, || {
        // As SQLite leaves the head of a journal that is over.
        fs::write(&journal, [0; 512]).expect("a journal");
        fs::remove_file(&journal).expect("its end");
    });
    assert_eq!(seen, 20_000);
}

#[test]
fn a_file_that_vanishes_while_it_is_opened_is_absent() {
    let work = committed();
    let (database, spare) = (work.database(), work.path().join("spare"));
    fs::copy(&database, &spare).expect("a copy");
    looks_beside(&work, 5_000, || {
        drop(fs::remove_file(&database));
        let another = work.path().join("another");
        fs::copy(&spare, &another).expect("a copy");
        fs::rename(&another, &database).expect("it is there again");
    });
    assert_committed(&work);
}
