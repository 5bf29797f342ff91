//! What the schema of `outbound.db` holds may be anything: a table of ours is a plain table or is refused by name, nothing that the
//! agent wrote is run, and nothing takes long.

mod work;

use nc_wire::Verdict;
use nc_wire::snapshot::SnapshotError;
use work::{LOOSE, Work, ids};

#[track_caller]
fn refused(schema: &str, said: &str) {
    let work = Work::new();
    work.sql(schema);
    let (error, text) = work.refusal();
    assert_eq!(error.verdict(), Verdict::Refuse, "{text}");
    assert!(text.contains(said), "{text}");
}

#[test]
fn a_view_in_place_of_a_table_is_refused() {
    let columns = "SELECT '1' id, 1 seq, 1 in_reply_to, 1 timestamp, 1 deliver_after, 1 recurrence, 1 kind,
        1 platform_id, 1 channel_type, 1 thread_id, 1 content";
    refused(
        &format!("CREATE VIEW messages_out AS {columns}"),
        "read table messages_out of outbound.db: it is no plain table",
    );
    let endless = "CREATE VIEW messages_out AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r)
        SELECT x id, x seq, x in_reply_to, x timestamp, x deliver_after, x recurrence, x kind, x platform_id,
        x channel_type, x thread_id, x content FROM r";
    refused(endless, "read table messages_out of outbound.db: it is no plain table");
}

#[test]
fn a_virtual_table_or_one_of_another_case_is_refused() {
    let columns = "id, seq, in_reply_to, timestamp, deliver_after, recurrence, kind, platform_id, channel_type, thread_id, content";
    refused(&format!("CREATE VIRTUAL TABLE messages_out USING fts5 ({columns})"), "it is no plain table");
    refused(&format!("CREATE VIRTUAL TABLE Messages_Out USING fts5 ({columns})"), "it is no plain table");
}

#[test]
fn a_computed_column_is_refused_whatever_it_computes() {
    let with = |column: &str| LOOSE.replace("content)", &format!("{column})"));
    let endless = "content GENERATED ALWAYS AS (replace(hex(zeroblob(100000000)), '0', 'xxxx'))";
    let said = "read table messages_out of outbound.db: it has the hidden or generated column \"content\"";
    refused(&with(endless), said);
    refused(&with("content TEXT AS (hex(zeroblob(100000000))) STORED"), said);
    let extra = "content, extra AS (hex(zeroblob(100000000)))";
    refused(&with(extra), "it has the hidden or generated column \"extra\"");
}

#[test]
fn a_missing_column_or_rowid_is_refused() {
    refused(
        &LOOSE.replace("in_reply_to, ", ""),
        "read table messages_out of outbound.db: it has no column \"in_reply_to\"",
    );
    refused(&LOOSE.replace("(id,", "(id PRIMARY KEY,").replace("content)", "content) WITHOUT ROWID"), "_rowid_");
    for name in ["_ROWID_", "rowid", "oid"] {
        refused(&LOOSE.replace("content)", &format!("content, {name})")), "a name that SQLite needs");
    }
}

#[test]
fn triggers_checks_defaults_and_odd_indexes_change_nothing() {
    let work = Work::new();
    work.sql(
        "CREATE TABLE messages_out (id TEXT PRIMARY KEY CHECK (length(id) < 1000), seq INTEGER UNIQUE, in_reply_to, timestamp,
           deliver_after, recurrence, kind, platform_id DEFAULT (hex(randomblob(9))), channel_type, thread_id, content);
         CREATE INDEX odd ON messages_out (length(content), seq);
         CREATE INDEX partial ON messages_out (seq) WHERE seq > 1000;
         CREATE TRIGGER t AFTER INSERT ON messages_out BEGIN UPDATE messages_out SET seq = seq; END;",
    );
    work.say("a", 1, "hello");
    assert_eq!(ids(&work.rows()), ["a"]);
}

