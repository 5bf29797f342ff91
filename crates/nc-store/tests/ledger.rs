//! The account says what became of each message and delivery, and where it does not balance.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use house::House;
use nc_model::{Decision, SendStatus, Seq, Timestamp};
use nc_store::{DeliveryState, MessageState, Span};
use rusqlite::params;

/// A message that the first group is to answer.
fn work(house: &mut House) -> Seq {
    let seq = house.message();
    house.decide(seq, [Some(Decision::Work), None], Decision::Ignored);
    seq
}

/// A change that the schema itself would refuse.
fn by_force(house: &House, sql: &str) {
    house.raw.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").expect("force");
    house.raw.execute_batch(sql).expect(sql);
}

#[test]
fn an_empty_store_balances() {
    let house = House::new();
    let ledger = house.store.ledger(Span::ALL).expect("a ledger");
    assert_eq!((ledger.messages.accepted, ledger.deliveries.created), (0, 0));
    assert_eq!(house.faults(), Vec::<String>::new());
}

#[test]
fn each_message_is_counted_by_what_became_of_it_and_what_is_open_is_named() {
    let mut house = House::new();
    let [one, two] = house.groups;
    let answered = work(&mut house);
    house.end(answered, one, "answered");
    let failed = work(&mut house);
    house.end(failed, one, "failed");
    let both = house.message();
    house.decide(both, [Some(Decision::Work), Some(Decision::Context)], Decision::Ignored);
    let dropped = house.message();
    house.decide(dropped, [None, None], Decision::Dropped);
    let fan_out = house.message();
    house.decide(fan_out, [Some(Decision::Work), Some(Decision::Work)], Decision::Ignored);
    house.end(fan_out, two, "no_reply");
    let unrouted = house.message();
    let ledger = house.store.ledger(Span::ALL).expect("a ledger");
    let account = ledger.messages;
    assert_eq!((account.accepted, account.ended, account.open), (6, 3, 3));
    let lines: Vec<_> = account
        .routings
        .iter()
        .map(|c| (c.state, c.rule.as_deref().unwrap_or("-"), c.count, c.since.is_some()))
        .collect();
    assert_eq!(
        lines,
        [
            (MessageState::Answered, "work_rule", 1, false),
            (MessageState::NoReply, "work_rule", 1, false),
            (MessageState::Failed, "work_rule", 1, false),
            (MessageState::Context, "context_rule", 1, false),
            (MessageState::Dropped, "dropped_rule", 1, false),
            (MessageState::Work, "work_rule", 2, true),
            (MessageState::NotRouted, "-", 1, true),
        ]
    );
    let open: Vec<_> = account.open_rows.iter().map(|o| (o.seq, o.state, o.group)).collect();
    assert_eq!(
        open,
        [
            (both, MessageState::Work, Some(one)),
            (fan_out, MessageState::Work, Some(one)),
            (unrouted, MessageState::NotRouted, None),
        ]
    );
    assert_eq!((ledger.deliveries.created, ledger.deliveries.open), (2, 2));
    assert_eq!(house.faults(), Vec::<String>::new());
}

#[test]
fn a_delivery_is_as_far_as_its_last_part() {
    use SendStatus::{Dead, Leased, Queued, Retry, Sending, Sent, Unknown};
    let house = House::new();
    house.delivery("sent", &[Sent, Sent]);
    house.delivery("unknown", &[Sent, Unknown]);
    house.delivery("dead", &[Unknown, Dead]);
    for (n, open) in [Queued, Leased, Sending, Retry].into_iter().enumerate() {
        house.delivery(&format!("open{n}"), &[Sent, open, Dead]);
    }
    let account = house.store.ledger(Span::ALL).expect("a ledger").deliveries;
    assert_eq!((account.created, account.sent, account.unknown, account.dead, account.open), (7, 1, 1, 1, 4));
    let open: Vec<_> = account.open_rows.iter().map(|o| (o.part, o.status)).collect();
    assert_eq!(open, [Queued, Leased, Sending, Retry].map(|status| (Some(1), Some(status))));
    let lines: Vec<_> = account.open_by_channel.iter().map(|c| (c.state, c.rule.as_deref(), c.count)).collect();
    assert_eq!(lines, [(DeliveryState::Open, Some("terminal"), 4)]);
    assert_eq!(house.faults(), Vec::<String>::new());
}

#[test]
fn a_span_takes_its_first_millisecond_and_not_its_last() {
    let mut house = House::new();
    for ms in [999, 1000, 1500, 1999, 2000] {
        let seq = house.message();
        house.raw.execute("UPDATE messages SET received_at = ?2 WHERE seq = ?1", [seq.0, ms]).expect("a time");
        let id = house.delivery(&ms.to_string(), &[SendStatus::Sent]);
        house.raw.execute("UPDATE deliveries SET created_at = ?2 WHERE id = ?1", params![id, ms]).expect("a time");
    }
    let span = Span { since: Timestamp(1000), until: Timestamp(2000) };
    let ledger = house.store.ledger(span).expect("a ledger");
    assert_eq!((ledger.messages.accepted, ledger.deliveries.created), (3, 3));
    let json = serde_json::to_value(&ledger).expect("JSON");
    assert_eq!(json["messages"]["routings"][0], serde_json::json!({"state": "not_routed", "count": 3, "since": 1000}));
    assert_eq!(house.store.ledger(Span::since(Timestamp(2000))).expect("a ledger").messages.accepted, 1);
}

