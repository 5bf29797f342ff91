//! What a look at an agent's mailbox changes, and that the same look again changes nothing.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;

use nc_model::{Cause, ChatId, Decision, DeliveryKind, GroupId, RoutingId, Timestamp};
use nc_store::{
    AckWord, AgentAck, Decided, Left, NewChat, NewDelivery, NewGroup, NewMainGroup, NewMessage, NewRun, OutboundLook,
    Refusal, Span, Spoken, Store, Taken, TakenIn, Told, new_id, now,
};
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

struct House {
    _dir: TempDir,
    path: PathBuf,
    store: Store,
    group: GroupId,
    chat: ChatId,
    session: String,
}

impl House {
    /// The main group with `messages` messages that are placed work, and a run.
    fn with(messages: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("messages.db");
        let mut store = Store::open(&path).expect("a store");
        let new = NewMainGroup {
            group: NewGroup::new("Main", "main".parse().expect("a folder")),
            owner: "terminal:ana",
            owner_name: None,
            chat: NewChat { channel: "terminal", platform_id: "ana", name: None, is_group: false },
        };
        let made = store.create_main_group(&new).expect("a main group");
        let mut house = Self { _dir: dir, path, store, group: made.group.id, chat: made.chat, session: String::new() };
        for _ in 0..messages {
            house.message();
        }
        house.session = house.rows("SELECT id FROM sessions").swap_remove(0);
        house.run("run-1");
        house
    }

    fn message(&mut self) {
        let seq = self.store.record(&NewMessage::new(self.chat, new_id(), "hello")).expect("a message").seq();
        let taken = vec![Taken::work(self.group, "main", self.chat)];
        let left = Left { decision: Decision::Ignored, rule: "no_wiring".to_owned() };
        let decided = Decided::new(seq, self.chat, taken, left);
        self.store.decide(&[decided]).expect("a decision");
        self.store.placed(&[RoutingId(seq.0)], &[]).expect("a place");
    }

    fn run(&mut self, id: &str) {
        let run = NewRun {
            id: id.to_owned(),
            session: self.session.clone(),
            cause: Cause::Message,
            to_chat: true,
            runtime: "test".to_owned(),
            instance: "1".to_owned(),
            boot_id: "boot".to_owned(),
            pid: 1,
            started_at: now(),
        };
        self.store.begin_run(&run).expect("a run");
    }

    fn ack(&self, seq: i64, word: AckWord) -> AgentAck {
        AgentAck { id: format!("{seq}:{}", self.group), word }
    }

    fn says(&self, id: &str, in_reply_to: Option<i64>) -> Spoken {
        Spoken::Send(NewDelivery {
            id: None,
            source_id: id.to_owned(),
            source_seq: 1,
            in_reply_to: in_reply_to.map(|seq| format!("{seq}:{}", self.group)),
            chat: self.chat,
            channel: "terminal".to_owned(),
            thread: None,
            kind: DeliveryKind::Text,
            content: "{\"text\":\"hi\"}".to_owned(),
            not_before: None,
        })
    }

    fn look(&mut self, acks: &[AgentAck], rows: Vec<Spoken>) -> TakenIn {
        let run = "run-1".to_owned();
        let (session, group) = (self.session.clone(), self.group);
        let look = OutboundLook { session, group, run, acks: acks.to_vec(), rows, highest_seq: 1 };
        let taken = self.store.take_in(&look).expect("a look");
        let before = self.state();
        assert_eq!(self.store.take_in(&look).expect("the same look"), TakenIn::default(), "{look:?}");
        assert_eq!(self.state(), before);
        taken
    }

    /// Everything that a look may change but times of activity.
    fn state(&self) -> Vec<String> {
        [
            "SELECT id || '|' || source_id FROM deliveries ORDER BY id",
            "SELECT delivery_id || '|' || status FROM sends ORDER BY 1",
            "SELECT id || '|' || kind || '|' || trigger || '|' || source FROM session_inbox ORDER BY id",
            "SELECT id || ifnull(outcome, '') || ifnull(given_at, '') || ifnull(run_id, '') || ifnull(outcome_at, '') FROM routings",
        ]
        .iter()
        .flat_map(|sql| self.rows(sql))
        .collect()
    }

