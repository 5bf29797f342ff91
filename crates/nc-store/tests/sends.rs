//! What a channel may take, in which order, and who is told how it ended.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;

use nc_model::{ChatId, SendLevel, SendStatus, Seq, Timestamp};
use nc_store::{DeliveryReport, Ended, Leased, NewChat, Reported, SendEnd, Store};
use rusqlite::Connection;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_000_000);
const UNTIL: Timestamp = Timestamp(1_060_000);
const SESSION: &str = "session-1";

struct House {
    _dir: TempDir,
    path: PathBuf,
    store: Store,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("messages.db");
        let store = Store::open(&path).expect("a store");
        let house = Self { _dir: dir, path, store };
        house.sql("INSERT INTO sessions (id, agent_group_id, created_at) VALUES ('session-1', 1, 0)");
        house
    }

    fn sql(&self, sql: &str) {
        Connection::open(&self.path).expect("a second connection").execute_batch(sql).expect(sql);
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        let conn = Connection::open(&self.path).expect("a second connection");
        let mut query = conn.prepare(sql).expect(sql);
        query.query_map([], |row| row.get(0)).expect(sql).collect::<Result<_, _>>().expect(sql)
    }

    fn chat(&mut self, name: &str) -> ChatId {
        let chat = NewChat { channel: "terminal", platform_id: name, name: None, is_group: false };
        self.store.ensure_chat(&chat).expect("a chat")
    }

    /// A text of `session` (none for a notice), with one part queued.
    fn delivery(&self, id: &str, chat: ChatId, session: Option<&str>, not_before: Option<i64>) {
        let session = session.map_or("NULL".to_owned(), |s| format!("'{s}'"));
        let not_before = not_before.map_or("NULL".to_owned(), |t| t.to_string());
        self.sql(&format!(
            "INSERT INTO deliveries (id, session_id, source_id, channel, messaging_group_id, kind, content, not_before, created_at)
             VALUES ('{id}', {session}, 'row-{id}', 'terminal', {chat}, 'text', '{{\"text\":\"hi\"}}', {not_before}, 5);
             INSERT INTO sends (delivery_id, channel, messaging_group_id, status_at) VALUES ('{id}', 'terminal', {chat}, 5)"
        ));
    }

    fn lease(&mut self, now: Timestamp) -> Vec<Leased> {
        let until = now.plus_ms(UNTIL.0 - NOW.0);
        self.store.lease_sends("terminal", None, now, until, 10).expect("a lease")
    }

    fn lease_ids(&mut self, now: Timestamp) -> Vec<String> {
        self.lease(now).into_iter().map(|l| format!("{}/{}", l.delivery_id, l.part)).collect()
    }

    fn begin(&mut self, leased: &Leased) {
        assert!(self.store.begin_send(leased, NOW).expect("begun"), "the lease was lost");
    }

    fn end(&mut self, leased: &Leased, end: &SendEnd) -> Ended {
        self.store.end_send(leased, end, NOW).expect("ended")
    }
}

fn sent(id: &str) -> SendEnd {
    SendEnd::Sent { platform_message_id: Some(id.to_owned()), level: SendLevel::Accepted }
}

fn dead() -> SendEnd {
    SendEnd::Dead { error: "no such user".to_owned() }
}

#[test]
fn a_chats_deliveries_go_one_after_the_other_and_chats_side_by_side() {
    let mut house = House::new();
    let (ana, bob) = (house.chat("ana"), house.chat("bob"));
    for (id, chat) in [("d1", ana), ("d2", ana), ("d3", bob)] {
        house.delivery(id, chat, Some(SESSION), None);
    }
    let first = house.lease(NOW);
    assert_eq!(first.iter().map(|l| l.delivery_id.as_str()).collect::<Vec<_>>(), ["d1", "d3"]);
    assert!(house.lease(NOW).is_empty(), "both chats have one in hand");
    house.begin(&first[0]);
    assert!(house.lease(NOW).is_empty(), "one is being sent");
    assert_eq!(house.end(&first[0], &sent("p1")), Ended::Yes(Reported { router: true }));
    assert_eq!(house.lease_ids(NOW), ["d2/0"]);
}

