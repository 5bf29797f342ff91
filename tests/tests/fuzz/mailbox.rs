//! `outbound.db` and its journal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nc_wire::files::Directory;
use nc_wire::mailbox::schema::{OUTBOUND, OUTBOUND_FILE};
use nc_wire::snapshot::{self, Limits, Look};
use rusqlite::Connection;

use crate::rounds::Fuzz;

const JOURNAL: &str = "outbound.db-journal";

/// Between a file and its journal in one input.
const BETWEEN: &[u8] = b"\0and its journal\0";

const WORDS: &[&str] = &[
    "SQLite format 3\0",
    "CREATE TABLE messages_out",
    "CREATE VIEW",
    "CREATE TRIGGER",
    " AS (hex(zeroblob(100000000)))",
    "WITHOUT ROWID",
    "sqlite_schema",
    "\u{d9}\u{d5}\u{5}",
];

/// A file as an honest agent leaves it, with small pages so that a change hits what means something.
fn honest(directory: &Path) -> Connection {
    let conn = Connection::open(directory.join(OUTBOUND_FILE)).expect("it opens");
    conn.execute_batch(&format!("PRAGMA page_size = 512; PRAGMA synchronous = OFF; {OUTBOUND}")).expect("the tables");
    conn.execute_batch(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 40)
         INSERT INTO messages_out (id, seq, timestamp, kind, content)
         SELECT 'row-' || x, 2 * x + 1, '2026-11-24 18:00:00', 'chat', '{\"text\":\"word ' || x || '\"}' FROM n;
         INSERT INTO processing_ack VALUES ('1:1', 'completed', '2026-11-24 18:00:00');
         INSERT INTO session_state VALUES ('usage:1', '{}', '2026-11-24 18:00:00');
         INSERT INTO container_state VALUES (1, 'Bash', 1000, '2026-11-24 18:00:00', '2026-11-24 18:00:00');",
    )
    .expect("rows");
    conn
}

/// A good file, and one in the midst of a transaction with its journal.
fn good() -> Vec<Vec<u8>> {
    let place = tempfile::tempdir().expect("a directory");
    let conn = honest(place.path());
    let read = |name: &str| fs::read(place.path().join(name)).expect("it is there");
    let whole = read(OUTBOUND_FILE);
    conn.execute_batch("PRAGMA cache_size = 2; BEGIN IMMEDIATE; UPDATE messages_out SET content = hex(zeroblob(300))")
        .expect("a transaction");
    let hot = [read(OUTBOUND_FILE).as_slice(), BETWEEN, &read(JOURNAL)].concat();
    vec![whole, hot]
}

/// What lies in a directory.
fn lies_in(directory: &Path) -> BTreeMap<std::ffi::OsString, Vec<u8>> {
    let entries = fs::read_dir(directory).expect("it lists").flatten();
    entries.map(|entry| (entry.file_name(), fs::read(entry.path()).expect("it is read"))).collect()
}

/// Takes everything out of a file that a look lets through.
fn take_all(directory: &Path) {
    let work = Directory::open(directory).expect("it opens");
    let Ok(Look::Snapshot(snapshot)) = snapshot::read(&work, &Limits::default(), None) else { return };
    if let Ok(rows) = snapshot.messages_out(|_| false) {
        assert!(rows.rows.len() <= 1000, "more rows than a look takes");
        for row in rows.rows.iter().flatten() {
            assert!(row.seq % 2 == 1 && row.seq > 0, "the number {} was taken", row.seq);
        }
    }
    drop((snapshot.acks(|_| false), snapshot.session_state("usage:"), snapshot.container_state()));
}

#[test]
fn any_file_is_read_or_refused_and_nothing_is_changed() {
    let good = good();
    let fuzz = Fuzz { name: "outbound.db", rounds: 600, good: &good, words: WORDS };
    let place = tempfile::tempdir().expect("a directory");
    fuzz.run(|bytes| {
        let between = bytes.windows(BETWEEN.len()).position(|part| part == BETWEEN);
        let (file, journal) = between.map_or((bytes, None), |at| (&bytes[..at], Some(&bytes[at + BETWEEN.len()..])));
        fs::write(place.path().join(OUTBOUND_FILE), file).expect("a file");
        match journal {
            Some(journal) => fs::write(place.path().join(JOURNAL), journal).expect("a journal"),
            None => drop(fs::remove_file(place.path().join(JOURNAL))),
        }
        let before = lies_in(place.path());
        take_all(place.path());
        assert!(lies_in(place.path()) == before, "the look has changed something");
    });
}

#[test]
fn the_honest_files_are_read_as_they_are() {
    let place = tempfile::tempdir().expect("a directory");
    drop(honest(place.path()));
    let work = Directory::open(place.path()).expect("it opens");
    let Ok(Look::Snapshot(snapshot)) = snapshot::read(&work, &Limits::default(), None) else { panic!("it is refused") };
    assert_eq!(snapshot.messages_out(|_| false).expect("rows").rows.iter().flatten().count(), 40);
}
