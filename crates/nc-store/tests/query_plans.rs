//! No query that runs for each message, delivery or doorbell reads a table from end to end.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::HashSet;

use nc_store::{Store, hot_queries};
use rusqlite::Connection;

/// The table whose last key is asked for by `max`: one row is read.
const LAST_BY_KEY: &str = "messages";

/// Lines of `EXPLAIN QUERY PLAN` that read a whole table or a whole index that is not one of open states.
fn scans(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a plan");
    let lines: Vec<String> =
        statement.raw_query().mapped(|row| row.get("detail")).collect::<Result<_, _>>().expect("its lines");
    let made: HashSet<String> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("CO-ROUTINE ").or_else(|| line.strip_prefix("MATERIALIZE ")))
        .map(str::to_owned)
        .collect();
    lines.into_iter().filter(|line| is_scan(conn, line, &made)).collect()
}

fn is_scan(conn: &Connection, line: &str, made: &HashSet<String>) -> bool {
    // `min` and `max` without an index are called a search, and read everything.
    if let Some(rest) = line.strip_prefix("SEARCH ") {
        return !rest.contains('(') && !rest.contains(" INDEX ") && rest != LAST_BY_KEY;
    }
    let Some(rest) = line.strip_prefix("SCAN ") else { return false };
    let name = rest.split(' ').next().unwrap_or_default();
    let is_match = rest.contains("VIRTUAL TABLE INDEX") && rest.contains(":M");
    let is_open_states = rest.split("INDEX ").nth(1).is_some_and(|index| is_partial(conn, index));
    !(rest == "CONSTANT ROW" || made.contains(name) || name.starts_with('(') || is_match || is_open_states)
}

fn is_partial(conn: &Connection, index: &str) -> bool {
    let sql = "SELECT sql LIKE '%WHERE%' FROM sqlite_schema WHERE type = 'index' AND name = ?1";
    conn.query_row(sql, [index.split(' ').next()], |row| row.get(0)).unwrap_or(false)
}

fn schema() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("messages.db");
    drop(Store::open(&path).expect("a store"));
    let conn = Connection::open(path).expect("its file");
    (dir, conn)
}

#[test]
fn every_hot_query_finds_its_rows_by_an_index() {
    let (_dir, conn) = schema();
    let queries = hot_queries();
    assert!(queries.len() > 40, "only {} queries are listed", queries.len());
    let mut bad = Vec::new();
    for (name, sql) in queries {
        bad.extend(scans(&conn, sql).into_iter().map(|line| format!("{name}: {line}")));
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn a_scan_would_be_noticed() {
    let (_dir, conn) = schema();
    for sql in [
        "SELECT * FROM messages",
        "SELECT * FROM messages WHERE text = ?1",
        "SELECT count(*) FROM routings",
        "SELECT m.seq FROM messages m LEFT JOIN routings r ON r.run_id IS NULL WHERE m.seq = ?1",
        "SELECT * FROM (SELECT DISTINCT session_id FROM runs)",
        "SELECT min(due) FROM (SELECT next_attempt_at AS due FROM sends)",
        "UPDATE sends SET status = 'dead' WHERE error = ?1",
        "SELECT * FROM messages_text",
    ] {
        assert!(!scans(&conn, sql).is_empty(), "{sql}");
    }
}

#[test]
fn names_of_hot_queries_are_unique() {
    let names: Vec<&str> = hot_queries().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
}
