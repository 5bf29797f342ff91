//! What the container writes, and what it removes again.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use nc_wire::mailbox::container::Mailbox;
use nc_wire::mailbox::{AckStatus, InStatus};
use rusqlite::Connection;

use crate::session::{NOW, PLENTY, Session, ack, ids, settle};

#[test]
fn numbers_are_odd_and_above_the_highest_of_both_sides() {
    let session = Session::new();
    let mut mailbox = session.open();
    settle(&mut mailbox, &["first"], &[]);
    assert_eq!(session.numbers(), [1]);
    session.append(&["1", "2", "3"]);
    settle(&mut mailbox, &["second", "third"], &[]);
    assert_eq!(session.numbers(), [1, 7, 9]);
    drop(mailbox);
    settle(&mut session.open(), &["fourth"], &[]);
    assert_eq!(session.numbers(), [1, 7, 9, 11]);
}

#[test]
fn what_was_delivered_is_removed_but_for_the_newest() {
    let session = Session::new();
    let mut mailbox = session.open();
    for text in ["1", "2", "3", "4"] {
        settle(&mut mailbox, &[text], &[]);
    }
    let rows = session.snapshot().messages_out(|_| false).expect("rows").rows;
    let third = rows.into_iter().nth(2).expect("a row").expect("a row").id;
    session.delivered(&[&third]);
    mailbox.look(NOW, PLENTY).expect("a look");
    assert_eq!(session.numbers(), [1, 3, 5, 7], "a look writes nothing");
    settle(&mut mailbox, &["5"], &[]);
    assert_eq!(session.numbers(), [5, 7, 9]);
}

#[test]
fn an_acknowledgement_is_removed_when_the_host_has_taken_note_of_it() {
    let session = Session::with_rows(&["1", "2", "3"]);
    let mut mailbox = session.open();
    settle(&mut mailbox, &[], &["1", "2"]);
    session.host.set_statuses(&[("1", InStatus::Completed)]).expect("a status");
    mailbox.look(NOW, PLENTY).expect("a look");
    settle(&mut mailbox, &[], &["3"]);
    let left = BTreeSet::from([ack("2", AckStatus::Completed), ack("3", AckStatus::Completed)]);
    assert_eq!(session.acks(), left);
}

#[test]
fn an_old_acknowledgement_of_a_row_that_the_host_has_no_more_is_removed() {
    let session = Session::with_rows(&["kept"]);
    let mut mailbox = session.open();
    settle(&mut mailbox, &[], &["gone", "gone just now", "kept"]);
    let other = Connection::open(session.outbound()).expect("outbound.db");
    other
        .execute(
            "UPDATE processing_ack SET status_changed = datetime('now', '-2 days') WHERE message_id <> 'gone just now'",
            [],
        )
        .expect("they are old");
    drop(other);
    mailbox.look(NOW, PLENTY).expect("a look");
    settle(&mut mailbox, &[], &[]);
    let left = BTreeSet::from([ack("gone just now", AckStatus::Completed), ack("kept", AckStatus::Completed)]);
    assert_eq!(session.acks(), left);
}

#[test]
fn the_file_gives_back_the_room_of_what_was_removed() {
    let session = Session::new();
    let mut mailbox = session.open();
    settle(&mut mailbox, &[&"x".repeat(200_000)], &[]);
    settle(&mut mailbox, &["short"], &[]);
    let size = || fs::metadata(session.outbound()).expect("outbound.db").len();
    let before = size();
    let rows = session.snapshot().messages_out(|_| false).expect("rows").rows;
    let newest = rows.into_iter().next_back().expect("a row").expect("a row").id;
    session.delivered(&[&newest]);
    mailbox.look(NOW, PLENTY).expect("a look");
    settle(&mut mailbox, &[], &[]);
    assert!(size() + 190_000 < before, "{before} became {}", size());
}

#[test]
fn a_thousand_turns_leave_a_small_file() {
    let session = Session::new();
    let mut mailbox = session.open();
    for n in 0..1000 {
        let id = n.to_string();
        session.append(&[&id]);
        mailbox.look(NOW, PLENTY).expect("a look");
        mailbox.take(&[&id]).expect("it is taken");
        settle(&mut mailbox, &["an answer of some length, as people and models write them"], &[&id]);
        let rows = session.snapshot().messages_out(|_| false).expect("rows").rows;
        session.delivered(&[&rows.into_iter().next_back().expect("a row").expect("a row").id]);
        session.host.set_statuses(&[(&id, InStatus::Completed)]).expect("a status");
    }
    let size = fs::metadata(session.outbound()).expect("outbound.db").len();
    assert!(size < 70_000, "{size} bytes");
}

