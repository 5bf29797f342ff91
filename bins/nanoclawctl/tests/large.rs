//! A house of many groups and many messages: nobody waits for a list.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use support::House;

/// Fills the store with what a large house has after years.
fn fill(raw: &Connection, groups: i64, messages: i64) {
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
    raw.pragma_update(None, "synchronous", "OFF").expect("speed");
    raw.execute_batch("BEGIN; DROP TRIGGER messages_text_insert").expect("begun");
    let insert = |into: &str, select: &str, count: i64| {
        raw.execute(&format!("INSERT INTO {into} {many} SELECT {select} FROM n"), [count]).expect(into);
    };
    insert("agent_groups (id, name, folder, created_at)", "i + 100, 'G' || i, 'g' || i, 1", groups);
    insert(
        "messaging_groups (id, channel, platform_id, name, is_group, created_at)",
        "i + 100, 'slack:acme', 'C' || i, 'chat ' || i, 1, 1",
        groups,
    );
    insert("wirings (messaging_group_id, agent_group_id, created_at)", "i + 100, i + 100, 1", groups);
    insert(
        "destinations (agent_group_id, local_name, target_kind, target_id)",
        "i + 100, 'c', 'chat', i + 100",
        groups,
    );
    insert("users (id, display_name, created_at)", "printf('slack:U%06d', i), 'N' || i, 1", groups);
    insert("agent_group_members (user_id, agent_group_id, added_at)", "printf('slack:U%06d', i), 101, 1", groups);
    insert(
        "sessions (id, agent_group_id, messaging_group_id, created_at)",
        "printf('0190%032d', i), i + 100, i + 100, i",
        groups,
    );
    let modulo = |sql: &str| sql.replace("GROUPS", &groups.to_string());
    insert(
        "messages (seq, messaging_group_id, platform_event_id, text, sent_at, received_at)",
        &modulo("i, 101 + i % GROUPS, i, 'x', i, i"),
        messages,
    );
    insert(
        "routings (message_seq, agent_group_id, session_id, decision, rule, decided_at, placed_at, given_at, run_id, outcome, outcome_at)",
        &modulo(
            "i, 101 + i % GROUPS, printf('0190%032d', 1 + i % GROUPS), 'work', 'trigger', i, i, i, printf('0191%032d', 1 + i / 4), 'no_reply', i",
        ),
        messages,
    );
    insert(
        "runs (id, session_id, cause, started_at, ended_at, collected_at, judged_at, outcome)",
        &modulo("printf('0191%032d', i), printf('0190%032d', 1 + i % GROUPS), 'message', i, i, i, i, 'completed'"),
        messages / 4,
    );
    raw.execute("UPDATE router_state SET value = ?1 WHERE key = 'routed_seq'", params![messages.to_string()])
        .expect("routed");
    raw.execute_batch("COMMIT").expect("done");
}

/// 10 k groups and, where `NC_LARGE` is set, 1 M messages, else a fifth of it: a debug build is not what is promised.
#[test]
fn every_list_takes_less_than_a_second_in_a_large_house() {
    let house = House::with_main();
    let messages = if std::env::var_os("NC_LARGE").is_some() { 1_000_000 } else { 200_000 };
    fill(&Connection::open(house.path().join("store/messages.db")).expect("the store"), 10_000, messages);
    let (session, seq) = (format!("0190{:032}", 77), messages.to_string());
    let cases: &[&[&str]] = &[
        &["group", "list"],
        &["group", "show", "g77"],
        &["chat", "list"],
        &["chat", "list", "--unwired"],
        &["chat", "list", "--group", "g9999"],
        &["chat", "show", "slack:acme:C77"],
        &["chat", "show", "chat 9999"],
        &["session", "list"],
        &["session", "list", "--group", "g1", "--status", "closed"],
        &["session", "show", &session],
        &["run", "list"],
        &["run", "list", "--group", "g1"],
        &["run", "list", "--outcome", "failed"],
        &["run", "list", "--outcome", "failed", "--group", "g9999"],
        &["run", "list", "--session", &session, "--since", "2000-01-01"],
        &["run", "show", "g9999"],
        &["user", "list"],
        &["user", "list", "--role", "admin"],
        &["member", "list", "g1"],
        &["destination", "list", "g77"],
        &["why", &seq],
        &["why", "--chat", "slack:acme:C77"],
    ];
    for arguments in cases {
        let begun = Instant::now();
        let ran = house.ctl(arguments);
        let took = begun.elapsed();
        assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.stderr);
        assert!(took < Duration::from_secs(1), "{arguments:?} took {took:?}");
    }
    let begun = Instant::now();
    let ran = house.ctl(&["wire", "chat 9998x", "g1"]);
    assert!(
        ran.stderr.contains("(did you mean \"chat 9998\"?)") && begun.elapsed() < Duration::from_secs(5),
        "{ran:?}"
    );
}
