//! A store as it is after years.

use std::path::Path;

use rusqlite::{Connection, params};

/// How much a large store holds.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Each with a chat, a wiring, a destination, a user, a member and a session.
    pub groups: u32,
    /// All of them long answered, four for each run.
    pub messages: u32,
}

/// Fills the store in `file`, whose groups and chats of before stay; the texts are not in the index of the search.
///
/// # Panics
/// Where the store cannot be written, or was filled already.
pub fn fill(file: &Path, size: Size) {
    let raw = Connection::open(file).expect("the store");
    let (groups, messages) = (i64::from(size.groups), i64::from(size.messages));
    // A crash may leave it broken: it is a test's own.
    raw.pragma_update(None, "synchronous", "OFF").expect("speed");
    let indexing: String = raw
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'messages_text_insert'", [], |row| row.get(0))
        .expect("the trigger of the search");
    raw.execute_batch("BEGIN; DROP TRIGGER messages_text_insert").expect("begun");
    people(&raw, groups);
    traffic(&raw, groups, messages);
    raw.execute("UPDATE router_state SET value = ?1 WHERE key = 'routed_seq'", params![messages.to_string()])
        .expect("routed");
    raw.execute_batch(&indexing).expect("the trigger again");
    raw.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").expect("done");
}

fn insert(raw: &Connection, into: &str, select: &str, count: i64) {
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
    raw.execute(&format!("INSERT INTO {into} {many} SELECT {select} FROM n"), [count]).expect(into);
}

fn people(raw: &Connection, groups: i64) {
    insert(raw, "agent_groups (id, name, folder, created_at)", "i + 100, 'G' || i, 'g' || i, 1", groups);
    insert(
        raw,
        "messaging_groups (id, channel, platform_id, name, is_group, created_at)",
        "i + 100, 'slack:acme', 'C' || i, 'chat ' || i, 1, 1",
        groups,
    );
    insert(raw, "wirings (messaging_group_id, agent_group_id, created_at)", "i + 100, i + 100, 1", groups);
    insert(
        raw,
        "destinations (agent_group_id, local_name, target_kind, target_id)",
        "i + 100, 'c', 'chat', i + 100",
        groups,
    );
    insert(raw, "users (id, display_name, created_at)", "printf('slack:U%06d', i), 'N' || i, 1", groups);
    insert(raw, "agent_group_members (user_id, agent_group_id, added_at)", "printf('slack:U%06d', i), 101, 1", groups);
    insert(
        raw,
        "sessions (id, agent_group_id, messaging_group_id, created_at)",
        "printf('0190%032d', i), i + 100, i + 100, i",
        groups,
    );
}

fn traffic(raw: &Connection, groups: i64, messages: i64) {
    let modulo = |sql: &str| sql.replace("GROUPS", &groups.to_string());
    insert(
        raw,
        "messages (seq, messaging_group_id, platform_event_id, text, sent_at, received_at)",
        &modulo("i, 101 + i % GROUPS, i, 'x', i, i"),
        messages,
    );
    insert(
        raw,
        "routings (message_seq, agent_group_id, session_id, decision, rule, decided_at, placed_at, given_at, run_id, outcome, outcome_at)",
        &modulo(
            "i, 101 + i % GROUPS, printf('0190%032d', 1 + i % GROUPS), 'work', 'trigger', i, i, i, printf('0191%032d', 1 + i / 4), 'no_reply', i",
        ),
        messages,
    );
    insert(
        raw,
        "runs (id, session_id, cause, started_at, ended_at, collected_at, judged_at, outcome)",
        &modulo("printf('0191%032d', i), printf('0190%032d', 1 + i % GROUPS), 'message', i, i, i, i, 'completed'"),
        messages / 4,
    );
}
