//! What stands in `outbound.db` may be anything: each bad row is refused alone, a bad table by name, and nothing that the agent
//! wrote is run.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod work;

use nc_wire::content::Outgoing;
use nc_wire::mailbox::AckStatus;
use rusqlite::params;
use rusqlite::types::Value;
use work::{Work, ids, refusals};

fn loose(row: &[(&str, Value)]) -> Work {
    let work = Work::new();
    work.sql(work::LOOSE);
    put(&work, row);
    work
}

/// Writes a row that is right but for `row`.
fn put(work: &Work, row: &[(&str, Value)]) {
    let text = |text: &str| Value::from(text.to_owned());
    let given = |column: &str| row.iter().find(|(name, _)| *name == column).map(|(_, value)| value.clone());
    let or = |column, default| given(column).unwrap_or(default);
    let sql = "INSERT INTO messages_out VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let values = params![
        or("id", text("x")),
        or("seq", Value::from(1)),
        or("in_reply_to", Value::Null),
        or("timestamp", text("2026-11-24 18:00:00")),
        or("deliver_after", Value::Null),
        or("recurrence", Value::Null),
        or("kind", text("chat")),
        or("platform_id", Value::Null),
        or("channel_type", Value::Null),
        or("thread_id", Value::Null),
        or("content", text(r#"{"text":"hello"}"#)),
    ];
    work.container().execute(sql, values).expect("the container writes its row");
}

#[test]
fn a_whole_row_comes_out_as_it_was_written() {
    let work = Work::with_tables();
    work.sql(
        r#"INSERT INTO messages_out VALUES ('m1', 7, '4:1', '2026-11-24 18:00:00', '2026-11-24T19:00:00Z', '0 9 * * *',
           'chat', 'C1', 'slack:acme', 'T1', '{"markdown":"**hi**","files":["a.txt"]}')"#,
    );
    let row = work.rows().rows.remove(0).expect("it is right");
    assert_eq!((row.id.as_str(), row.seq, row.in_reply_to.as_deref()), ("m1", 7, Some("4:1")));
    assert_eq!(row.timestamp.to_string(), "2026-11-24T18:00:00.000Z");
    assert_eq!(row.deliver_after.expect("a time").to_string(), "2026-11-24T19:00:00.000Z");
    let address = (row.platform_id.as_deref(), row.channel_type.as_deref(), row.thread_id.as_deref());
    assert_eq!((address, row.recurrence.as_deref()), ((Some("C1"), Some("slack:acme"), Some("T1")), Some("0 9 * * *")));
    let Outgoing::Text(text) = row.content else { panic!("{:?}", row.content) };
    assert_eq!((text.text.as_str(), text.markdown, text.files), ("**hi**", true, vec!["a.txt".to_owned()]));
}

#[test]
fn rows_come_in_the_order_of_their_numbers_and_known_ones_are_passed_over() {
    let work = Work::with_tables();
    for (id, seq) in [("c", 5), ("a", 1), ("b", 3)] {
        work.say(id, seq, "hello");
    }
    assert_eq!(ids(&work.rows()), ["a", "b", "c"]);
    let rows = work.snapshot().messages_out(|id| id != "b").expect("rows");
    assert_eq!((ids(&rows), rows.more), (vec!["b"], false));
}