#[test]
fn a_lease_ends_and_the_one_who_had_it_cannot_begin() {
    let mut house = House::new();
    let chat = house.chat("ana");
    house.delivery("d1", chat, Some(SESSION), None);
    let old = house.lease(NOW).remove(0);
    assert!(house.lease(UNTIL.plus_ms(-1)).is_empty());
    let new = house.lease(UNTIL).remove(0);
    assert!(!house.store.begin_send(&old, UNTIL).expect("asked"), "an old lease began");
    assert!(house.store.begin_send(&new, UNTIL).expect("asked"));
    assert!(house.lease(Timestamp(i64::MAX / 2)).is_empty(), "what is being sent was taken away");
}

#[test]
fn what_was_not_taken_is_tried_when_it_is_due_and_the_rest_of_the_chat_waits() {
    let mut house = House::new();
    let chat = house.chat("ana");
    house.delivery("d1", chat, Some(SESSION), None);
    house.delivery("d2", chat, Some(SESSION), None);
    let first = house.lease(NOW).remove(0);
    house.begin(&first);
    let at = NOW.plus_ms(500);
    house.end(&first, &SendEnd::Retry { error: "offline".to_owned(), at });
    assert!(house.lease(NOW).is_empty());
    assert_eq!(house.store.next_send_due("terminal", NOW).expect("due"), Some(at));
    let again = house.lease(at).remove(0);
    assert_eq!((again.delivery_id.as_str(), again.attempts), ("d1", 1));
}

#[test]
fn a_delivery_of_later_stands_in_nobodys_way() {
    let mut house = House::new();
    let chat = house.chat("ana");
    let later = NOW.plus_ms(10_000);
    house.delivery("d1", chat, Some(SESSION), Some(later.0));
    house.delivery("d2", chat, Some(SESSION), None);
    assert_eq!(house.lease_ids(NOW), ["d2/0"]);
    assert_eq!(house.store.next_send_due("terminal", NOW).expect("due"), Some(later));
    assert_eq!(house.lease_ids(later), ["d1/0"], "it is the older one once it is due");
}

#[test]
fn parts_go_in_order_and_the_session_is_told_once_after_the_last() {
    let mut house = House::new();
    let chat = house.chat("ana");
    house.delivery("d1", chat, Some(SESSION), None);
    house.delivery("d2", chat, Some(SESSION), None);
    for part in 0..3 {
        let leased = house.lease(NOW).remove(0);
        assert_eq!((leased.delivery_id.as_str(), leased.part), ("d1", part));
        house.store.add_parts(&leased, 3, NOW).expect("parts");
        house.begin(&leased);
        let ended = house.end(&leased, &sent(&format!("p{part}")));
        assert_eq!(ended, Ended::Yes(Reported { router: part == 2 }));
    }
    let told = house.rows("SELECT content FROM session_inbox WHERE kind = 'delivery' AND trigger = 0");
    let report: DeliveryReport = serde_json::from_str(&told[0]).expect("a report");
    let expected = ("row-d1", Some("p0"), "delivered");
    assert_eq!((&*report.message_out_id, report.platform_message_id.as_deref(), &*report.status), expected);
    assert_eq!(told.len(), 1);
}

#[test]
fn of_what_is_dead_the_agent_and_the_owners_are_told_and_later_parts_are_given_up() {
    let mut house = House::new();
    let chat = house.chat("ana");
    house.delivery("d1", chat, Some(SESSION), None);
    let leased = house.lease(NOW).remove(0);
    house.store.add_parts(&leased, 2, NOW).expect("parts");
    house.begin(&leased);
    assert_eq!(house.end(&leased, &dead()), Ended::Yes(Reported { router: true }));
    assert_eq!(house.rows("SELECT status FROM sends ORDER BY part"), ["dead", "dead"]);
    let told = house.rows("SELECT kind || ' ' || trigger || ' ' || source FROM session_inbox ORDER BY kind");
    assert_eq!(told, ["delivery 0 d1", "notice 1 d1:notice"]);
    let text = house.rows("SELECT content ->> 'text' FROM session_inbox WHERE kind = 'notice'");
    assert_eq!(text, ["Your text (row row-d1) to \"ana\" could not be delivered: no such user"]);
    assert_eq!(house.rows("SELECT audience FROM notices"), ["owners"]);
    assert!(house.lease(NOW).is_empty());
}

#[test]
fn a_dead_notice_makes_no_further_notice() {
    let mut house = House::new();
    let chat = house.chat("ana");
    house.delivery("d1", chat, None, None);
    let leased = house.lease(NOW).remove(0);
    house.begin(&leased);
    assert_eq!(house.end(&leased, &dead()), Ended::Yes(Reported { router: false }));
    assert!(house.rows("SELECT text FROM notices").is_empty());
    assert_eq!(house.rows("SELECT count(*) || '' FROM sends WHERE reported_at IS NULL"), ["0"]);
}

