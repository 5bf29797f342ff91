//! The account balances whatever happens, and says where it does not.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use nc_model::{ChatId, Decision, FolderName, GroupId, SendStatus, Seq, Timestamp};
use nc_store::{
    Count, Decided, DeliveryState, Left, MessageState, NewChat, NewGroup, NewMessage, NewWiring, Span, Store, Taken,
    new_id,
};
use proptest::prelude::*;
use rusqlite::{Connection, params};
use tempfile::TempDir;

/// A store with one chat that two groups listen to, and a way into the file for what other programs do.
struct House {
    _dir: TempDir,
    store: Store,
    raw: Connection,
    chat: ChatId,
    groups: [GroupId; 2],
    events: u32,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("messages.db");
        let mut store = Store::open(&path).expect("a store");
        let chat = NewChat { channel: "terminal", platform_id: "ana", name: None, is_group: false };
        let chat = store.ensure_chat(&chat).expect("a chat");
        let groups = ["one", "two"].map(|folder| {
            let folder = FolderName::parse(folder).expect("a folder");
            let group = store.create_group(&NewGroup::new("G", folder)).expect("a group").id;
            store.wire(&NewWiring::new(chat, group), None).expect("a wiring");
            group
        });
        let raw = Connection::open(&path).expect("the file");
        raw.pragma_update(None, "synchronous", "OFF").expect("speed");
        Self { _dir: dir, store, raw, chat, groups, events: 0 }
    }

    fn message(&mut self) -> Seq {
        self.events += 1;
        let message = NewMessage::new(self.chat, self.events.to_string(), "x");
        self.store.record(&message).expect("a message").seq()
    }

    fn decide(&mut self, seq: Seq, by_group: [Option<Decision>; 2], left: Decision) {
        let taken = self.groups.into_iter().zip(by_group);
        let taken = taken.filter_map(|(group, decision)| Some((group, decision?)));
        let taken =
            taken.map(|(group, decision)| Taken { group, decision, rule: format!("{decision}_rule") }).collect();
        let left = Left { decision: left, rule: format!("{left}_rule") };
        self.store
            .decide(&[Decided { seq, chat: self.chat, taken, left, notices: vec![], stranger: None }])
            .expect("decided");
    }

    fn work(&mut self) -> Seq {
        let seq = self.message();
        self.decide(seq, [Some(Decision::Work), None], Decision::Ignored);
        seq
    }

    fn delivery(&self, source: &str, parts: &[SendStatus]) -> String {
        let id = new_id();
        let sql = "INSERT INTO deliveries (id, source_id, channel, messaging_group_id, kind, content, created_at)
            VALUES (?1, ?2, 'terminal', ?3, 'text', '{}', ?4)";
        let at = nc_store::now().0;
        self.raw.execute(sql, params![id, source, self.chat.0, at]).expect("a delivery");
        for (part, status) in parts.iter().enumerate() {
            let sql = "INSERT INTO sends (delivery_id, part, channel, messaging_group_id, status, status_at)
                VALUES (?1, ?2, 'terminal', ?3, ?4, ?5)";
            let part = u32::try_from(part).expect("a few");
            self.raw.execute(sql, params![id, part, self.chat.0, status.as_str(), at]).expect("a part");
        }
        id
    }

    fn end(&self, seq: Seq, group: GroupId, outcome: &str) {
        let notice = (outcome == "failed").then(|| self.delivery(&new_id(), &[SendStatus::Queued]));
        let sql =
            "UPDATE routings SET placed_at = ?4, given_at = ?4, outcome = ?3, outcome_at = ?4, notice_delivery_id = ?5
            WHERE message_seq = ?1 AND agent_group_id = ?2";
        let at = nc_store::now().0;
        assert_eq!(self.raw.execute(sql, params![seq.0, group.0, outcome, at, notice]).expect("an outcome"), 1);
    }

    fn faults(&self) -> Vec<String> {
        let found = self.store.ledger_check(Span::ALL).expect("a check");
        found.into_iter().map(|i| format!("{} {}: {}", i.table, i.row, i.fault)).collect()
    }

    /// A change that the schema itself would refuse.
    fn by_force(&self, sql: &str) {
        self.raw.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").expect("force");
        self.raw.execute_batch(sql).expect(sql);
    }
}

