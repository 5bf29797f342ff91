//! Who may write where, and what is refused by its name.

use std::fs;

use crate::house::{House, Signal, say};
use rusqlite::{Connection, params};

const TOLD: &str = "SELECT kind, json_extract(content, '$.text') FROM session_inbox ORDER BY id";

fn ask(agent: &Connection, id: &str, seq: i64, kind: &str, content: &str) {
    let sql = "INSERT INTO messages_out (id, seq, timestamp, kind, channel_type, platform_id, content)
               VALUES (?1, ?2, datetime('now'), ?3, 'test', 'family', ?4)";
    agent.execute(sql, params![id, seq, kind, content]).expect("a row");
}

#[test]
fn another_group_writes_to_its_own_chats_and_destinations_alone() {
    let mut house = House::new();
    house.chat("test", "neighbours");
    let aunt = house.chat("test", "aunt");
    let desk = house.family_at_work();
    house.store.add_destination(desk.group, "aunt", nc_model::TargetKind::Chat, aunt.0).expect("a destination");
    let agent = desk.outbound();
    say(&agent, "own", 1, ("test", "family"), r#"{"text":"1"}"#);
    say(&agent, "named", 3, ("test", "aunt"), r#"{"text":"2"}"#);
    say(&agent, "other", 5, ("test", "neighbours"), r#"{"text":"3"}"#);
    say(&agent, "none", 7, ("test", "nobody"), r#"{"text":"4"}"#);
    say(&agent, "peer", 9, ("agent", "1"), r#"{"text":"5"}"#);
    agent
        .execute_batch(
            "INSERT INTO messages_out (id, seq, timestamp, kind, content)
               VALUES ('bare', 11, datetime('now'), 'chat', '{\"text\":\"6\"}');
             INSERT INTO messages_out (id, seq, timestamp, kind, channel_type, content)
               VALUES ('half', 13, datetime('now'), 'chat', 'test', '{\"text\":\"7\"}')",
        )
        .expect("rows");
    let running = house.start();
    house.wait_rows("SELECT source_id FROM deliveries ORDER BY id", &["own", "named", "bare"]);
    house.wait_rows(
        TOLD,
        &[
            r#"notice|What you sent (row "other") was refused: the chat "neighbours" of the channel "test" is none of your destinations."#,
            r#"notice|What you sent (row "none") was refused: the chat "nobody" of the channel "test" is none of your destinations."#,
            r#"notice|What you sent (row "peer") was refused: messages to other agents are not available in this version."#,
            r#"notice|What you sent (row "half") was refused: it needs both a channel_type and a platform_id."#,
        ],
    );
    // The first three wake it; what it writes in answer to those does not wake it for ever.
    assert_eq!(house.rows("SELECT trigger FROM session_inbox ORDER BY id"), ["1", "1", "1", "0"]);
    house.balances();
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn main_writes_to_any_chat_that_there_is() {
    let mut house = House::new();
    house.chat("test", "neighbours");
    let desk = house.main_at_work();
    let agent = desk.outbound();
    say(&agent, "other", 1, ("test", "neighbours"), r#"{"text":"1"}"#);
    say(&agent, "none", 3, ("test", "nobody"), r#"{"text":"2"}"#);
    let running = house.start();
    house.wait_rows("SELECT source_id FROM deliveries", &["other"]);
    house.wait_rows(
        TOLD,
        &[r#"notice|What you sent (row "none") was refused: there is no chat "nobody" of the channel "test"."#],
    );
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn what_later_versions_bring_is_refused_by_its_name() {
    let mut house = House::new();
    let desk = house.family_at_work();
    let agent = desk.outbound();
    ask(&agent, "task", 1, "system", r#"{"action":"schedule_task","taskId":"t","prompt":"p","processAfter":null}"#);
    ask(&agent, "coffee", 3, "system", r#"{"action":"make_coffee"}"#);
    ask(&agent, "cli", 5, "system", r#"{"action":"cli_request","requestId":"7","command":"groups list","args":{}}"#);
    ask(&agent, "card", 9, "chat-sdk", r#"{"type":"card","card":{"title":"x"},"fallbackText":"x"}"#);
    ask(
        &agent,
        "ask",
        11,
        "chat-sdk",
        r#"{"type":"ask_question","questionId":"q","title":"t","question":"?","options":["a"]}"#,
    );
    say(&agent, "fine", 13, ("test", "family"), r#"{"text":"still here"}"#);
    let running = house.start();
    house.wait_rows("SELECT source_id FROM deliveries", &["fine"]);
    let refused = |row: &str, why: &str| format!("notice|What you sent (row {row:?}) was refused: {why}.");
    let expected = [
        refused("task", "the request \"schedule_task\" is not available in this version"),
        refused("coffee", "there is no request \"make_coffee\""),
        "system|-".to_owned(),
        refused("card", "cards are not available in this version"),
        refused("ask", "questions with options are not available in this version"),
    ];
    house.wait_rows(TOLD, &expected.each_ref().map(String::as_str));
    let frame = r#"{"type":"cli_response","requestId":"7","frame":{"id":"7","ok":false,"error":{"code":"unknown-command","message":"the request \"cli_request\" is not available in this version"}}}"#;
    assert_eq!(house.rows("SELECT content, trigger FROM session_inbox WHERE kind = 'system'"), [format!("{frame}|0")]);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_refused_row_is_kept_for_a_person_to_see() {
    let mut house = House::new();
    let desk = house.family_at_work();
    let agent = desk.outbound();
    say(&agent, "../../etc/x", 1, ("test", "nobody"), r#"{"text":"secret plan"}"#);
    let running = house.start();
    house.wait_rows("SELECT source FROM session_inbox", &["refused:../../etc/x"]);
    running.wait_logged("a row of an agent is refused: the chat \"nobody\"");
    let place = house.installation.rejected_dir(&"family".parse().expect("a folder"));
    let mut kept: Vec<_> = fs::read_dir(&place).expect("a directory").map(|e| e.expect("an entry").path()).collect();
    kept.sort();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(fs::read_to_string(&kept[0]).expect("the row").contains("secret plan"));
    assert!(kept[1].to_string_lossy().ends_with(".reason"));
    assert!(!running.log().contains("secret plan"));
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_thousand_refusals_are_told_in_a_few_words() {
    let mut house = House::new();
    let desk = house.family_at_work();
    let mut agent = desk.outbound();
    let tx = agent.transaction().expect("a transaction");
    for n in 0..1000 {
        say(&tx, &format!("r{n}"), 2 * n + 1, ("test", "nobody"), r#"{"text":"x"}"#);
    }
    say(&tx, "fine", 2001, ("test", "family"), r#"{"text":"x"}"#);
    tx.commit().expect("a commit");
    let running = house.start();
    house.wait_rows("SELECT source_id FROM deliveries", &["fine"]);
    assert_eq!(house.rows("SELECT count(*) FROM session_inbox"), ["1000"]);
    assert_eq!(house.rows("SELECT count(*) FROM session_inbox WHERE placed_at IS NULL"), ["200"]);
    assert_eq!(house.rows("SELECT count(*) FROM session_inbox WHERE trigger = 1"), ["3"]);
    assert_eq!(
        house.rows("SELECT count(*) FROM session_inbox WHERE content LIKE '% 80 more were refused with it.%'"),
        ["10"]
    );
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}