#[test]
fn an_account_of_many_pages_counts_each_row_once() {
    let mut house = House::new();
    let many = 25_000_u64;
    // All in one millisecond: the pages must part them by their keys.
    house
        .raw
        .execute_batch(
            "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 25000)
             INSERT INTO messages (messaging_group_id, platform_event_id, sent_at, received_at) SELECT 1, 'e' || i, 7, 7 FROM n;
             INSERT INTO deliveries (id, source_id, channel, messaging_group_id, kind, content, created_at)
                SELECT 'd' || seq, 's' || seq, 'terminal', 1, 'text', '{}', 7 FROM messages;
             INSERT INTO sends (delivery_id, channel, messaging_group_id, status, status_at)
                SELECT id, channel, messaging_group_id, 'sent', 7 FROM deliveries;
             INSERT INTO routings (message_seq, decision, rule, decided_at) SELECT seq, 'ignored', 'r', 7 FROM messages;
             UPDATE router_state SET value = '25000' WHERE key = 'routed_seq'",
        )
        .expect("many rows");
    house.message();
    let ledger = house.store.ledger(Span::ALL).expect("a ledger");
    assert_eq!((ledger.messages.accepted, ledger.messages.ended, ledger.messages.open), (many + 1, many, 1));
    assert_eq!((ledger.deliveries.created, ledger.deliveries.sent), (many, many));
    assert_eq!(house.faults(), Vec::<String>::new());
}

#[test]
fn whatever_does_not_balance_is_named_by_its_row() {
    let cases: &[(&str, &str)] = &[
        ("DELETE FROM routings", "messages 1: it was routed, and no routing says how"),
        ("UPDATE router_state SET value = '0'", "messages 1: it has a routing, and routing has not come to it"),
        (
            "INSERT INTO routings (message_seq, decision, rule, decided_at) VALUES (1, 'ignored', 'x', 1)",
            "messages 1: an agent took it, and nobody took it",
        ),
        (
            "DROP INDEX one_routing; DELETE FROM routings;
             INSERT INTO routings (message_seq, decision, rule, decided_at) VALUES (1, 'ignored', 'x', 1), (1, 'dropped', 'y', 1)",
            "messages 1: nobody took it more than once",
        ),
        ("UPDATE routings SET outcome = 'answered'", "routings 1: it has an outcome and no time of it, or a time and no outcome"),
        (
            "UPDATE routings SET decision = 'context', outcome = 'answered', outcome_at = 1",
            "routings 1: it has an outcome, and its decision is not work",
        ),
        (
            "UPDATE routings SET decision = 'ignored'",
            "routings 1: it is an agent's, and the decision is that nobody takes the message",
        ),
        ("UPDATE routings SET agent_group_id = NULL", "routings 1: it is nobody's, and the decision needs an agent"),
        ("UPDATE routings SET outcome = 'failed', outcome_at = 1", "routings 1: it failed, and nobody was told"),
        (
            "UPDATE routings SET outcome = 'failed', outcome_at = 1, notice_delivery_id = 'gone'",
            "routings 1: it failed, and nobody was told",
        ),
        ("UPDATE routings SET outcome = 'answered', outcome_at = 1", "routings 1: it was answered, and no delivery says how"),
        ("UPDATE routings SET answer_delivery_id = 'gone'", "routings 1: it names an answer that is not there"),
        ("UPDATE routings SET notice_delivery_id = 'gone'", "routings 1: it names a notice that is not there"),
        ("UPDATE routings SET given_at = 1", "routings 1: it was taken by an agent and never placed"),
        ("UPDATE routings SET decided_at = decided_at - 400000", "routings 1: it was decided long ago and is not placed"),
        ("DELETE FROM sessions", "routings 1: it is open in a session that is gone"),
        ("UPDATE routings SET decision = 'held'", "routings 1: it waits for an approval, and names none"),
        ("UPDATE routings SET decision = 'command'", "routings 1: it is a command that nobody answered"),
        ("DELETE FROM sends", "deliveries d: it has no row in sends, so nobody sends it"),
        ("UPDATE sends SET part = 1", "deliveries d: a part of it is missing"),
        ("UPDATE sends SET channel = 'slack:x'", "sends d/0: its channel or chat is not its delivery's"),
        (
            "DROP INDEX one_delivery; INSERT INTO deliveries SELECT 'e', session_id, source_id, source_seq, in_reply_to, channel,
                messaging_group_id, thread_id, kind, content, not_before, created_at FROM deliveries;
             INSERT INTO sends (delivery_id, channel, messaging_group_id, status, status_at)
                SELECT id, channel, messaging_group_id, 'sent', 1 FROM deliveries WHERE id = 'e'",
            "sends d/0: it was sent more than once",
        ),
    ];
    for (sql, fault) in cases {
        let mut house = House::new();
        work(&mut house);
        let id = house.delivery("s", &[SendStatus::Sent]);
        let named = format!("UPDATE sends SET delivery_id = 'd'; UPDATE deliveries SET id = 'd' WHERE id = '{id}'");
        by_force(&house, &named);
        assert_eq!(house.faults(), Vec::<String>::new());
        by_force(&house, sql);
        let found = house.faults();
        assert!(found.iter().any(|f| f == fault), "{sql}\nfound {found:#?}\nand not {fault}");
    }
}
