//! Rows that are wrong, and too many of them.

use std::fs;
use std::path::Path;

use rusqlite::params_from_iter;
use rusqlite::types::Value;
use serde_json::json;

use crate::{Named, Then, bare, open};

pub(crate) const ATTACKS: &[Named] = &[
    ("rows-million", |at| fill(at, "messages_out (id, seq)", "x, 2 * x + 1", 1_000_000, Then::Stay)),
    ("acks-million", |at| {
        fill(at, "processing_ack (message_id, status, status_changed)", "x, 'completed', 'now'", 1_000_000, Then::Stay)
    }),
    ("rows-many-bad", |at| fill(at, "messages_out (id, seq)", "x, 2 * x", 400, Then::Leave)),
    ("rows-many", many),
    ("events", events),
    ("row-sizes", |at| write(at, sizes())),
    ("row-numbers", |at| write(at, numbers())),
    ("row-types", |at| write(at, types())),
    ("row-content", |at| write(at, contents())),
    ("row-addresses", |at| write(at, addresses())),
    ("row-requests", |at| write(at, requests())),
    ("acks-of-others", |at| {
        acks(at, &["1:1", "2:1", "01:1", ":", "x", "../1:1", "9223372036854775807:1"], "completed")
    }),
    ("acks-bad", |at| {
        acks(at, &["1:1", "2:1"], "eaten");
        open(at).execute_batch("INSERT INTO processing_ack VALUES (x'00', 'completed', 'now')").expect("a row");
        Then::Leave
    }),
    ("acks-loose", |at| {
        bare(at).execute_batch("CREATE TABLE processing_ack (message_id, status, status_changed)").expect("a table");
        Then::Leave
    }),
    ("state-bad", |at| {
        state(at, "session_state", "('usage:x', x'00ff', 'now'), ('usage:' || hex(zeroblob(200)), '[', 3)")
    }),
    ("tool-for-ever", |at| {
        let values = "(1, 'Bash', 9223372036854775807, '9999-12-31 23:59:59', 'now')";
        state(at, "container_state", values)
    }),
];

