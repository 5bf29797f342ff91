//! Many sessions and few slots; a burst; an agent that never starts. The real programs, with the test as the channel.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use nc_config::Doorbell;
use nc_model::{ChatId, FolderName, RoutingOutcome, Seq, Timestamp, UnknownSenderPolicy};
use nc_store::{Judgement, NewChat, NewGroup, NewMessage, NewWiring, Run, Settlement, Span, Store, now};
use nc_testkit::{PATIENCE, Toolkit, wait_for, wait_until};

/// How many runs may live at once, by default.
const SLOTS: usize = 5;

/// A house that is up, and its store as a channel sees it.
struct House {
    kit: Toolkit,
    store: Store,
    events: u32,
}

impl House {
    fn new(settings: &[&str]) -> Self {
        let mut kit = Toolkit::new();
        kit.set("provider=echo");
        for setting in settings {
            kit.set(setting);
        }
        let store = kit.store();
        Self { kit, store, events: 0 }
    }

    /// A group of its own for a chat of its own, driven by this model of the echo's.
    fn chat(&mut self, name: &str, model: &str) -> ChatId {
        let chat = NewChat { channel: "test", platform_id: name, name: None, is_group: false };
        let chat = self.store.ensure_chat(&chat).expect("a chat");
        self.store.set_unknown_sender_policy(chat, UnknownSenderPolicy::Public).expect("a policy");
        let mut group = NewGroup::new(name, FolderName::parse(name).expect("a folder name"));
        group.model = Some(model.to_owned());
        let group = self.store.create_group(&group).expect("a group").id;
        self.store.wire(&NewWiring::new(chat, group), None).expect("a wiring");
        chat
    }

    fn message(&mut self, chat: ChatId, text: &str) -> NewMessage {
        self.events += 1;
        NewMessage::new(chat, format!("e{}", self.events), text)
    }

    fn say(&mut self, messages: &[NewMessage]) -> Vec<Seq> {
        let recorded = self.store.record_batch(messages).expect("messages are stored");
        self.ring();
        recorded.into_iter().map(nc_store::Recorded::seq).collect()
    }

    fn say_one(&mut self, chat: ChatId, text: &str) -> Seq {
        let message = self.message(chat, text);
        self.say(&[message])[0]
    }

    fn ring(&self) {
        nc_daemon::ring(&self.kit.installation().doorbell(Doorbell::Router));
    }

    fn outcome(&self, seq: Seq) -> Option<RoutingOutcome> {
        self.store.fate(seq).expect("a fate").agents.first().and_then(|agent| agent.outcome)
    }

    fn wait_answered(&self, seqs: &[Seq], patience: Duration) {
        let all = || seqs.iter().all(|seq| self.outcome(*seq) == Some(RoutingOutcome::Answered)).then_some(());
        assert!(wait_for(patience, all).is_some(), "not all are answered:\n{}", self.kit.log());
    }

    fn session_of(&self, seq: Seq) -> String {
        let session = || self.store.fate(seq).expect("a fate").agents.into_iter().find_map(|agent| agent.session_id);
        wait_for(PATIENCE, session).expect("the message has a session")
    }

    fn runs(&self) -> Vec<Run> {
        self.store.recent_runs(Timestamp(i64::MAX), 1000).expect("the runs")
    }

    fn said(&self, chat: ChatId) -> Vec<String> {
        let said = self.store.deliveries_of_chat(chat, Timestamp(0)).expect("what was said");
        said.into_iter().map(|(delivery, _)| delivery.content).collect()
    }

    fn balances(&self) {
        assert_eq!(self.store.ledger_check(Span::ALL).expect("the ledger"), []);
    }

    /// Lets the time pass for which a session's work waits.
    fn let_time_pass(&mut self, session: &str) {
        let undone = self.store.undone(session).expect("what is undone");
        let due = |attempts| Judgement::Again { attempts, at: Timestamp(1) };
        let work = undone.work.iter().map(|work| (work.routing, due(work.attempts))).collect();
        let (session, words) = (session.to_owned(), String::new());
        let settlement = Settlement { session, run: None, work, inbox: Vec::new(), words, at: now() };
        self.store.settle(&settlement).expect("the times are moved");
        self.ring();
    }
}

/// The most runs that lived at one moment.
fn most_at_once(runs: &[Run]) -> usize {
    let lives = |run: &Run, at: Timestamp| run.started_at <= at && run.ended_at.is_none_or(|end| end > at);
    runs.iter().map(|run| runs.iter().filter(|other| lives(other, run.started_at)).count()).max().unwrap_or(0)
}