#[test]
fn an_index_that_lies_hides_nothing() {
    let work = Work::with_tables();
    work.say("a", 1, "hello");
    work.say("b", 3, "hello");
    let conn = work.container();
    conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).expect("set");
    conn.execute_batch(
        // The index on seq and that of another table, which is empty, change places.
        "PRAGMA writable_schema = ON;
         CREATE TEMP TABLE roots AS SELECT name, rootpage FROM sqlite_schema
          WHERE name IN ('sqlite_autoindex_messages_out_2', 'sqlite_autoindex_session_state_1');
         UPDATE sqlite_schema SET rootpage = (SELECT r.rootpage FROM roots r WHERE r.name <> sqlite_schema.name)
          WHERE name IN (SELECT name FROM roots);",
    )
    .expect("the schema is bent");
    drop(conn);
    assert_eq!(ids(&work.rows()), ["a", "b"]);
}

#[test]
fn a_schema_that_does_not_parse_is_refused() {
    let work = Work::with_tables();
    let conn = work.container();
    conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).expect("set");
    conn.execute_batch("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE nonsense (' || sql")
        .expect("the schema is bent");
    drop(conn);
    let (error, text) = work.refusal();
    assert!(matches!(error, SnapshotError::Damaged(_)), "{text}");
    assert_eq!(error.verdict(), Verdict::Refuse);
}

#[test]
fn a_million_new_rows_are_refused_together() {
    let work = Work::new();
    work.sql(LOOSE);
    work.sql(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000)
         INSERT INTO messages_out (id, seq) SELECT x, -x FROM n",
    );
    let error = work.snapshot().messages_out(|_| false).expect_err("too many");
    assert_eq!(error.to_string(), "read table messages_out of outbound.db: it has more than 10000 new rows");
    assert_eq!(error.verdict(), Verdict::Refuse);
}

#[test]
fn rows_that_are_known_do_not_count() {
    let work = Work::new();
    work.sql(LOOSE);
    work.sql(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000)
         INSERT INTO messages_out (id, seq) SELECT CAST(x AS TEXT), 2 * x + 1 FROM n",
    );
    let long_known = |id: &str| id.parse::<u32>().is_ok_and(|n| n > 10_000);
    let rows = work.snapshot().messages_out(long_known).expect("as many as there may be");
    assert!(rows.more && rows.rows.len() == 1000);
    work.sql("INSERT INTO messages_out (id, seq) VALUES ('one more', 3)");
    let refused = work.snapshot().messages_out(long_known);
    assert!(matches!(refused, Err(SnapshotError::TooManyRows { table: "messages_out", most: 10_000 })), "{refused:?}");
}

#[test]
fn acknowledgements_are_kept_for_long_and_not_for_ever() {
    let work = Work::with_tables();
    let fill = |from: u32, to: u32| {
        work.sql(&format!(
            "WITH RECURSIVE n(x) AS (SELECT {from} UNION ALL SELECT x + 1 FROM n WHERE x < {to})
             INSERT INTO processing_ack SELECT x, 'completed', '2026-11-24 18:00:00' FROM n"
        ));
    };
    fill(1, 100_000);
    assert_eq!(work.snapshot().acks(|_| false).expect("as many as there may be").rows.len(), 1000);
    fill(100_001, 100_001);
    let refused = work.snapshot().acks(|_| false);
    assert!(matches!(refused, Err(SnapshotError::TooManyRows { table: "processing_ack", .. })), "{refused:?}");
}

#[test]
fn a_slow_file_is_given_up_in_time() {
    let work = Work::new();
    work.sql(LOOSE);
    let conn = work.container();
    conn.execute_batch(
        "BEGIN; WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000000)
         INSERT INTO messages_out (id, seq) SELECT 'a', x FROM n; COMMIT",
    )
    .expect("rows");
    let start = std::time::Instant::now();
    let listed = work.snapshot().messages_out(|_| {
        // Its time counts.
        std::hint::black_box((0..500).fold(0_u64, |a, b| a.wrapping_mul(31) ^ b));
        true
    });
    assert!(matches!(listed, Err(SnapshotError::TooSlow { .. })), "{listed:?} after {:?}", start.elapsed());
}