#[test]
fn what_a_dead_program_was_sending_is_found_and_may_end_as_unknown_then_known() {
    let mut house = House::new();
    let (ana, bob) = (house.chat("ana"), house.chat("bob"));
    house.delivery("d1", ana, Some(SESSION), None);
    house.delivery("d2", bob, Some(SESSION), None);
    let leased = house.lease(NOW);
    house.begin(&leased[0]);
    assert!(house.store.has_leased_sends("terminal", Some(bob)).expect("asked"));
    assert_eq!(house.store.give_back_sends("terminal", None, NOW).expect("given back"), 1);
    assert!(!house.store.has_leased_sends("terminal", None).expect("asked"));
    assert!(house.store.sends_in_hand("terminal", Some(bob)).expect("asked").is_empty());
    let found = house.store.sends_in_hand("terminal", None).expect("asked").remove(0);
    assert_eq!(found.delivery_id, "d1");
    house.end(&found, &SendEnd::Unknown { error: "died".to_owned() });
    let told = house.rows("SELECT kind || ' ' || trigger FROM session_inbox ORDER BY kind");
    assert_eq!(told, ["delivery 0", "notice 0"], "what nobody knows wakes nobody");
    assert_eq!(house.end(&found, &dead()), Ended::NotOurs);
    assert_eq!(house.end(&found, &sent("p1")), Ended::Yes(Reported::default()), "who sent it learns of it late");
    assert_eq!(house.lease_ids(NOW), ["d2/0"]);
}

#[test]
fn what_was_not_begun_cannot_be_retried_twice_or_ended_by_another() {
    let mut house = House::new();
    let chat = house.chat("ana");
    house.delivery("d1", chat, Some(SESSION), None);
    let leased = house.lease(NOW).remove(0);
    house.begin(&leased);
    assert!(!house.store.begin_send(&leased, NOW).expect("asked"), "begun twice");
    house.end(&leased, &sent("p1"));
    assert_eq!(house.end(&leased, &sent("p2")), Ended::NotOurs);
    assert_eq!(house.rows("SELECT platform_message_id FROM sends"), ["p1"]);
}

#[test]
fn a_messages_fate_is_open_until_every_agent_is_done_with_it() {
    let mut house = House::new();
    let chat = house.chat("ana");
    let seq = house.store.record(&nc_store::NewMessage::new(chat, "e1", "hi")).expect("recorded").seq();
    assert!(!house.store.fate(seq).expect("fate").routed);
    house.sql(&format!(
        "INSERT INTO routings (message_seq, agent_group_id, session_id, decision, rule, decided_at)
         VALUES ({seq}, 1, '{SESSION}', 'work', 'main', 6)"
    ));
    let fate = house.store.fate(seq).expect("fate");
    assert!(fate.routed && !fate.is_ended());
    house.sql("UPDATE routings SET outcome = 'answered', outcome_at = 7, answer_delivery_id = 'd1'");
    let fate = house.store.fate(seq).expect("fate");
    assert!(fate.is_ended());
    assert_eq!(fate.agents[0].answer_delivery_id.as_deref(), Some("d1"));
    house.sql(&format!("UPDATE router_state SET value = '{}' WHERE key = 'routed_seq'", seq.0 + 1));
    let passed_over = house.store.fate(Seq(seq.0 + 1)).expect("fate");
    assert!(passed_over.routed && passed_over.is_ended(), "a message that the router passed over has ended");
}

#[test]
fn a_chats_deliveries_are_listed_with_their_state() {
    let mut house = House::new();
    let chat = house.chat("ana");
    house.delivery("d1", chat, Some(SESSION), None);
    house.delivery("d2", chat, None, None);
    let leased = house.lease(NOW).remove(0);
    house.begin(&leased);
    house.end(&leased, &sent("p1"));
    let found = house.store.deliveries_of_chat(chat, Timestamp(5)).expect("listed");
    let states: Vec<_> = found.iter().map(|(l, status)| (l.delivery_id.as_str(), *status)).collect();
    assert_eq!(states, [("d1", SendStatus::Sent), ("d2", SendStatus::Queued)]);
    assert!(house.store.deliveries_of_chat(chat, Timestamp(6)).expect("listed").is_empty());
}
