//! No file makes the reader's process large. One test alone in its program, since the measure is the whole process.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod work;

use std::fs;

use nc_wire::snapshot::{Look, SnapshotError};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use work::Work;

/// The largest file, the heap that SQLite may have, one look's rows, and what the test itself holds.
const MOST_MIB: u64 = 64 + 256 + 64 + 64;

#[test]
fn no_file_makes_the_process_large() {
    // The container's own connection must not count: it is at work in a process of its own in real life.
    let schema = a_schema_without_end();
    let listed = match schema.look() {
        Ok(Look::Snapshot(snapshot)) => snapshot.messages_out(|_| false).map(|rows| rows.rows.len()),
        other => panic!("{other:?}"),
    };
    assert!(matches!(listed, Err(SnapshotError::TooSlow { .. } | SnapshotError::TooMuchMemory)), "{listed:?}");

    let deep = json_that_grows();
    for _ in 0..20 {
        let rows = deep.rows_unwatched();
        assert!(
            rows.more && (1..=16).contains(&rows.rows.len()) && rows.rows.iter().all(Result::is_ok),
            "{}",
            rows.rows.len()
        );
    }

    let shortened = Work::with_tables();
    shortened.say("a", 1, "hello");
    fs::OpenOptions::new().write(true).open(shortened.database()).expect("the file").set_len(64 << 20).expect("sparse");
    for _ in 0..20 {
        assert_eq!(shortened.rows().rows.len(), 1);
    }
    let most = peak_mib();
    assert!(most < MOST_MIB, "the process had {most} MiB");
}

/// Half a million tables in the schema: SQLite reads them all before the first query.
fn a_schema_without_end() -> Work {
    let work = Work::with_tables();
    let conn = Connection::open(work.database()).expect("opened");
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).expect("set");
    conn.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA writable_schema = ON;
         WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 500000)
         INSERT INTO sqlite_schema SELECT 'table', 't' || x, 't' || x, 2, 'CREATE TABLE t' || x || '(a,b,c,d,e,f,g)' FROM n",
    )
    .expect("the schema is bent");
    work
}

/// Rows of which each becomes many times its size when it is built in memory.
fn json_that_grows() -> Work {
    let work = Work::with_tables();
    let content = format!(r#"{{"type":"card","card":{{"children":[{}0]}}}}"#, "[],".repeat(340_000));
    let conn = work.container();
    for n in 0..20_i64 {
        let sql = "INSERT INTO messages_out (id, seq, timestamp, kind, content) VALUES (?1, ?2, '2026-11-24 18:00:00', 'chat-sdk', ?3)";
        conn.execute(sql, rusqlite::params![n.to_string(), 2 * n + 1, content]).expect("a row");
    }
    work
}

/// The most memory that this process ever had.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the process has a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib / 1024
}