#[test]
fn twenty_sessions_share_five_slots_in_the_order_in_which_they_came() {
    let mut house = House::new(&["log_level=debug"]);
    // Some agents take their time and some do not, in no order.
    let chats: Vec<ChatId> =
        (0..20).map(|n| house.chat(&format!("g{n}"), &format!("delay={}ms", 20 + n * 7 % 20 * 15))).collect();
    house.kit.up();
    let messages: Vec<NewMessage> = chats.iter().map(|chat| house.message(*chat, "hello")).collect();
    let seqs = house.say(&messages);
    house.wait_answered(&seqs, PATIENCE * 2);
    let came: Vec<String> = seqs.iter().map(|seq| house.session_of(*seq)).collect();
    let log = house.kit.log();
    let asked = log.lines().filter(|line| line.contains("asks for a run"));
    let asked: Vec<&String> = asked.map(|line| came.iter().find(|id| line.contains(*id)).expect("a session")).collect();
    assert_eq!(asked, came.iter().collect::<Vec<_>>());
    let runs = house.runs();
    assert_eq!(runs.len(), 20);
    assert_eq!(most_at_once(&runs), SLOTS);
    // All but the last ones would sit there for half an hour, and were asked to leave.
    assert_eq!(runs.iter().filter(|run| run.leave_at.is_some()).count(), 15);
    house.balances();
}

#[test]
fn a_burst_into_one_session_is_answered_oldest_first_and_whole() {
    let mut house = House::new(&[]);
    let chat = house.chat("burst", "delay=30ms");
    let other = house.chat("other", "");
    house.kit.up();
    let messages: Vec<NewMessage> = (0..100).map(|n| house.message(chat, &format!("message {n}."))).collect();
    let first = house.say(&messages[..50]);
    let elsewhere = house.say_one(other, "and I?");
    let second = house.say(&messages[50..]);
    house.wait_answered(&[first, vec![elsewhere], second].concat(), PATIENCE * 2);
    let said = house.said(chat).concat();
    let places: Vec<usize> = (0..100)
        .map(|n| {
            let answer = format!("You said: message {n}.");
            let mut found = said.match_indices(&answer).map(|(at, _)| at);
            let place = found.next().unwrap_or_else(|| panic!("message {n} has no answer: {said}"));
            assert_eq!(found.next(), None, "message {n} is answered twice");
            place
        })
        .collect();
    assert!(places.is_sorted(), "{said}");
    house.balances();
}

#[test]
fn an_agent_that_never_starts_is_given_up_after_five_more_tries_and_harms_nobody() {
    let mut house = House::new(&[]);
    let (broken, well) = (house.chat("broken", "no-such-model"), house.chat("well", ""));
    house.kit.up();
    let seq = house.say_one(broken, "hello?");
    let session = house.session_of(seq);
    let runs_of = |house: &House| house.runs().iter().filter(|run| run.session == session).count();
    let mut delays = Vec::new();
    for tries in 1..=6 {
        let judged = || {
            let open = house.store.undone(&session).expect("undone").work;
            open.first().map_or(house.outcome(seq).is_some(), |work| work.attempts == tries)
        };
        wait_until(PATIENCE, &format!("try {tries} has failed"), judged);
        assert_eq!(runs_of(&house), usize::try_from(tries).expect("a small number"));
        if let Some(work) = house.store.undone(&session).expect("undone").work.first() {
            let run = house.store.last_run(&session).expect("a run").expect("the last");
            let waits = work.next_attempt_at.expect("a time").ms_since(run.ended_at.expect("an end"));
            delays.push((waits + 500) / 1000);
        }
        house.let_time_pass(&session);
    }
    assert_eq!(delays, [5, 10, 20, 40, 80]);
    assert_eq!(house.outcome(seq), Some(RoutingOutcome::Failed));
    // Whoever writes elsewhere is answered, and nothing more happens here.
    let elsewhere = house.say_one(well, "hello");
    house.wait_answered(&[elsewhere], PATIENCE);
    assert_eq!(runs_of(&house), 6);
    let told = house.said(broken);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("5 more tries did not help"), "{told:?}");
    house.say_one(broken, "and now?");
    wait_until(PATIENCE, "the next message is tried", || runs_of(&house) == 7);
    house.balances();
}