    /// `seq outcome answer` of every message, the answer by the agent's own id.
    fn outcomes(&self) -> Vec<String> {
        self.rows(
            "SELECT message_seq || ' ' || ifnull(outcome, 'open') || ' ' || ifnull(d.source_id, '-')
               FROM routings LEFT JOIN deliveries d ON d.id = answer_delivery_id ORDER BY message_seq",
        )
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        let conn = Connection::open(&self.path).expect("a second connection");
        let mut query = conn.prepare(sql).expect(sql);
        query.query_map([], |row| row.get(0)).expect(sql).collect::<Result<_, _>>().expect(sql)
    }

    fn sql(&self, sql: &str) {
        Connection::open(&self.path).expect("a second connection").execute_batch(sql).expect(sql);
    }

    #[track_caller]
    fn balances(&self) {
        let faults = self.store.ledger_check(Span::since(Timestamp(0))).expect("a ledger");
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[test]
fn what_is_sent_in_a_look_answers_what_ends_in_it_and_not_what_begins_in_it() {
    let mut house = House::with(2);
    let acks = [house.ack(1, AckWord::Done), house.ack(2, AckWord::Taken)];
    let taken = house.look(&acks, vec![house.says("a", None)]);
    assert_eq!((taken.deliveries, taken.ended, taken.router), (1, 1, true));
    assert!(taken.channels.contains("terminal") && taken.begun.contains("terminal"));
    assert_eq!(house.outcomes(), ["1 answered a", "2 open -"]);
    house.look(&[house.ack(2, AckWord::Done)], Vec::new());
    assert_eq!(house.outcomes(), ["1 answered a", "2 no_reply -"]);
    house.balances();
}

#[test]
fn one_answer_answers_all_that_were_taken_before_it() {
    let mut house = House::with(3);
    house.look(&[house.ack(1, AckWord::Taken)], Vec::new());
    house.look(&[house.ack(2, AckWord::Taken)], Vec::new());
    house.look(&[], vec![house.says("a", Some(1))]);
    let done = [1, 2, 3].map(|seq| house.ack(seq, AckWord::Done));
    house.look(&done, Vec::new());
    assert_eq!(house.outcomes(), ["1 answered a", "2 answered a", "3 no_reply -"]);
    house.balances();
}

#[test]
fn an_answer_after_the_last_batch_counts_from_where_the_work_began() {
    let mut house = House::with(1);
    house.look(&[house.ack(1, AckWord::Ending)], vec![house.says("a", None)]);
    assert_eq!(house.outcomes(), ["1 open -"]);
    house.look(&[house.ack(1, AckWord::Done)], vec![house.says("b", None)]);
    assert_eq!(house.outcomes(), ["1 answered a"]);
}

#[test]
fn the_row_that_names_a_message_is_its_answer() {
    let mut house = House::with(2);
    let acks = [house.ack(1, AckWord::Done), house.ack(2, AckWord::Done)];
    house.look(&acks, vec![house.says("a", Some(1)), house.says("b", Some(2))]);
    assert_eq!(house.outcomes(), ["1 answered a", "2 answered b"]);
}

#[test]
fn a_clock_that_goes_back_takes_no_answer_away() {
    let mut house = House::with(1);
    house.look(&[house.ack(1, AckWord::Taken)], Vec::new());
    house.sql("UPDATE routings SET given_at = given_at + 3600000");
    house.look(&[], vec![house.says("a", None)]);
    house.look(&[house.ack(1, AckWord::Done)], Vec::new());
    assert_eq!(house.outcomes(), ["1 answered a"]);
}

#[test]
fn a_failure_is_told_once_by_the_agent_or_else_by_us() {
    let mut house = House::with(2);
    house.look(&[house.ack(1, AckWord::Failed)], vec![house.says("sorry", None)]);
    house.look(&[house.ack(2, AckWord::Failed)], Vec::new());
    assert_eq!(house.outcomes(), ["1 failed -", "2 failed -"]);
    let told = "SELECT d.source_id FROM routings r JOIN deliveries d ON d.id = r.notice_delivery_id ORDER BY r.id";
    assert_eq!(house.rows(told), ["sorry", "gave-up:2"]);
    house.balances();
}

#[test]
fn the_next_run_takes_over_what_the_last_left_and_context_ends_in_nothing() {
    let mut house = House::with(1);
    house.look(&[house.ack(1, AckWord::Taken)], Vec::new());
    house.sql("UPDATE routings SET run_id = 'run-0', given_at = 5");
    house.look(&[house.ack(1, AckWord::Taken)], Vec::new());
    assert_eq!(house.rows("SELECT run_id || given_at FROM routings"), ["run-15"]);
    house.sql("UPDATE routings SET decision = 'context'");
    let taken = house.look(&[house.ack(1, AckWord::Done)], vec![house.says("a", Some(1))]);
    assert_eq!(taken.ended, 0);
    assert_eq!(house.outcomes(), ["1 open -"]);
    house.balances();
}

#[test]
fn a_refusal_is_told_once_and_wakes_only_so_often() {
    let mut house = House::with(1);
    house.look(&[house.ack(1, AckWord::Taken)], Vec::new());
    let refusal = |id: &str, told| Spoken::Refuse(Refusal { source_id: id.to_owned(), told });
    for n in 0..5 {
        let taken = house.look(&[], vec![refusal(&format!("r{n}"), Told::Notice("no".to_owned()))]);
        assert_eq!((taken.refusals, taken.router), (1, true));
    }
    let quiet = house.look(&[], vec![refusal("q", Told::Nothing), refusal("s", Told::Answer("{}".to_owned()))]);
    assert_eq!((quiet.refusals, quiet.router), (2, true));
    assert_eq!(
        house.rows("SELECT source || ' ' || kind || ' ' || trigger || ' ' || (placed_at IS NULL) FROM session_inbox ORDER BY source"),
        [
            "refused:q notice 0 0",
            "refused:r0 notice 1 1",
            "refused:r1 notice 1 1",
            "refused:r2 notice 1 1",
            "refused:r3 notice 0 1",
            "refused:r4 notice 0 1",
            "refused:s system 0 1",
        ]
    );
    for known in ["q", "r0", "s"] {
        assert!(house.store.knows_outbound_row(&house.session, known).expect("an answer"));
    }
    assert!(!house.store.knows_outbound_row(&house.session, "r").expect("an answer"));
}

#[test]
fn a_session_is_set_aside_once_and_renewed() {
    let mut house = House::with(1);
    assert!(house.store.set_session_aside(&house.session, "run-1", "it is noise").expect("a change"));
    assert!(!house.store.set_session_aside(&house.session, "run-1", "it is noise").expect("no change"));
    assert_eq!(house.rows("SELECT status FROM sessions"), ["set_aside"]);
    assert_eq!(house.rows("SELECT audience FROM notices"), ["chat"]);
    let told = "SELECT json_extract(content, '$.text') FROM session_inbox";
    assert!(house.rows(told)[0].contains("could not be read (it is noise)"));
    assert!(house.store.renew_session(&house.session).expect("a change"));
    assert!(!house.store.renew_session(&house.session).expect("no change"));
    house.balances();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever an agent says in whatever order: no message ends twice, and the account balances.
    #[test]
    fn any_looks_leave_a_ledger_that_balances(
        looks in prop::collection::vec((prop::collection::vec((1_i64..6, 0_u8..4), 0..4), prop::collection::vec((0_u8..9, 0_i64..6), 0..3)), 1..6)
    ) {
        let mut house = House::with(4);
        let mut ended: Vec<String> = Vec::new();
        for (acks, rows) in looks {
            let words = [AckWord::Taken, AckWord::Ending, AckWord::Done, AckWord::Failed];
            let acks: Vec<AgentAck> = acks.iter().map(|(seq, word)| house.ack(*seq, words[usize::from(*word)])).collect();
            let rows = rows.iter().map(|(id, reply)| house.says(&id.to_string(), Some(*reply).filter(|r| *r > 0))).collect();
            let (session, group) = (house.session.clone(), house.group);
            let look = OutboundLook { session, group, run: "run-1".to_owned(), acks, rows, highest_seq: 1 };
            house.store.take_in(&look).expect("a look");
            let now_ended: Vec<String> = house.outcomes().into_iter().filter(|o| !o.contains("open")).collect();
            for before in &ended {
                let upgraded = before.contains("no_reply");
                prop_assert!(upgraded || now_ended.contains(before), "{} of {:?}", before, now_ended);
            }
            ended = now_ended;
            let faults = house.store.ledger_check(Span::since(Timestamp(0))).expect("a ledger");
            prop_assert!(faults.is_empty(), "{:?}", faults);
        }
    }
}
