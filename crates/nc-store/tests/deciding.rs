//! Decisions are made once, the queue of runs is in order, a run is judged once, and people are told once.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use nc_model::{Cause, ChatId, Decision, FolderName, GroupId, RoutingOutcome, RunOutcome, Seq, Timestamp};
use nc_store::{
    Begun, Decided, Judgement, Left, NewChat, NewGroup, NewMainGroup, NewMessage, NewNotice, NewRun, RunEnd,
    Settlement, Store, Stranger, Taken, new_id, now,
};
use tempfile::TempDir;

struct House {
    _dir: TempDir,
    store: Store,
    owner: ChatId,
    main: GroupId,
    events: u32,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&dir.path().join("messages.db")).expect("a store");
        let chat = NewChat { channel: "terminal", platform_id: "ana", name: None, is_group: false };
        let group = NewGroup::new("Main", FolderName::parse("main").expect("a name"));
        let new = NewMainGroup { group, owner: "terminal:ana", owner_name: None, chat };
        let made = store.create_main_group(&new).expect("a main group");
        Self { _dir: dir, store, owner: made.chat, main: made.group.id, events: 0 }
    }

    fn chat(&mut self, name: &str) -> ChatId {
        let chat = NewChat { channel: "test", platform_id: name, name: None, is_group: false };
        self.store.ensure_chat(&chat).expect("a chat")
    }

    fn decided(&mut self, chat: ChatId, decision: Decision) -> Decided {
        self.events += 1;
        let message = NewMessage::new(chat, self.events.to_string(), "x");
        let seq = self.store.record(&message).expect("a message").seq();
        let taken = match decision {
            Decision::Work => Some(Taken::work(self.main, "main", chat)),
            Decision::Context => Some(Taken::context(self.main, "main", chat)),
            _ => None,
        };
        let left = Left { decision, rule: "rule".to_owned() };
        Decided::new(seq, chat, taken.into_iter().collect(), left)
    }

    /// A message that is decided as work and placed; its session.
    fn work(&mut self, chat: ChatId) -> (Seq, String) {
        let decided = self.decided(chat, Decision::Work);
        self.store.decide(std::slice::from_ref(&decided)).expect("decided");
        let session = self.store.fate(decided.seq).expect("a fate").agents[0].session_id.clone().expect("a session");
        let rows = self.store.messages_to_place(&session, 100).expect("rows");
        let ids: Vec<_> = rows.iter().map(|row| row.routing).collect();
        self.store.placed(&ids, &[]).expect("placed");
        (decided.seq, session)
    }

    fn queue(&self) -> Vec<String> {
        self.store.run_queue(now()).expect("a queue").due.into_iter().map(|waiting| waiting.session).collect()
    }

    /// A run that has ended and was collected.
    fn ended_run(&mut self, session: &str) -> String {
        let run = NewRun {
            id: new_id(),
            session: session.to_owned(),
            cause: Cause::Message,
            to_chat: true,
            runtime: "test".to_owned(),
            instance: "1".to_owned(),
            boot_id: "boot".to_owned(),
            pid: 1,
            started_at: now(),
        };
        assert_eq!(self.store.begin_run(&run).expect("a run"), Begun::Started);
        assert_eq!(self.queue(), Vec::<String>::new(), "a live run keeps its session out of the queue");
        let (outcome, exit_detail) = (RunOutcome::Failed, "1".to_owned());
        let end = RunEnd { ended_at: now(), outcome, error: None, exit_detail, cpu_ms: None, peak_rss: None };
        self.store.end_run(&run.id, &end).expect("its end");
        assert!(self.store.runs_to_judge().expect("runs").is_empty(), "it is judged only when it was collected");
        self.store.collect_run(&run.id, now()).expect("the last look");
        run.id
    }

    fn settlement(&self, session: &str, run: Option<&str>, judgement: &Judgement) -> Settlement {
        let undone = self.store.undone(session).expect("undone");
        Settlement {
            session: session.to_owned(),
            run: run.map(str::to_owned),
            work: undone.work.iter().map(|work| (work.routing, judgement.clone())).collect(),
            inbox: Vec::new(),
            words: "I could not answer".to_owned(),
            at: now(),
        }
    }

    fn waiting_sends(&mut self, channel: &str) -> usize {
        self.store.lease_sends(channel, None, now(), now().plus_ms(1), 100).expect("sends").len()
    }
}

#[test]
fn a_message_is_decided_once_and_its_session_made_once() {
    let mut house = House::new();
    let batch = [house.decided(house.owner, Decision::Work), house.decided(house.owner, Decision::Context)];
    assert_eq!(house.store.unrouted(100).expect("messages").len(), 2);
    assert_eq!(house.store.decide(&batch).expect("decided").made.len(), 1);
    assert_eq!(house.store.unrouted(100).expect("messages").len(), 0);
    assert_eq!(house.store.decide(&batch).expect("decided again").made.len(), 0);
    for decided in &batch {
        assert_eq!(house.store.fate(decided.seq).expect("a fate").agents.len(), 1);
    }
    assert_eq!(house.store.count_sessions().expect("a count"), 1);
}

#[test]
fn long_texts_make_short_batches() {
    let mut house = House::new();
    for _ in 0..4 {
        house.events += 1;
        let message = NewMessage::new(house.owner, house.events.to_string(), "x".repeat(900_000));
        house.store.record(&message).expect("a message");
    }
    assert_eq!(house.store.unrouted(100).expect("messages").len(), 3);
    assert_eq!(house.store.unrouted(2).expect("messages").len(), 2);
}