#[test]
fn a_write_waits_for_a_host_that_copies() {
    let session = Session::new();
    let mut mailbox = session.open();
    let host = Connection::open(session.outbound()).expect("outbound.db");
    host.execute_batch("BEGIN; SELECT * FROM messages_out").expect("a shared lock");
    std::thread::scope(|scope| {
        scope.spawn(|| settle(&mut mailbox, &["hi"], &[]));
        // The writer has its journal and waits for the lock.
        let journal = session.root.path().join("outbound.db-journal");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !journal.exists() {
            assert!(Instant::now() < deadline, "it wrote without waiting");
            std::thread::yield_now();
        }
        host.execute_batch("COMMIT").expect("the lock is free");
    });
    assert_eq!(session.numbers(), [1]);
}

#[test]
fn of_many_runs_the_usage_of_the_newest_few_is_kept() {
    let session = Session::new();
    let mut mailbox = session.open();
    mailbox.set_state("continuation:echo", "s").expect("a state");
    for n in 0..9 {
        mailbox.set_state(&format!("usage:run-{n}"), "{}").expect("a state");
    }
    let kept = session.snapshot().session_state("").expect("state").rows;
    let keys: Vec<String> = kept.into_iter().map(|state| state.expect("a state").key).collect();
    assert_eq!(keys, ["continuation:echo", "usage:run-5", "usage:run-6", "usage:run-7", "usage:run-8"]);
    assert_eq!(mailbox.state("continuation:echo").expect("a state").as_deref(), Some("s"));
    assert_eq!(mailbox.state("other").expect("a state"), None);
}

/// Opens the mailbox of an agent that has left `sql` in its file, and sees that the next one can work.
fn works_after(sql: &str, why: &str) {
    let session = Session::with_rows(&["1"]);
    drop(session.open());
    rusqlite::Connection::open(session.outbound()).expect("it opens").execute_batch(sql).expect("the statements run");
    let mut mailbox = session.open();
    let said = mailbox.unusable().map(|error| format!("{error}: {:?}", std::error::Error::source(&error)));
    assert!(said.as_ref().is_some_and(|said| said.contains(why)), "{sql}: {said:?}");
    assert_eq!(ids(&mailbox.look(NOW, PLENTY).expect("a look")), ["1"], "{sql}");
    mailbox.take(&["1"]).expect("it is taken");
    settle(&mut mailbox, &["hi"], &["1"]);
    mailbox.set_tool("Bash", None, NOW).expect("a tool");
    assert_eq!(session.numbers(), [3], "{sql}");
    drop(mailbox);
    assert!(session.open().unusable().is_none(), "{sql}: again");
}

#[test]
fn a_file_that_cannot_be_used_makes_way_for_a_new_one() {
    for (sql, why) in [
        ("INSERT INTO processing_ack VALUES (x'00', 'completed', 'now')", "an acknowledgement without a name"),
        ("INSERT INTO messages_out VALUES (NULL, 1, '', '', '', '', '', '', '', '', '')", "a row without a name"),
        ("DROP TABLE processing_ack; CREATE TABLE processing_ack (message_id, status, status_changed)", "ON CONFLICT"),
        ("DROP TABLE container_state; CREATE VIEW container_state AS SELECT 1 AS id", "a view or trigger"),
        ("CREATE TRIGGER t AFTER INSERT ON processing_ack BEGIN DELETE FROM processing_ack; END", "a view or trigger"),
        ("DROP TABLE messages_out; CREATE TABLE messages_out (id, seq)", "has no column"),
        ("DROP TABLE session_state; CREATE INDEX session_state ON messages_out (seq)", "session_state"),
    ] {
        works_after(sql, why);
    }
}

#[test]
fn rubbish_makes_way_with_the_journal_beside_it() {
    let session = Session::new();
    fs::write(session.outbound(), "x".repeat(4096)).expect("rubbish");
    fs::write(session.root.path().join("outbound.db-journal"), "y".repeat(4096)).expect("rubbish");
    let mut mailbox = session.open();
    assert!(mailbox.unusable().is_some());
    settle(&mut mailbox, &["hi"], &[]);
    assert_eq!(session.numbers(), [1]);
    let mut names = fs::read_dir(session.root.path()).expect("it lists").flatten().map(|entry| entry.file_name());
    assert!(names.any(|name| name.to_string_lossy().ends_with("-outbound.db")), "it is kept for a person to see");
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_that_does_not_pass() {
    let session = Session::new();
    fs::create_dir(session.outbound()).expect("a directory");
    let error = Mailbox::open(session.root.path()).expect_err("it is opened");
    assert!(!error.passes(), "{error:?}");
}