fn by_state(counts: &[Count<MessageState>]) -> BTreeMap<MessageState, u64> {
    let mut sums = BTreeMap::new();
    for count in counts {
        *sums.entry(count.state).or_default() += count.count;
    }
    sums
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
    let answered = house.work();
    house.end(answered, one, "answered");
    let failed = house.work();
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
    assert_eq!((ledger.deliveries.created, ledger.deliveries.open), (1, 1));
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
        ("UPDATE routings SET answer_delivery_id = 'gone'", "routings 1: it names an answer that is not there"),
        ("UPDATE routings SET notice_delivery_id = 'gone'", "routings 1: it names a notice that is not there"),
        ("UPDATE routings SET given_at = 1", "routings 1: it was taken by an agent and never placed"),
        ("UPDATE routings SET decided_at = decided_at - 400000", "routings 1: it was decided long ago and is not placed"),
        ("UPDATE sessions SET status = 'closed'", "routings 1: it is open in a session that is closed or gone"),
        ("DELETE FROM sessions", "routings 1: it is open in a session that is closed or gone"),
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
        house.work();
        let id = house.delivery("s", &[SendStatus::Sent]);
        house
            .by_force(&format!("UPDATE sends SET delivery_id = 'd'; UPDATE deliveries SET id = 'd' WHERE id = '{id}'"));
        assert_eq!(house.faults(), Vec::<String>::new());
        house.by_force(sql);
        let found = house.faults();
        assert!(found.iter().any(|f| f == fault), "{sql}\nfound {found:#?}\nand not {fault}");
    }
}

/// What may happen to a house.
#[derive(Clone, Debug)]
enum Step {
    Message,
    Again(usize),
    Route { by_group: [Option<Decision>; 2], left: Decision },
    End { which: usize, outcome: &'static str },
    Deliver(Vec<SendStatus>),
    Advance { which: usize, to: SendStatus },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let taken = || prop_oneof![Just(None), Just(Some(Decision::Work)), Just(Some(Decision::Context))];
    let status = || proptest::sample::select(SendStatus::ALL);
    prop_oneof![
        4 => Just(Step::Message),
        1 => any::<usize>().prop_map(Step::Again),
        4 => ([taken(), taken()], prop_oneof![Just(Decision::Ignored), Just(Decision::Dropped)])
            .prop_map(|(by_group, left)| Step::Route { by_group, left }),
        3 => (any::<usize>(), proptest::sample::select(&["answered", "no_reply", "failed"][..]))
            .prop_map(|(which, outcome)| Step::End { which, outcome }),
        1 => proptest::collection::vec(status(), 1..4).prop_map(Step::Deliver),
        1 => (any::<usize>(), status()).prop_map(|(which, to)| Step::Advance { which, to }),
        1 => Just(Step::Reopen),
    ]
}

/// What the account must say, kept beside it.
#[derive(Default)]
struct Book {
    /// For each message, what became of it for each who took it; empty until it is routed.
    messages: BTreeMap<Seq, Vec<(Option<GroupId>, MessageState)>>,
    deliveries: Vec<(String, Vec<SendStatus>)>,
    notices: u64,
}

impl Book {
    fn open_work(&self) -> Vec<(Seq, GroupId)> {
        let all = self.messages.iter().flat_map(|(seq, ends)| ends.iter().map(move |end| (*seq, *end)));
        all.filter_map(|(seq, (group, state))| Some((seq, group.filter(|_| state == MessageState::Work)?))).collect()
    }