#[test]
fn the_queue_is_in_the_order_of_waiting_and_leaves_out_what_is_not_due() {
    let mut house = House::new();
    let (later_chat, first_chat) = (house.chat("b"), house.chat("a"));
    let (_, first) = house.work(first_chat);
    // The clock must have moved on for the second to wait for a shorter time.
    let begun = now();
    while now() == begun {
        std::hint::spin_loop();
    }
    let (_, later) = house.work(later_chat);
    assert_eq!(house.queue(), [first.clone(), later.clone()]);
    let at = now().plus_ms(60_000);
    let put_off = house.settlement(&first, None, &Judgement::Again { attempts: 1, at });
    house.store.settle(&put_off).expect("settled");
    assert_eq!(house.queue(), [later]);
    assert_eq!(house.store.run_queue(now()).expect("a queue").next, Some(at));
    // A new message does not wait for the old one's time.
    house.work(first_chat);
    assert!(house.queue().contains(&first));
}

#[test]
fn what_is_not_placed_is_in_no_queue() {
    let mut house = House::new();
    let decided = house.decided(house.owner, Decision::Work);
    house.store.decide(&[decided]).expect("decided");
    assert_eq!(house.queue(), Vec::<String>::new());
    assert_eq!(house.store.sessions_to_place().expect("sessions").len(), 1);
}

#[test]
fn a_run_is_judged_once_and_each_chat_is_told_once() {
    let mut house = House::new();
    let (first, session) = house.work(house.owner);
    let (second, _) = house.work(house.owner);
    let run = house.ended_run(&session);
    let failed = house.settlement(&session, Some(&run), &Judgement::Failed);
    let settled = house.store.settle(&failed).expect("settled");
    assert_eq!((settled.failed, settled.channels), (2, vec!["terminal".to_owned()]));
    assert_eq!(house.store.settle(&failed).expect("settled again").failed, 0);
    assert!(house.store.runs_to_judge().expect("runs").is_empty());
    let notices: Vec<_> = [first, second]
        .iter()
        .map(|seq| house.store.fate(*seq).expect("a fate").agents[0].clone())
        .map(|agent| (agent.outcome, agent.notice_delivery_id))
        .collect();
    assert_eq!(notices[0].0, Some(RoutingOutcome::Failed));
    assert!(notices[0].1.is_some() && notices[0] == notices[1], "{notices:?}");
    assert_eq!(house.waiting_sends("terminal"), 1);
}

#[test]
fn trying_again_forgets_who_had_taken_it() {
    let mut house = House::new();
    let (seq, session) = house.work(house.owner);
    let run = house.ended_run(&session);
    let again = house.settlement(&session, Some(&run), &Judgement::Again { attempts: 1, at: Timestamp(1) });
    house.store.settle(&again).expect("settled");
    let work = &house.store.undone(&session).expect("undone").work[0];
    assert_eq!((work.attempts, &work.run, work.next_attempt_at), (1, &None, Some(Timestamp(1))));
    assert_eq!(house.store.fate(seq).expect("a fate").agents[0].given_at, None);
    assert_eq!(house.queue(), [session]);
}

#[test]
fn a_notice_is_open_until_it_is_told_and_said_once_meanwhile() {
    let mut house = House::new();
    let chat = house.chat("a");
    let notice = |chat| NewNotice { chat, unit: "t".to_owned(), text: "x".to_owned(), cause: "c".to_owned() };
    assert!(house.store.say_notice(&notice(None)).expect("said"));
    assert!(!house.store.say_notice(&notice(None)).expect("said again"));
    assert!(house.store.say_notice(&notice(Some(chat))).expect("said elsewhere"));
    let open = house.store.open_notices().expect("notices");
    assert_eq!(open.iter().map(|n| n.chat).collect::<Vec<_>>(), [Some(chat), None], "those of a chat come first");
    for notice in &open {
        let chats = house.store.notice_chats(notice).expect("chats");
        assert_eq!(chats.len(), 1);
        house.store.tell_notice(notice, &chats).expect("told");
        house.store.tell_notice(notice, &chats).expect("told again");
    }
    assert!(house.store.open_notices().expect("notices").is_empty());
    assert_eq!((house.waiting_sends("terminal"), house.waiting_sends("test")), (1, 1));
    assert!(house.store.say_notice(&notice(None)).expect("said when it is over"));
}

#[test]
fn who_is_turned_away_again_and_again_is_one_row() {
    let mut house = House::new();
    for name in [None, Some("Bob"), None] {
        let mut decided = house.decided(house.owner, Decision::Dropped);
        decided.stranger = Some(Stranger {
            channel: "terminal".to_owned(),
            platform_id: "ana".to_owned(),
            user: Some("terminal:bob".to_owned()),
            name: name.map(str::to_owned),
            reason: "rule".to_owned(),
        });
        house.store.decide(&[decided]).expect("decided");
    }
    let raw = rusqlite::Connection::open(house.store.path()).expect("the file");
    let row = raw.query_row("SELECT count, sender_name, reason FROM dropped_senders", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    });
    assert_eq!(row.expect("one row"), (3, "Bob".to_owned(), "rule".to_owned()));
}
