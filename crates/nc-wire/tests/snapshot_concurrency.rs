//! A container that writes as fast as it can, and a reader that looks as nc-ipcd does: on events alone.
//!
//! A batch is seen whole or not at all, none is lost, and what was rolled back is never seen.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod other_process;
mod work;

use std::collections::{BTreeMap, HashSet};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nc_wire::content::Outgoing;
use nc_wire::files::Directory;
use nc_wire::snapshot::{self, Fingerprint, Limits, Look, OutRow};
use nc_wire::watch::LiveWatch;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use other_process::{Container, part};
use rusqlite::Connection;
use work::Work;

const BATCHES: i64 = 150;
const DEADLINE: Duration = Duration::from_secs(60);

/// The container: batches of 1 to 7 rows, between them some that are taken back.
#[test]
#[ignore = "played by the other tests"]
fn plays_the_container() {
    let (mode, work) = part();
    let conn = Connection::open(work.join("outbound.db")).expect("the container opens its file");
    conn.busy_timeout(Duration::from_secs(20)).expect("a timeout");
    conn.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).expect("the mode is set");
    conn.execute_batch("PRAGMA cache_size = 5; PRAGMA synchronous = OFF").expect("set");
    println!("ready");
    let mut seq = 1;
    for batch in 0..BATCHES {
        let rows = batch % 7 + 1;
        conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
        for row in 0..rows {
            work::say(&conn, &format!("{batch}.{row}"), seq, &format!("{batch} of {rows} {}", "x".repeat(700)));
            seq += 2;
        }
        conn.execute_batch("COMMIT").expect("committed");
        if batch % 5 == 0 {
            take_back(&conn, seq);
        }
    }
}

/// More than the cache holds, so that it stands in the file before it is taken back.
fn take_back(conn: &Connection, seq: i64) {
    conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
    for row in 0..40 {
        work::say(conn, &format!("never-{row}"), seq + 2 * row, &"never seen ".repeat(100));
    }
    conn.execute_batch("ROLLBACK").expect("taken back");
}

/// What a reader that looks on events has seen.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    last: Option<Fingerprint>,
    busy: u32,
    looks: u32,
}

impl Seen {
    /// Looks once; returns how long to wait at most for the next event.
    fn look(&mut self, work: &Directory) -> Option<Duration> {
        self.looks += 1;
        match snapshot::read(work, &Limits::default(), self.last.as_ref()).expect("the file is read") {
            Look::Absent | Look::Unchanged => self.busy = 0,
            Look::Busy => {
                self.busy += 1;
                return Some(snapshot::busy_delay(self.busy - 1));
            }
            Look::Snapshot(copy) => {
                self.busy = 0;
                let rows = copy.messages_out(|_| false).expect("the rows are listed");
                assert!(!rows.more);
                let rows: Vec<OutRow> = rows.rows.into_iter().map(|row| row.expect("every row is right")).collect();
                assert_whole(&rows);
                self.ids.extend(rows.into_iter().map(|row| row.id));
                self.last = Some(copy.fingerprint().clone());
            }
        }
        None
    }
}

/// Every batch that is there is there as a whole, and all before the last.
fn assert_whole(rows: &[OutRow]) {
    let mut batches: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for row in rows {
        let Outgoing::Text(text) = &row.content else { panic!("{row:?}") };
        let words: Vec<&str> = text.text.split(' ').collect();
        let [batch, "of", of, padding] = words[..] else { panic!("a row that was taken back: {row:?}") };
        assert_eq!(padding.len(), 700);
        let entry = batches.entry(batch.parse().expect("a number")).or_default();
        *entry = (entry.0 + 1, of.parse().expect("a number"));
    }
    for (at, (batch, (found, of))) in batches.iter().enumerate() {
        assert_eq!(
            (i64::try_from(at).expect("few"), found),
            (*batch, of),
            "batch {batch} is torn or one before it is lost"
        );
    }
}

fn every_batch_is_seen_whole(mode: &str) {
    let work = Work::with_tables();
    let directory = Directory::open(work.path()).expect("it opens");
    let mut watch = LiveWatch::new().expect("a watch");
    watch.add("session", work.path()).expect("watched");
    let _container = Container::start(mode, work.path(), "ready");
    let (mut seen, start) = (Seen::default(), Instant::now());
    let all: usize = (0..BATCHES).map(|batch| usize::try_from(batch % 7 + 1).expect("few")).sum();
    let mut wait = seen.look(&directory);
    while seen.ids.len() < all {
        assert!(start.elapsed() < DEADLINE, "{mode}: {} of {all} rows after {} looks", seen.ids.len(), seen.looks);
        // Rounded down: a wait of less than a millisecond is a look at once.
        let timeout =
            wait.map_or(PollTimeout::from(5000_u16), |wait| PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO));
        let mut ready = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        let events = poll(&mut ready, timeout).expect("poll");
        let silent = events == 0 && wait.is_none();
        assert!(!silent, "{mode}: no event for 5 s, with {} of {all} rows seen", seen.ids.len());
        let changes = watch.changes().expect("the watch reads");
        if wait.is_some() || changes.overflow || changes.keys.contains("session") {
            wait = seen.look(&directory);
        }
    }
    assert_eq!(seen.ids.len(), all);
}

#[test]
fn every_batch_is_seen_whole_with_a_journal_that_is_deleted() {
    every_batch_is_seen_whole("DELETE");
}

#[test]
fn every_batch_is_seen_whole_with_a_journal_that_is_kept() {
    every_batch_is_seen_whole("PERSIST");
}

#[test]
fn every_batch_is_seen_whole_with_a_journal_that_is_cut() {
    every_batch_is_seen_whole("TRUNCATE");
}