/// A row that is right but for what is given.
type Row = Vec<(&'static str, Value)>;

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// A table whose columns take anything, filled without checks.
const LOOSE: &str = "CREATE TABLE messages_out (id, seq, in_reply_to, timestamp, deliver_after, recurrence, kind, platform_id, \
     channel_type, thread_id, content)";

fn fill(workspace: &Path, into: &str, values: &str, count: u32, then: Then) -> Then {
    let conn = bare(workspace);
    conn.execute_batch(&format!("{LOOSE}; {}", nc_wire::mailbox::schema::OUTBOUND)).expect("tables");
    let numbers = format!("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {count})");
    conn.execute_batch(&format!("{numbers} INSERT INTO {into} SELECT {values} FROM n")).expect("rows");
    then
}

/// Writes rows into a loose table.
fn write(workspace: &Path, rows: Vec<Row>) -> Then {
    let mut conn = bare(workspace);
    conn.execute_batch(&format!("{LOOSE}; {}", nc_wire::mailbox::schema::OUTBOUND)).expect("tables");
    let tx = conn.transaction().expect("a transaction");
    for (n, row) in rows.into_iter().enumerate() {
        let number = i64::try_from(n).expect("few rows");
        let usual = [
            ("id", text(format!("row-{n}"))),
            ("seq", Value::Integer(2 * number + 1)),
            ("timestamp", text("2026-11-24 18:00:00")),
            ("kind", text("chat")),
            ("content", text(r#"{"text":"hello from the attack"}"#)),
        ];
        let missing = usual.into_iter().filter(|(name, _)| !row.iter().any(|(given, _)| given == name));
        let all: Row = missing.chain(row.iter().cloned()).collect();
        let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let marks = vec!["?"; all.len()].join(", ");
        let sql = format!("INSERT INTO messages_out ({names}) VALUES ({marks})");
        tx.execute(&sql, params_from_iter(all.into_iter().map(|(_, value)| value))).expect("a row");
    }
    tx.commit().expect("they are written");
    Then::Leave
}

fn sizes() -> Vec<Row> {
    let chat = |length: usize| text(json!({ "text": "x".repeat(length) }).to_string());
    vec![
        vec![("content", chat(2 << 20))],
        vec![("content", chat(300_000))],
        vec![("platform_id", text("x".repeat(3000))), ("channel_type", text("test"))],
        vec![("thread_id", text("x".repeat(3000)))],
        vec![("in_reply_to", text("x".repeat(3000)))],
        vec![("id", text("x".repeat(5000)))],
        vec![("recurrence", text("x".repeat(3000)))],
    ]
}

fn numbers() -> Vec<Row> {
    let of = |n: i64| vec![("seq", Value::Integer(n))];
    let whole = [4, 0, -1, i64::MIN, (1 << 53) + 1, i64::MAX];
    let mut rows: Vec<Row> = whole.into_iter().map(of).collect();
    rows.extend([Value::Real(f64::NAN), Value::Real(1.5), Value::Null, text("1")].map(|seq| vec![("seq", seq)]));
    rows
}

fn types() -> Vec<Row> {
    let blob = || Value::Blob(vec![0, 0xff, 0xc0]);
    vec![
        vec![("seq", blob())],
        vec![("timestamp", Value::Integer(7))],
        vec![("timestamp", text("yesterday"))],
        vec![("timestamp", Value::Null)],
        vec![("kind", text("telegram"))],
        vec![("kind", blob())],
        vec![("content", blob())],
        vec![("content", Value::Null)],
        vec![("id", blob())],
        vec![("id", Value::Null)],
        vec![("id", text(""))],
        vec![("id", text("a\nb"))],
        vec![("deliver_after", text("99999-01-01 00:00:00"))],
        vec![("deliver_after", blob())],
    ]
}

fn contents() -> Vec<Row> {
    let chat = |content: String| vec![("content", text(content))];
    let sdk = |content: &str| vec![("kind", text("chat-sdk")), ("content", text(content))];
    let names: Vec<String> = (0..21).map(|n| format!("f{n}")).collect();
    vec![
        chat("hello".to_owned()),
        chat("null".to_owned()),
        chat("[]".to_owned()),
        chat("{\"text\":7}".to_owned()),
        chat("{\"text\":\"a".to_owned()),
        chat("[".repeat(100_000)),
        chat(format!("{{\"text\":{}1{}}}", "[".repeat(40), "]".repeat(40))),
        chat(json!({ "text": "x", "files": "a" }).to_string()),
        chat(json!({ "text": "x", "files": names }).to_string()),
        chat(json!({ "operation": "reaction", "messageId": "1", "emoji": 7 }).to_string()),
        chat(json!({ "operation": "explode" }).to_string()),
        sdk(r#"{"type":"ask_question","questionId":[]}"#),
        sdk(r#"{"type":"poem"}"#),
        chat("{\"text\":1e999}".to_owned()),
    ]
}

fn addresses() -> Vec<Row> {
    let to = |channel: &str, chat: &str| vec![("channel_type", text(channel)), ("platform_id", text(chat))];
    vec![
        to("terminal", "root"),
        to("terminal", "nobody/at-all"),
        to("slack:acme", "C1"),
        to("agent", "1"),
        to("agent", "../1"),
        vec![("channel_type", text("terminal"))],
        vec![("platform_id", text("root"))],
        to("terminal", "' OR 1 = 1 --"),
        to("", ""),
    ]
}

fn requests() -> Vec<Row> {
    let actions = [
        "register_group",
        "schedule_task",
        "cancel_task",
        "install_packages",
        "add_mcp_server",
        "create_agent",
        "make_coffee",
    ];
    let row = |action: &&str| {
        let request = json!({ "action": action, "name": "evil", "folder": "../evil", "prompt": "x", "taskId": "1", "apt": ["x"] });
        vec![("kind", text("system")), ("content", text(request.to_string()))]
    };
    actions.iter().map(row).collect()
}

/// More than a look takes, all of them right, and addressed to the session's own chat by an honest hand.
fn many(workspace: &Path) -> Then {
    let conn = open(workspace);
    conn.execute_batch(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300)
         INSERT INTO messages_out (id, seq, timestamp, kind, content)
         SELECT 'many-' || x, 2 * x + 1, datetime('now'), 'chat', '{\"text\":\"one of many\"}' FROM n",
    )
    .expect("rows");
    Then::Leave
}

/// More changes than the kernel keeps for one who watches.
fn events(workspace: &Path) -> Then {
    drop(open(workspace));
    for n in 0..20_000 {
        let path = workspace.join(format!("noise-{}-journal", n % 7));
        fs::write(&path, "").expect("a file");
        fs::remove_file(&path).expect("its end");
    }
    Then::Leave
}

fn acks(workspace: &Path, ids: &[&str], status: &str) -> Then {
    let conn = open(workspace);
    for id in ids {
        let sql = "INSERT OR REPLACE INTO processing_ack VALUES (?1, ?2, datetime('now'))";
        conn.execute(sql, [id, status]).expect("a row");
    }
    Then::Leave
}

fn state(workspace: &Path, table: &str, values: &str) -> Then {
    open(workspace).execute_batch(&format!("INSERT INTO {table} VALUES {values}")).expect("rows");
    Then::Leave
}
