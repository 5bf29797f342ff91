//! The account balances whatever happens.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use std::collections::BTreeMap;

use house::House;
use nc_model::{Decision, GroupId, SendStatus, Seq};
use nc_store::{Count, MessageState, NewMessage, Span, Store, new_id};
use proptest::prelude::*;
use rusqlite::params;

fn by_state(counts: &[Count<MessageState>]) -> BTreeMap<MessageState, u64> {
    let mut sums = BTreeMap::new();
    for count in counts {
        *sums.entry(count.state).or_default() += count.count;
    }
    sums
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
    /// Answers and notices that came with an end.
    said: u64,
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
        self.said += u64::from(state != MessageState::NoReply);
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
        assert_eq!(sends.created, self.deliveries.len() as u64 + self.said);
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
