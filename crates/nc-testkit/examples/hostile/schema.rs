//! Tables that are none, and locks that are kept.

use std::path::Path;

use rusqlite::config::DbConfig;

use crate::{Named, Then, bare, open};

pub(crate) const ATTACKS: &[Named] = &[
    ("lock-kept", |at| kept(at, Then::Stay)),
    ("lock-kept-stubborn", |at| kept(at, Then::Never)),
    ("view", |at| run(at, &format!("{} CREATE VIEW messages_out AS SELECT * FROM t", table("t", "")))),
    ("view-recursive", |at| {
        run(
            at,
            "CREATE VIEW messages_out AS WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n",
        )
    }),
    ("virtual-table", |at| {
        let columns = COLUMNS.replace(" TEXT", "");
        run(at, &format!("CREATE VIRTUAL TABLE messages_out USING fts5({columns})"))
    }),
    ("index-by-name", |at| run(at, "CREATE TABLE t (a); CREATE INDEX messages_out ON t (a)")),
    ("generated-stored", |at| run(at, &table("messages_out", ", more AS (hex(zeroblob(100000000))) STORED"))),
    ("generated-virtual", |at| run(at, &table("messages_out", ", more AS (hex(zeroblob(100000000))) VIRTUAL"))),
    ("column-rowid", |at| run(at, &table("messages_out", ", _rowid_ TEXT"))),
    ("column-missing", |at| run(at, "CREATE TABLE messages_out (id TEXT PRIMARY KEY, seq INTEGER)")),
    ("without-rowid", |at| run(at, &format!("CREATE TABLE messages_out ({COLUMNS}, PRIMARY KEY (id)) WITHOUT ROWID"))),
    ("statement-huge", |at| run(at, &table("messages_out", &format!(" /* {} */", "x".repeat(300_000))))),
    ("schema-endless", endless),
    ("acks-are-a-view", |at| {
        let acks = "SELECT 'x' AS message_id, 'completed' AS status, 'now' AS status_changed";
        run(at, &format!("{} CREATE VIEW processing_ack AS {acks}", table("messages_out", "")))
    }),
    ("triggers", triggers),
    ("state-is-a-view", |at| {
        run(at, &format!("{} CREATE VIEW container_state AS SELECT 1 AS current_tool", table("messages_out", "")));
        Then::Leave
    }),
];

const COLUMNS: &str = "id TEXT, seq TEXT, in_reply_to TEXT, timestamp TEXT, deliver_after TEXT, recurrence TEXT, kind TEXT, \
     platform_id TEXT, channel_type TEXT, thread_id TEXT, content TEXT";

fn table(name: &str, more: &str) -> String {
    format!("CREATE TABLE {name} ({COLUMNS}{more});")
}

fn run(workspace: &Path, sql: &str) -> Then {
    bare(workspace).execute_batch(sql).expect("the statements run");
    Then::Stay
}

/// Takes the file's lock and does not give it back.
fn kept(workspace: &Path, then: Then) -> Then {
    let conn = open(workspace);
    conn.execute_batch("BEGIN EXCLUSIVE").expect("the lock is taken");
    std::mem::forget(conn);
    // Only now the host looks for certain.
    crate::bytes::nudge(workspace);
    then
}

/// So many tables that SQLite is not done with reading what they are.
fn endless(workspace: &Path) -> Then {
    let conn = open(workspace);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).expect("set");
    conn.execute_batch(
        "PRAGMA writable_schema = ON;
         WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 500000)
         INSERT INTO sqlite_schema SELECT 'table', 't' || x, 't' || x, 2, 'CREATE TABLE t' || x || '(a,b,c,d,e,f,g)' FROM n",
    )
    .expect("the schema is bent");
    Then::Stay
}

/// Rows of its own that a reader would make, if reading could.
fn triggers(workspace: &Path) -> Then {
    open(workspace)
        .execute_batch(
            "CREATE TRIGGER t AFTER INSERT ON processing_ack BEGIN
               INSERT INTO messages_out (id, seq, timestamp, kind, content)
               SELECT hex(randomblob(16)), ifnull(max(seq), 1) + 2, datetime('now'), 'chat', '{\"text\":\"triggered\"}' FROM messages_out;
             END;
             CREATE INDEX lies ON messages_out (length(content)) WHERE length(content) > 3;",
        )
        .expect("triggers");
    Then::Leave
}
