//! No message is lost or decided twice, by any order of wirings, edits and restarts.

use std::collections::BTreeMap;

use nc_model::{MessageKind, SessionStatus};
use nc_store::Span;
use proptest::prelude::*;

use super::*;

/// What may happen to a house.
#[derive(Clone, Debug)]
enum Step {
    Wire { chat: usize, group: usize, settings: [usize; 4] },
    Unwire { chat: usize, group: usize },
    Policy { chat: usize, policy: UnknownSenderPolicy },
    Member { group: usize, is: bool },
    Say { chat: usize, text: &'static str, mention: bool, thread: bool, stranger: bool },
    Change { chat: usize, kind: MessageKind },
    Again(usize),
    Route(u32),
    Clear(usize),
    Restart,
}

const CHATS: usize = 3;
const GROUPS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let (chat, group) = (|| 0..CHATS, || 0..GROUPS);
    let text = proptest::sample::select(vec!["hi", "@andy hi", "deploy", "", "/clear", "/help", "/cost now"]);
    let kind = proptest::sample::select(vec![MessageKind::Edit, MessageKind::Delete, MessageKind::Reaction]);
    prop_oneof![
        3 => (chat(), group(), any::<[usize; 4]>()).prop_map(|(chat, group, settings)| Step::Wire { chat, group, settings }),
        1 => (chat(), group()).prop_map(|(chat, group)| Step::Unwire { chat, group }),
        1 => (chat(), proptest::sample::select(UnknownSenderPolicy::ALL))
            .prop_map(|(chat, policy)| Step::Policy { chat, policy }),
        1 => (group(), any::<bool>()).prop_map(|(group, is)| Step::Member { group, is }),
        8 => (chat(), text, any::<[bool; 3]>()).prop_map(|(chat, text, [mention, thread, stranger])| {
            Step::Say { chat, text, mention, thread, stranger }
        }),
        2 => (chat(), kind).prop_map(|(chat, kind)| Step::Change { chat, kind }),
        1 => any::<usize>().prop_map(Step::Again),
        5 => (1..5_u32).prop_map(Step::Route),
        1 => any::<usize>().prop_map(Step::Clear),
        1 => Just(Step::Restart),
    ]
}

/// A house, and what was decided on each message when it was first seen to be decided.
struct Orders {
    house: House,
    chats: Vec<ChatId>,
    groups: Vec<GroupId>,
    said: Vec<NewMessage>,
    seen: BTreeMap<Seq, Vec<String>>,
}

impl Orders {
    fn new() -> Self {
        let mut house = House::new(&["provider=echo"]);
        let chats = (0..CHATS).map(|n| house.chat(&format!("c{n}"), n > 0, Public)).collect();
        let groups = (0..GROUPS).map(|n| house.group(&format!("g{n}"))).collect();
        Self { house, chats, groups, said: Vec::new(), seen: BTreeMap::new() }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Wire { chat, group, settings } => self.wire(chat, group, settings),
            Step::Unwire { chat, group } => {
                self.house.store.unwire(self.chats[chat], self.groups[group]).unwrap();
            }
            Step::Policy { chat, policy } => {
                self.house.store.set_unknown_sender_policy(self.chats[chat], policy).unwrap();
            }
            Step::Member { group, is } => self.member(group, is),
            Step::Say { chat, text, mention, thread, stranger } => {
                let mut message = self.house.message(self.chats[chat], text);
                message.is_mention = mention;
                message.thread_id = thread.then(|| "t".to_owned());
                message.sender_id = Some(if stranger { "slack:U1" } else { "terminal:ana" }.to_owned());
                self.record(message);
            }
            Step::Change { chat, kind } => {
                let mut message = self.house.message(self.chats[chat], "changed");
                message.kind = kind;
                self.record(message);
            }
            Step::Again(which) => {
                let count = self.said.len().max(1);
                if let Some(message) = self.said.get(which % count) {
                    assert!(matches!(self.house.store.record(message).unwrap(), nc_store::Recorded::Known(_)));
                }
            }
            Step::Route(limit) => {
                self.house.route(limit);
            }
            Step::Clear(which) => self.clear(which),
            Step::Restart => self.house.restart(),
        }
    }

    fn wire(&mut self, chat: usize, group: usize, settings: [usize; 4]) {
        let mut wiring = NewWiring::new(self.chats[chat], self.groups[group]);
        wiring.engage_mode = EngageMode::ALL[settings[0] % EngageMode::ALL.len()];
        wiring.session_mode = SessionMode::ALL[settings[1] % SessionMode::ALL.len()];
        wiring.sender_scope = SenderScope::ALL[settings[2] % SenderScope::ALL.len()];
        wiring.ignored_message_policy = IgnoredMessagePolicy::ALL[settings[3] % IgnoredMessagePolicy::ALL.len()];
        wiring.engage_pattern = settings[0].is_multiple_of(2).then(|| "deploy|^/".to_owned());
        wiring.priority = i64::try_from(settings[3] % 7).unwrap();
        match self.house.store.wire(&wiring, None) {
            Ok(_) | Err(StoreError::AlreadyWired { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn member(&mut self, group: usize, is: bool) {
        let (user, group) = ("terminal:ana", self.groups[group]);
        if is {
            self.house.store.add_member(user, group, None).unwrap();
        } else {
            self.house.store.remove_member(user, group).unwrap();
        }
    }

    fn record(&mut self, message: NewMessage) {
        self.house.store.record(&message).unwrap();
        self.said.push(message);
    }

    /// Somebody closes a session by hand.
    fn clear(&mut self, which: usize) {
        let sessions: Vec<String> = self.house.store.sessions_to_place().unwrap();
        let count = sessions.len().max(1);
        if let Some(session) = sessions.get(which % count) {
            self.house.store.close_session(session).unwrap();
            let status = self.house.store.session(session).unwrap().unwrap().status;
            assert_eq!(status, SessionStatus::Closed);
        }
    }

    /// What was decided stays, and the account balances.
    fn check(&mut self) {
        for seq in 1..=i64::try_from(self.said.len()).unwrap() {
            let decided = self.house.decided(Seq(seq));
            if !decided.is_empty() {
                let first = self.seen.entry(Seq(seq)).or_insert_with(|| decided.clone());
                assert_eq!(*first, decided, "message {seq} was decided twice");
            }
        }
        assert_eq!(self.house.store.ledger_check(Span::ALL).unwrap(), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_message_is_decided_once_whatever_happens(steps in proptest::collection::vec(step(), 1..60)) {
        let mut orders = Orders::new();
        for step in &steps {
            orders.apply(step);
            orders.check();
        }
        orders.house.restart();
        while orders.house.route(100) > 0 {}
        orders.check();
        prop_assert_eq!(orders.seen.len(), orders.said.len(), "a message is lost");
        let account = orders.house.store.ledger(Span::ALL).unwrap().messages;
        prop_assert_eq!(account.accepted, account.ended + account.open);
    }
}
