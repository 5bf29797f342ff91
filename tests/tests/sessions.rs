//! Sessions by chat, thread and agent, and the commands of people: the real programs, with the test as the channel.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use nc_config::Doorbell;
use nc_model::{ChatId, FolderName, GroupId, Role, Seq, SessionMode, Timestamp, UnknownSenderPolicy};
use nc_store::{NewChat, NewGroup, NewMessage, NewWiring, Span, Store};
use nc_testkit::{PATIENCE, Toolkit, wait_for, wait_until};

struct House {
    kit: Toolkit,
    store: Store,
    group: GroupId,
    mode: SessionMode,
    events: u32,
}

impl House {
    /// A group whose wirings all have this mode, and Ana, who owns the installation.
    fn new(mode: SessionMode) -> Self {
        let mut kit = Toolkit::new();
        kit.set("provider=echo");
        let mut store = kit.store();
        let folder = FolderName::parse("family").expect("a folder name");
        let group = store.create_group(&NewGroup::new("Family", folder)).expect("a group").id;
        store.upsert_user("test:ana", Some("Ana")).expect("a user");
        store.grant_role("test:ana", Role::Owner, None, None).expect("a role");
        kit.up();
        Self { kit, store, group, mode, events: 0 }
    }

    fn chat(&mut self, name: &str) -> ChatId {
        let chat = NewChat { channel: "test", platform_id: name, name: Some(name), is_group: false };
        let chat = self.store.ensure_chat(&chat).expect("a chat");
        self.store.set_unknown_sender_policy(chat, UnknownSenderPolicy::Strict).expect("a policy");
        let mut wiring = NewWiring::new(chat, self.group);
        wiring.session_mode = self.mode;
        self.store.wire(&wiring, None).expect("a wiring");
        chat
    }

    fn say(&mut self, chat: ChatId, thread: Option<&str>, text: &str) -> Seq {
        self.events += 1;
        let mut message = NewMessage::new(chat, format!("e{}", self.events), text);
        message.sender_id = Some("test:ana".to_owned());
        message.thread_id = thread.map(str::to_owned);
        let seq = self.store.record(&message).expect("a message is stored").seq();
        nc_daemon::ring(&self.kit.installation().doorbell(Doorbell::Router));
        seq
    }

    /// What was sent to a chat, with its thread, when everything that was said has ended.
    fn heard(&self, chat: ChatId, said: &[Seq]) -> Vec<(Option<String>, String)> {
        let ended = || said.iter().all(|seq| self.store.fate(*seq).is_ok_and(|fate| fate.is_ended())).then_some(());
        assert!(wait_for(PATIENCE, ended).is_some(), "not all has ended:\n{}", self.kit.log());
        let sent = self.store.deliveries_of_chat(chat, Timestamp(0)).expect("what was said");
        sent.into_iter().map(|(delivery, _)| (delivery.thread_id, delivery.content)).collect()
    }

    fn session_of(&self, seq: Seq) -> Option<String> {
        self.store.fate(seq).expect("a fate").agents.into_iter().find_map(|agent| agent.session_id)
    }
}

fn texts(heard: &[(Option<String>, String)]) -> String {
    heard.iter().map(|(_, text)| text.as_str()).collect()
}

#[test]
fn one_session_for_all_chats_answers_each_where_it_was_asked() {
    let mut house = House::new(SessionMode::AgentShared);
    let (mum, dad) = (house.chat("mum"), house.chat("dad"));
    let said = [house.say(mum, None, "I am mum"), house.say(dad, None, "I am dad"), house.say(mum, None, "mum again")];
    let (to_mum, to_dad) = (texts(&house.heard(mum, &said)), texts(&house.heard(dad, &said)));
    assert!(to_mum.contains("I am mum") && to_mum.contains("mum again") && !to_mum.contains("dad"), "{to_mum}");
    assert!(to_dad.contains("I am dad") && !to_dad.contains("mum"), "{to_dad}");
    assert_eq!(house.store.count_sessions().expect("a count"), 1);
    assert_eq!(house.store.ledger_check(Span::ALL).expect("the ledger"), []);
}

#[test]
fn a_session_for_each_thread_answers_in_its_thread() {
    let mut house = House::new(SessionMode::PerThread);
    let chat = house.chat("channel");
    let said = [
        house.say(chat, Some("1"), "in the first"),
        house.say(chat, Some("2"), "in the second"),
        house.say(chat, None, "outside"),
    ];
    let heard = house.heard(chat, &said);
    for (thread, text) in [(Some("1"), "in the first"), (Some("2"), "in the second"), (None, "outside")] {
        let there: Vec<_> = heard.iter().filter(|(of, _)| of.as_deref() == thread).collect();
        assert_eq!(there.len(), 1, "{heard:?}");
        assert!(there[0].1.contains(text), "{heard:?}");
    }
    assert_eq!(house.store.count_sessions().expect("a count"), 3);
}

#[test]
fn clearing_begins_a_new_session_and_lets_the_agent_of_the_old_one_go() {
    let mut house = House::new(SessionMode::Shared);
    let chat = house.chat("ana");
    let before = house.say(chat, None, "before");
    house.heard(chat, &[before]);
    let old = house.session_of(before).expect("a session");
    assert!(house.store.live_run(&old).expect("a run").is_some());
    let clear = house.say(chat, None, "/clear");
    let heard = texts(&house.heard(chat, &[clear]));
    assert!(heard.contains("Session cleared."), "{heard}");
    wait_until(PATIENCE, "the agent has left", || house.store.live_run(&old).expect("a run").is_none());
    let after = house.say(chat, None, "after");
    assert!(texts(&house.heard(chat, &[after])).contains("You said: after"));
    assert_ne!(house.session_of(after), Some(old));
    let cost = house.say(chat, None, "/cost");
    let heard = texts(&house.heard(chat, &[cost]));
    assert!(heard.contains("This session, as counted by the host: runs 1"), "{heard}");
    assert_eq!(house.session_of(cost), None);
    assert_eq!(house.store.ledger_check(Span::ALL).expect("the ledger"), []);
}
