//! What honest agents write, and what becomes of it.

use crate::house::{House, Signal, ack, say};
use nc_testkit::{PATIENCE, wait_until};
use rusqlite::params;

const DELIVERIES: &str = "SELECT source_id, source_seq, d.channel, d.kind, content, status FROM deliveries d \
                          JOIN sends s ON s.delivery_id = d.id WHERE session_id IS NOT NULL ORDER BY d.id";
const ROUTINGS: &str =
    "SELECT message_seq, outcome, given_at IS NOT NULL, answer_delivery_id IS NOT NULL FROM routings ORDER BY id";

#[test]
fn an_answer_is_taken_in_and_its_message_answered() {
    let mut house = House::new();
    let desk = house.main_at_work();
    let running = house.start();
    assert!(house.router_rung(), "a predecessor may have died before it rang");
    let mut agent = desk.outbound();
    ack(&agent, &desk.row_of(nc_model::Seq(1)), "processing");
    house.wait_rows(ROUTINGS, &["1|-|1|0"]);
    wait_until(PATIENCE, "the terminal is told that the agent has begun", || house.talk_rung());
    assert!(!house.router_rung());
    let tx = agent.transaction().expect("a transaction");
    say(&tx, "a", 1, ("terminal", "ana"), r#"{"text":"hi"}"#);
    tx.execute("UPDATE messages_out SET in_reply_to = ?1", [desk.row_of(nc_model::Seq(1))]).expect("a reply");
    ack(&tx, &desk.row_of(nc_model::Seq(1)), "completed");
    tx.commit().expect("a commit");
    house.wait_rows(DELIVERIES, &[r#"a|1|terminal|text|{"text":"hi"}|queued"#]);
    house.wait_rows(ROUTINGS, &["1|answered|1|1"]);
    wait_until(PATIENCE, "the terminal is rung", || house.talk_rung());
    wait_until(PATIENCE, "the router is rung", || house.router_rung());
    assert_eq!(house.rows("SELECT run_id FROM routings"), [desk.run.as_str()]);
    assert_eq!(house.rows("SELECT outbound_seen FROM sessions"), ["1"]);
    house.balances();
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn the_same_file_read_again_by_another_start_changes_nothing() {
    let mut house = House::new();
    let desk = house.main_at_work();
    let agent = desk.outbound();
    say(&agent, "a", 1, ("terminal", "ana"), r#"{"text":"hi"}"#);
    say(&agent, "b", 3, ("nowhere", "x"), r#"{"text":"hi"}"#);
    ack(&agent, &desk.row_of(nc_model::Seq(1)), "completed");
    let told = "SELECT kind, source FROM session_inbox";
    for _ in 0..3 {
        let running = house.start();
        house.wait_rows(DELIVERIES, &[r#"a|1|terminal|text|{"text":"hi"}|queued"#]);
        house.wait_rows(told, &["notice|refused:b"]);
        assert_eq!(running.end(Signal::SIGKILL), None);
    }
    let running = house.start();
    say(&agent, "c", 5, ("terminal", "ana"), r#"{"text":"more"}"#);
    house.wait_rows("SELECT source_id FROM deliveries ORDER BY id", &["a", "c"]);
    assert_eq!(house.rows(told).len(), 1);
    house.balances();
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn work_that_ends_without_a_word_is_no_reply_and_a_failure_is_told() {
    let mut house = House::new();
    let desk = house.main_at_work();
    let (second, _) = house.message(desk.group, desk.chat, "again");
    let (third, _) = house.message(desk.group, desk.chat, "and again");
    let running = house.start();
    let mut agent = desk.outbound();
    ack(&agent, &desk.row_of(nc_model::Seq(1)), "completed");
    ack(&agent, &desk.row_of(second), "failed");
    house.wait_rows(
        "SELECT outcome, notice_delivery_id IS NOT NULL FROM routings ORDER BY id",
        &["no_reply|0", "failed|1", "-|0"],
    );
    house.wait_rows(
        "SELECT json_extract(content, '$.text'), status FROM deliveries JOIN sends ON delivery_id = id",
        &["I could not deal with your message, and I do not know why. Please try again.|queued"],
    );
    let tx = agent.transaction().expect("a transaction");
    say(&tx, "why", 1, ("terminal", "ana"), r#"{"text":"I had an accident."}"#);
    ack(&tx, &desk.row_of(third), "failed");
    tx.commit().expect("a commit");
    house.wait_rows(
        "SELECT source_id FROM routings JOIN deliveries d ON d.id = notice_delivery_id WHERE message_seq = 3",
        &["why"],
    );
    house.balances();
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn an_answer_with_a_reply_id_counts_where_the_agent_says_nothing_else_or_says_it_first() {
    let mut house = House::new();
    let desk = house.main_at_work();
    let (second, _) = house.message(desk.group, desk.chat, "again");
    let running = house.start();
    let agent = desk.outbound();
    let reply = |id: &str, seq: i64, to: &str| {
        let sql = "INSERT INTO messages_out (id, seq, in_reply_to, timestamp, kind, channel_type, platform_id, content)
                   VALUES (?1, ?2, ?3, datetime('now'), 'chat', 'terminal', 'ana', '{\"text\":\"hi\"}')";
        agent.execute(sql, params![id, seq, to]).expect("a row");
    };
    reply("silent", 1, &desk.row_of(nc_model::Seq(1)));
    house.wait_rows(ROUTINGS, &["1|answered|1|1", "2|-|0|0"]);
    ack(&agent, &desk.row_of(second), "completed");
    house.wait_rows(ROUTINGS, &["1|answered|1|1", "2|no_reply|1|0"]);
    reply("late", 3, &desk.row_of(second));
    house.wait_rows(ROUTINGS, &["1|answered|1|1", "2|answered|1|1"]);
    house.balances();
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn what_a_session_was_told_ends_by_its_own_id() {
    let mut house = House::new();
    let desk = house.main_at_work();
    let sql = format!(
        "INSERT INTO session_inbox (id, session_id, kind, content, source, created_at, placed_at)
         VALUES ('told', '{}', 'notice', '{{}}', 's', 1, 1)",
        desk.session
    );
    rusqlite::Connection::open(house.store.path()).expect("a connection").execute_batch(&sql).expect("a row");
    let running = house.start();
    let agent = desk.outbound();
    let inbox = "SELECT given_at IS NOT NULL, ended_at IS NOT NULL FROM session_inbox WHERE id = 'told'";
    ack(&agent, "told", "processing");
    house.wait_rows(inbox, &["1|0"]);
    ack(&agent, "told", "completed");
    house.wait_rows(inbox, &["1|1"]);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn edits_reactions_and_delays_reach_the_channel_as_they_are() {
    let mut house = House::new();
    let desk = house.family_at_work();
    let running = house.start();
    let agent = desk.outbound();
    say(&agent, "e", 1, ("test", "family"), r#"{"operation":"edit","messageId":"7","text":"new"}"#);
    say(&agent, "r", 3, ("test", "family"), r#"{"operation":"reaction","messageId":"7","emoji":"thumbs_up"}"#);
    say(&agent, "m", 5, ("test", "family"), r#"{"markdown":"*hi*"}"#);
    agent
        .execute("UPDATE messages_out SET deliver_after = '2099-01-01 00:00:00', thread_id = 't' WHERE id = 'm'", [])
        .expect("a delay");
    house.wait_rows(
        "SELECT source_id, kind, content FROM deliveries WHERE source_id <> 'm' ORDER BY id",
        &[
            r#"e|edit|{"operation":"edit","messageId":"7","text":"new"}"#,
            r#"r|reaction|{"operation":"reaction","messageId":"7","emoji":"thumbs_up"}"#,
        ],
    );
    house.wait_rows(
        "SELECT content, thread_id IS NOT NULL OR not_before IS NULL FROM deliveries WHERE source_id = 'm'",
        &[r#"{"markdown":"*hi*"}|1"#],
    );
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_backlog_is_taken_in_whole_before_its_messages_end() {
    const MANY: i64 = 350;
    let mut house = House::new();
    let desk = house.main_at_work();
    let mut agent = desk.outbound();
    let tx = agent.transaction().expect("a transaction");
    for n in 0..MANY {
        say(&tx, &format!("row-{n}"), 2 * n + 1, ("terminal", "ana"), &format!(r#"{{"text":"{n}"}}"#));
    }
    ack(&tx, &desk.row_of(nc_model::Seq(1)), "completed");
    tx.commit().expect("a commit");
    let running = house.start();
    house.wait_rows("SELECT outcome FROM routings", &["answered"]);
    let order = house.rows("SELECT source_id FROM deliveries ORDER BY id");
    assert_eq!(order, (0..MANY).map(|n| format!("row-{n}")).collect::<Vec<_>>());
    assert_eq!(
        house.rows("SELECT d.source_id FROM routings JOIN deliveries d ON d.id = answer_delivery_id"),
        ["row-0"]
    );
    house.balances();
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_file_that_is_locked_is_taken_in_when_it_is_free() {
    let mut house = House::new();
    let desk = house.main_at_work();
    let running = house.start();
    let agent = desk.outbound();
    agent.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    say(&agent, "a", 1, ("terminal", "ana"), r#"{"text":"hi"}"#);
    house.ring();
    // A second session is not kept waiting.
    let other = house.family_at_work();
    say(&other.outbound(), "b", 1, ("test", "family"), r#"{"text":"hi"}"#);
    house.wait_rows("SELECT source_id FROM deliveries", &["b"]);
    agent.execute_batch("COMMIT").expect("a commit");
    house.wait_rows("SELECT source_id FROM deliveries ORDER BY id", &["b", "a"]);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_run_by_hand_sends_nothing_and_its_rows_stay_known() {
    let mut house = House::new();
    let desk = house.main_at_work();
    let by_hand = |to_chat: u8| {
        let sql = format!("UPDATE runs SET to_chat = {to_chat}");
        rusqlite::Connection::open(house.store.path()).expect("a connection").execute_batch(&sql).expect("an update");
    };
    by_hand(0);
    let agent = desk.outbound();
    say(&agent, "a", 1, ("terminal", "ana"), r#"{"text":"for the one who asks"}"#);
    let running = house.start();
    house
        .wait_rows("SELECT source, placed_at IS NOT NULL, ended_at IS NOT NULL FROM session_inbox", &["refused:a|1|1"]);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
    by_hand(1);
    let running = house.start();
    say(&agent, "b", 3, ("terminal", "ana"), r#"{"text":"for the chat"}"#);
    house.wait_rows("SELECT source_id FROM deliveries", &["b"]);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}
