//! The router is killed again and again in the middle of its work: nothing is lost, nothing is done twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use nc_model::{RoutingOutcome, RunOutcome};
use nc_store::{Span, now};
use nc_testkit::{PATIENCE, Signal, wait_until};

use crate::house::{House, Router};
use crate::runner::{Asked, Runner};

/// How many messages are written, in how many chats, and how often the router is killed meanwhile.
const MESSAGES: usize = 240;
const CHATS: usize = 6;
const KILLS: u32 = 40;

/// Answers everything that is asked for, each message by itself, and counts the answers to each.
fn serve(runner: &Runner, stop: &AtomicBool) -> BTreeMap<String, u32> {
    let (count, counted) = channel();
    thread::scope(|scope| {
        while !stop.load(Ordering::SeqCst) {
            let Some(asked) = runner.another() else {
                thread::yield_now();
                continue;
            };
            let count = count.clone();
            scope.spawn(move || run(asked, |id| count.send(id).expect("it is counted"), stop));
        }
        drop(count);
    });
    let mut answers = BTreeMap::new();
    for id in counted {
        *answers.entry(id).or_insert(0) += 1;
    }
    answers
}

/// One run: it leaves when it has found nothing for a while.
fn run(asked: Asked, answered: impl Fn(String), stop: &AtomicBool) {
    let Some(mut run) = asked.try_begin() else { return };
    let mut quiet = 0;
    while quiet < 20 && !stop.load(Ordering::SeqCst) {
        let pending = run.pending();
        quiet = if pending.is_empty() { quiet + 1 } else { 0 };
        for id in pending {
            run.answer(std::slice::from_ref(&id), &format!("to {id}"));
            answered(id);
        }
        thread::yield_now();
    }
    run.end(RunOutcome::Completed);
}

/// A number that is another each time.
fn at_random(below: u32) -> u32 {
    u32::try_from(now().0.rem_euclid(1_000_003)).expect("a small number").wrapping_mul(2_654_435_761) % below
}

#[test]
fn every_message_is_answered_once_however_often_the_router_is_killed() {
    let mut house = House::new();
    let chats: Vec<_> = (0..CHATS).map(|n| house.group(&format!("g{n}"), false, |_| {}).0).collect();
    let runner = house.runner();
    let stop = AtomicBool::new(false);
    let (seqs, answers) = thread::scope(|scope| {
        let agents = scope.spawn({
            let stop = &stop;
            move || serve(&runner, stop)
        });
        let mut router = Router::start(&house, "notify");
        let mut seqs = Vec::new();
        let mut kills = 0;
        for n in 0..MESSAGES {
            seqs.push(house.say(chats[n % CHATS], &format!("message {n}")));
            let due = u32::try_from(n + 1).expect("a small number") * KILLS / u32::try_from(MESSAGES).expect("too");
            if kills < due {
                for _ in 0..at_random(40_000) {
                    thread::yield_now();
                }
                assert!(!router.stop(Signal::SIGKILL).success());
                router = Router::start(&house, "notify");
                kills += 1;
            }
        }
        let ended = || seqs.iter().all(|seq| house.fate(*seq).is_ended());
        wait_until(PATIENCE * 3, "all are answered", ended);
        stop.store(true, Ordering::SeqCst);
        (seqs, agents.join().expect("the agents"))
    });
    for seq in &seqs {
        let fate = house.fate(*seq);
        assert_eq!(fate.agents.len(), 1, "message {seq}: {fate:?}");
        assert_eq!(fate.agents[0].outcome, Some(RoutingOutcome::Answered), "message {seq}: {fate:?}");
    }
    assert_eq!(house.store.ledger_check(Span::ALL).expect("the ledger"), []);
    assert_eq!(answers.len(), MESSAGES);
    assert!(answers.values().all(|count| *count == 1), "{answers:?}");
}