#[test]
fn a_row_of_the_wrong_type_is_refused_with_its_field() {
    let blob = || Value::Blob(vec![1, 2, 3]);
    let text = |text: &str| Value::from(text.to_owned());
    let cases = [
        ("id", blob(), "expected a text of at most 255 bytes in UTF-8, found bytes"),
        ("id", Value::from(7), "expected a text of at most 255 bytes in UTF-8, found a whole number"),
        ("id", Value::Null, "expected a text of at most 255 bytes in UTF-8, found nothing"),
        ("id", text(""), "expected a text without control characters, found an empty one, or one with them"),
        ("id", text("a\nb"), "expected a text without control characters, found an empty one, or one with them"),
        ("id", text(&"x".repeat(256)), "expected a text of at most 255 bytes in UTF-8, found one of 256"),
        ("seq", text("1"), "expected a whole number, found a text"),
        ("seq", Value::from(1.5), "expected a whole number, found a number with a point"),
        ("timestamp", Value::from(1_800_000_000), "expected a text of at most 64 bytes in UTF-8, found a whole number"),
        (
            "timestamp",
            text("yesterday"),
            "expected a time in RFC 3339, or YYYY-MM-DD HH:MM:SS in UTC, found another text",
        ),
        ("timestamp", Value::Null, "expected a time, found nothing"),
        (
            "deliver_after",
            text("soon"),
            "expected a time in RFC 3339, or YYYY-MM-DD HH:MM:SS in UTC, found another text",
        ),
        ("kind", text("shout"), "expected chat, chat-sdk or system, found another word"),
        ("kind", Value::Null, "expected a text of at most 255 bytes in UTF-8, found nothing"),
        ("platform_id", Value::from(4), "expected a text of at most 2048 bytes in UTF-8, found a whole number"),
        ("thread_id", text(&"x".repeat(2049)), "expected a text of at most 2048 bytes in UTF-8, found one of 2049"),
        ("content", blob(), "expected a text of at most 1048576 bytes in UTF-8, found bytes"),
        ("content", text("{}"), ".text: expected a text, or files, found neither"),
        ("content", text("[]"), "expected an object, found a list"),
        ("content", text(r#"{"text":3}"#), ".text: expected a text of at most 262144 bytes, found a number"),
        ("content", text(&"[".repeat(100_000)), "expected JSON at most 32 deep, found a deeper one"),
    ];
    for (column, value, said) in cases {
        let work = loose(&[(column, value)]);
        put(&work, &[("id", Value::from("good".to_owned())), ("seq", Value::from(3))]);
        let rows = work.rows();
        assert_eq!(ids(&rows), ["good"], "beside a wrong {column}");
        let (refused, colon) = (refusals(&rows), if said.starts_with('.') { "" } else { ": " });
        assert_eq!(refused.len(), 1);
        assert!(refused[0].ends_with(&format!(": {column}{colon}{said}")), "{refused:?}");
    }
}

#[test]
fn a_row_without_a_readable_id_still_has_a_key_to_be_known_by() {
    let work = loose(&[("id", Value::Blob(vec![0xff]))]);
    let rows = work.rows();
    assert_eq!(
        refusals(&rows),
        ["row \"(row 1)\" of messages_out: id: expected a text of at most 255 bytes in UTF-8, found bytes"]
    );
    let refused = rows.rows[0].as_ref().expect_err("it is refused");
    assert_eq!((refused.key.as_str(), refused.id.as_deref()), ("(row 1)", None));
    assert!(work.snapshot().messages_out(|key| key == "(row 1)").expect("rows").rows.is_empty());
}

#[test]
fn text_that_is_not_utf8_is_refused_where_it_stands() {
    let work = Work::with_tables();
    work.sql(
        "INSERT INTO messages_out (id, seq, timestamp, kind, content) VALUES
           ('a', 1, '2026-11-24 18:00:00', 'chat', CAST(x'7b2274657874223a22ff227d' AS TEXT)),
           (CAST(x'fffe' AS TEXT), 3, '2026-11-24 18:00:00', 'chat', '{\"text\":\"x\"}');",
    );
    work.say("good", 5, "hello");
    let rows = work.rows();
    assert_eq!(ids(&rows), ["good"]);
    assert_eq!(
        refusals(&rows),
        [
            "row \"a\" of messages_out: content: expected a text of at most 1048576 bytes in UTF-8, found other bytes",
            "row \"(row 2)\" of messages_out: id: expected a text of at most 255 bytes in UTF-8, found other bytes",
        ]
    );
}

#[test]
fn a_database_in_utf16_is_read_too() {
    let work = Work::new();
    work.container().execute_batch("PRAGMA encoding = 'UTF-16'; CREATE TABLE x (y)").expect("made");
    let conn = work.container();
    conn.execute_batch(nc_wire::mailbox::schema::OUTBOUND).expect("made");
    work.say("a", 1, "grüße");
    let rows = work.rows();
    let row = rows.rows[0].as_ref().expect("it is right");
    assert_eq!(row.content, Outgoing::text("grüße"));
}

#[test]
fn numbers_are_odd_and_up_to_two_to_the_53() {
    let most = 1_i64 << 53;
    for (seq, taken) in [
        (1, true),
        (most - 1, true),
        (most, false),
        (most + 1, false),
        (0, false),
        (2, false),
        (-1, false),
        (i64::MAX, false),
        (i64::MIN, false),
    ] {
        let work = Work::with_tables();
        work.say("x", seq, "hello");
        let rows = work.rows();
        assert_eq!(ids(&rows).len() == 1, taken, "{seq}");
        if !taken {
            let said = format!("row \"x\" of messages_out: seq: expected an odd number from 1 to {most}, found {seq}");
            assert_eq!(refusals(&rows), [said]);
        }
    }
    let work = Work::with_tables();
    work.sql(r#"INSERT INTO messages_out (id, timestamp, kind, content) VALUES ('x', '2026-11-24 18:00:00', 'chat', '{"text":"x"}')"#);
    assert_eq!(refusals(&work.rows()).len(), 1);
}

#[test]
fn a_huge_row_is_refused_alone() {
    let work = Work::with_tables();
    work.say("before", 1, "hello");
    work.say("huge", 3, &"x".repeat(40 * 1024 * 1024));
    work.say("long", 5, &"x".repeat(256 * 1024 + 1));
    work.say("longest", 7, &"x".repeat(256 * 1024));
    let rows = work.rows();
    assert_eq!(ids(&rows), ["before", "longest"]);
    assert_eq!(
        refusals(&rows),
        [
            "row \"huge\" of messages_out: row: expected at most 1048576 bytes, found 41943079",
            "row \"long\" of messages_out: content.text: expected a text of at most 262144 bytes, found one of 262145",
        ]
    );
}

#[test]
fn a_look_takes_a_thousand_rows_and_the_next_one_the_others() {
    let work = Work::with_tables();
    let mut conn = work.container();
    let tx = conn.transaction().expect("a transaction");
    for n in (0..2500_i64).rev() {
        work::say(&tx, &n.to_string(), 2 * n + 1, "hello");
    }
    tx.commit().expect("committed");
    let (mut known, mut looks) = (Vec::new(), 0);
    loop {
        let rows = work.snapshot().messages_out(|id| known.iter().any(|k| k == id)).expect("rows");
        known.extend(ids(&rows).into_iter().map(str::to_owned));
        looks += 1;
        if !rows.more {
            break;
        }
        assert_eq!(rows.rows.len(), 1000);
    }
    assert_eq!(looks, 3);
    assert_eq!(known, (0..2500).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_look_takes_sixteen_mebibytes_and_the_next_one_the_others() {
    let work = Work::with_tables();
    let mut conn = work.container();
    let tx = conn.transaction().expect("a transaction");
    for n in 0..100_i64 {
        work::say(&tx, &n.to_string(), 2 * n + 1, &"x".repeat(250_000));
    }
    tx.commit().expect("committed");
    let snapshot = work.snapshot();
    let first = snapshot.messages_out(|_| false).expect("rows");
    assert!(first.more && first.rows.len() == 67, "{}", first.rows.len());
    let rest = snapshot.messages_out(|id| ids(&first).contains(&id)).expect("rows");
    assert!(!rest.more && rest.rows.len() == 33, "{}", rest.rows.len());
}

#[test]
fn acks_and_state_are_read_the_same_way() {
    let work = Work::with_tables();
    work.sql(
        "INSERT INTO processing_ack VALUES ('2:1', 'completed', '2026-11-24 18:00:00'), ('4:1', 'processing', '2026-11-24 18:00:01'),
           ('6:1', 'lost', '2026-11-24 18:00:02'), ('8:1', 'failed', 'later'), (x'ff', 'failed', '2026-11-24 18:00:02');
         INSERT INTO session_state VALUES ('usage:r1', '{}', ''), ('usage:r2', x'00', ''), ('continuation:claude', 'abc', '');
         INSERT INTO container_state VALUES (1, 'Bash', 120000, '2026-11-24 18:00:03', '2026-11-24 18:00:03');",
    );
    let snapshot = work.snapshot();
    let acks = snapshot.acks(|id| id == "2:1").expect("acks");
    let good: Vec<_> = acks.rows.iter().flatten().map(|ack| (ack.message_id.as_str(), ack.status)).collect();
    assert_eq!(good, [("4:1", AckStatus::Processing)]);
    let bad: Vec<_> = acks.rows.iter().filter_map(|ack| ack.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(
        bad,
        [
            "row \"6:1\" of processing_ack: status: expected processing, completed or failed, found another word",
            "row \"8:1\" of processing_ack: status_changed: expected a time in RFC 3339, or YYYY-MM-DD HH:MM:SS in UTC, found another text",
            "row \"(row 5)\" of processing_ack: message_id: expected a text of at most 255 bytes in UTF-8, found bytes",
        ]
    );
    let state = snapshot.session_state("usage:").expect("state");
    assert_eq!(state.rows.iter().flatten().map(|s| s.key.as_str()).collect::<Vec<_>>(), ["usage:r1"]);
    assert_eq!(state.rows.len(), 2);
    let tool = snapshot.container_state().expect("state").expect("a row").expect("it is right");
    assert_eq!((tool.current_tool.as_deref(), tool.declared_timeout_ms), (Some("Bash"), Some(120_000)));
    work.sql("UPDATE container_state SET current_tool = NULL, tool_declared_timeout_ms = -1");
    assert!(work.snapshot().container_state().expect("state").expect("a row").is_err());
    work.sql("UPDATE container_state SET tool_declared_timeout_ms = NULL");
    let idle = work.snapshot().container_state().expect("state").expect("a row").expect("it is right");
    assert_eq!((idle.current_tool, idle.declared_timeout_ms), (None, None));
}