    fn apply(&mut self, house: &mut House, step: Step) {
        match step {
            Step::Message => drop(self.messages.insert(house.message(), Vec::new())),
            Step::Again(which) => {
                if let Some(seq) = nth(which, &self.messages.keys().copied().collect::<Vec<_>>()) {
                    let again = NewMessage::new(house.chat, seq.0.to_string(), "x");
                    assert_eq!(house.store.record(&again).expect("known").seq(), seq);
                }
            }
            Step::Route { by_group, left } => self.route(house, by_group, left),
            Step::End { which, outcome } => self.end(house, which, outcome),
            Step::Deliver(parts) => {
                self.deliveries.push((house.delivery(&new_id(), &parts), parts));
            }
            Step::Advance { which, to } => {
                let count = self.deliveries.len().max(1);
                if let Some((id, parts)) = self.deliveries.get_mut(which % count) {
                    let sql = "UPDATE sends SET status = ?2 WHERE delivery_id = ?1 AND part = 0";
                    house.raw.execute(sql, params![&*id, to.as_str()]).expect("a state");
                    parts[0] = to;
                }
            }
            Step::Reopen => house.store = Store::open(house.store.path()).expect("the store again"),
        }
    }

    fn route(&mut self, house: &mut House, by_group: [Option<Decision>; 2], left: Decision) {
        let Some((seq, ends)) = self.messages.iter_mut().find(|(_, ends)| ends.is_empty()) else { return };
        house.decide(*seq, by_group, left);
        let state = |decision| if decision == Decision::Work { MessageState::Work } else { MessageState::Context };
        ends.extend(house.groups.into_iter().zip(by_group).filter_map(|(g, d)| Some((Some(g), state(d?)))));
        if ends.is_empty() {
            ends.push((None, if left == Decision::Ignored { MessageState::Ignored } else { MessageState::Dropped }));
        }
    }

    fn end(&mut self, house: &House, which: usize, outcome: &str) {
        let Some((seq, group)) = nth(which, &self.open_work()) else { return };
        house.end(seq, group, outcome);
        let state = match outcome {
            "answered" => MessageState::Answered,
            "no_reply" => MessageState::NoReply,
            _ => MessageState::Failed,
        };
        self.notices += u64::from(state == MessageState::Failed);
        let ends = self.messages.get_mut(&seq).expect("its ends");
        ends.iter_mut().filter(|end| end.0 == Some(group)).for_each(|end| end.1 = state);
    }

    fn compare(&self, house: &House) {
        let ledger = house.store.ledger(Span::ALL).expect("a ledger");
        let (account, sends) = (ledger.messages, ledger.deliveries);
        let mut expected = BTreeMap::new();
        for ends in self.messages.values() {
            if ends.is_empty() {
                *expected.entry(MessageState::NotRouted).or_default() += 1;
            }
            for (_, state) in ends {
                *expected.entry(*state).or_default() += 1;
            }
        }
        assert_eq!(by_state(&account.routings), expected);
        let is_open = |ends: &&Vec<(_, MessageState)>| ends.is_empty() || ends.iter().any(|end| end.1.is_open());
        let open = self.messages.values().filter(is_open).count() as u64;
        assert_eq!((account.accepted, account.open), (self.messages.len() as u64, open));
        assert_eq!(account.accepted, account.ended + account.open);
        assert_eq!(sends.created, self.deliveries.len() as u64 + self.notices);
        assert_eq!(sends.created, sends.sent + sends.unknown + sends.dead + sends.open);
        let sent = self.deliveries.iter().filter(|(_, parts)| parts.iter().all(|p| *p == SendStatus::Sent)).count();
        assert_eq!(sends.sent, sent as u64);
        assert_eq!(house.faults(), Vec::<String>::new());
    }
}

fn nth<T: Copy>(which: usize, of: &[T]) -> Option<T> {
    of.get(which % of.len().max(1)).copied()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_account_balances_after_any_sequence_of_events(steps in proptest::collection::vec(step(), 1..60)) {
        let mut house = House::new();
        let mut book = Book::default();
        for step in steps {
            book.apply(&mut house, step);
        }
        book.compare(&house);
    }
}
