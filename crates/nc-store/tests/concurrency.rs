//! Several programs write at once: none fails, and nothing is lost.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use nc_model::{ChatId, Seq};
use nc_store::{NewChat, NewMessage, Recorded, Store, StoreError};

const WRITERS: i64 = 6;
const MESSAGES: usize = 200;
const CHILD: &str = "NC_STORE_TEST_WRITER";

fn open(path: &Path) -> Store {
    Store::open(path).expect("the store")
}

fn chat_of(store: &mut Store, writer: i64) -> ChatId {
    let id = writer.to_string();
    store.ensure_chat(&NewChat { channel: "test", platform_id: &id, name: None, is_group: false }).expect("a chat")
}

/// Writes its messages one by one and in batches, some of them twice.
fn write(path: &Path, writer: i64) {
    let mut store = open(path);
    let chat = chat_of(&mut store, writer);
    let messages: Vec<_> = (0..MESSAGES).map(|n| NewMessage::new(chat, n.to_string(), format!("word{n}"))).collect();
    let (singly, batched) = messages.split_at(MESSAGES / 2);
    for message in singly {
        assert!(matches!(store.record(message).expect("stored"), Recorded::New(_)));
    }
    for batch in batched.chunks(30) {
        store.record_batch(batch).expect("stored");
    }
    let again = store.record_batch(singly).expect("known");
    assert!(again.iter().all(|recorded| matches!(recorded, Recorded::Known(_))));
}

#[test]
fn the_writer_of_the_other_tests() {
    let (Some(path), Ok(writer)) = (std::env::var_os("NC_STORE_TEST_PATH"), std::env::var(CHILD)) else { return };
    write(Path::new(&path), writer.parse().expect("a number"));
}

fn start_writer(path: &Path, writer: i64) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "the_writer_of_the_other_tests"])
        .env("NC_STORE_TEST_PATH", path)
        .env(CHILD, writer.to_string())
        .spawn()
        .expect("a writer")
}

#[test]
fn six_programs_write_at_once_and_a_reader_sees_whole_batches() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("messages.db");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| read_until(&path, &is_over));
        let mut programs: Vec<_> = (0..WRITERS / 2).map(|writer| start_writer(&path, writer)).collect();
        let threads: Vec<_> = (WRITERS / 2..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let path = &path;
                    move || write(path, writer)
                })
            })
            .collect();
        let failed = threads.into_iter().map(ScopedJoinHandle::join).filter(Result::is_err).count();
        let ends: Vec<_> = programs.iter_mut().map(|program| program.wait().expect("its end")).collect();
        is_over.store(true, Ordering::Release);
        assert!(
            failed == 0 && ends.iter().all(ExitStatus::success),
            "{failed} threads failed, and of programs {ends:?}"
        );
    });
    let mut store = open(&path);
    let written: usize = (0..WRITERS)
        .map(|writer| {
            let chat = chat_of(&mut store, writer);
            store.messages_of_chat(chat, None, 10_000).expect("its messages").len()
        })
        .sum();
    let all = usize::try_from(WRITERS).expect("a few") * MESSAGES;
    assert_eq!(written, all);
    assert_eq!(store.integrity().expect("a check"), Vec::<String>::new());
    assert_eq!(store.messages_after(Seq(0), 10_000).expect("all").len(), all);
}

/// Reads all the time; the log may grow meanwhile, and every look is of whole transactions.
fn read_until(path: &Path, is_over: &AtomicBool) {
    let store = open(path);
    let mut last = Seq(0);
    while !is_over.load(Ordering::Acquire) {
        let newest = store.newest_seq().expect("a look");
        assert!(newest >= last);
        last = newest;
        store.messages_after(Seq(newest.0 - 50), 100).expect("a look");
    }
}

#[test]
fn a_writer_that_waits_too_long_is_told_that_the_store_is_busy() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("messages.db");
    let mut store = open(&path);
    let holder = rusqlite::Connection::open(&path).expect("the file");
    holder.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let begun = std::time::Instant::now();
    let error = store.upsert_user("a:b", None).expect_err("busy");
    let waited = begun.elapsed().as_millis();
    assert!((3_000..20_000).contains(&waited), "it waited {waited} ms");
    assert!(error.is_busy(), "{error}");
    let says = format!("use the store {path:?}: other programs wrote to it all the time; try again");
    assert_eq!(error.to_string(), says);
    holder.execute_batch("ROLLBACK").expect("the lock is free");
    store.upsert_user("a:b", None).expect("a user");
}

#[test]
fn a_copy_is_made_while_others_write_and_never_over_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("messages.db");
    write(&path, 1);
    let copy = dir.path().join("copy.db");
    thread::scope(|scope| {
        let writer = scope.spawn(|| write(&path, 2));
        open(&path).backup_to(&copy).expect("a copy");
        writer.join().expect("a writer");
    });
    assert!(!dir.path().join("copy.db-wal").exists());
    let store = open(&copy);
    assert_eq!(store.integrity().expect("a check"), Vec::<String>::new());
    assert!(store.newest_seq().expect("a look") >= Seq(200));
    let error = open(&path).backup_to(&copy).expect_err("a file in its place");
    assert!(matches!(&error, StoreError::File { operation: "make the copy", .. }), "{error}");
    assert!(copy.exists());
}

#[test]
fn the_log_is_folded_back_unless_a_reader_stands_in_the_way() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("messages.db");
    write(&path, 1);
    let store = open(&path);
    open(&path).upsert_user("a:b", None).expect("a row in the log");
    let log = path.with_extension("db-wal");
    let length = || std::fs::metadata(&log).expect("the log").len();
    assert!(length() > 0);
    let reader = rusqlite::Connection::open(&path).expect("the file");
    reader.execute_batch("BEGIN; SELECT * FROM users").expect("a snapshot");
    open(&path).upsert_user("a:c", None).expect("a row after it");
    assert!(!store.checkpoint_truncate().expect("an answer"));
    reader.execute_batch("ROLLBACK").expect("its end");
    assert!(store.checkpoint_truncate().expect("an answer"));
    assert_eq!(length(), 0);
}
