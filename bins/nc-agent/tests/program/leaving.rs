//! How the real program ends, in order and not, and what the next one finds.

use std::time::{Duration, Instant};

use nc_wire::mailbox::AckStatus;
use nc_wire::start::{StartLimits, StartObject};
use nix::sys::signal::Signal;

use crate::session::{Session, start_object};

#[test]
fn killed_in_mid_turn_the_message_is_answered_once_by_the_next() {
    let session = Session::new();
    session.say("1", "hello");
    let mut killed = session.start("delay=1h");
    session.until(|seen| seen.has(AckStatus::Processing));
    killed.signal(Signal::SIGKILL);
    assert!(!killed.ended().success());
    let _next = session.start("");
    let seen = session.until_completed(&["1"]);
    assert_eq!(seen.out.len(), 1);
}

#[test]
fn killed_at_any_moment_every_message_is_answered_once() {
    let session = Session::new();
    let ids: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    for (n, id) in ids.iter().enumerate() {
        session.say(id, &format!("message {id}."));
        let agent = session.start("");
        // Killed a little later each time: before it reads, while it works, after it answered.
        let until = Instant::now() + Duration::from_micros(300 * n as u64);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        agent.signal(Signal::SIGKILL);
    }
    let _last = session.start("");
    let seen = session.until_completed(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let said = seen.texts().join("\n");
    for id in &ids {
        assert_eq!(said.matches(&format!("message {id}.")).count(), 1, "message {id} in {said}");
    }
    let mut numbers: Vec<i64> = seen.out.iter().map(|row| row.seq).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), seen.out.len());
}

#[test]
fn told_to_leave_it_finishes_the_turn_and_takes_nothing_new() {
    let session = Session::new();
    session.say("1", "hello");
    let mut agent = session.start("delay=500ms");
    session.until(|seen| seen.has(AckStatus::Processing));
    agent.signal(Signal::SIGTERM);
    session.until_logged("told to leave, finishing the turn");
    session.say("2", "too late");
    assert_eq!(agent.ended().code(), Some(0));
    let seen = session.seen();
    assert_eq!((seen.out.len(), seen.acks.len()), (1, 1), "{seen:?}");
    assert_eq!(seen.acks.get("1"), Some(&AckStatus::Completed));
}

#[test]
fn told_to_leave_in_a_long_turn_it_gives_the_message_back_within_ten_seconds() {
    let session = Session::new();
    session.say("1", "hello");
    let mut agent = session.start("delay=1h");
    session.until(|seen| seen.has(AckStatus::Processing));
    let told = Instant::now();
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.ended().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(10), "the host kills by then");
    assert!(session.seen().acks.is_empty());
    let _next = session.start("");
    assert_eq!(session.until_completed(&["1"]).out.len(), 1);
}

#[test]
fn told_to_leave_while_idle_it_is_gone_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let session = Session::new();
        session.say("1", "hello");
        let mut agent = session.start("");
        session.until_completed(&["1"]);
        let told = Instant::now();
        agent.signal(signal);
        assert_eq!(agent.ended().code(), Some(0));
        assert!(told.elapsed() < Duration::from_secs(5));
    }
}

fn leaves_after(idle_timeout_ms: u64, model: &str) -> StartObject {
    StartObject { limits: StartLimits { idle_timeout_ms, run_timeout_ms: 0 }, ..start_object(model) }
}

#[test]
fn idle_it_leaves_by_itself_but_not_in_a_turn() {
    let session = Session::new();
    session.say("1", "hello");
    let mut agent = session.start_with(&leaves_after(200, "delay=700ms"), &[]);
    assert_eq!(agent.ended().code(), Some(0));
    let seen = session.seen();
    assert_eq!(seen.acks.get("1"), Some(&AckStatus::Completed), "it left in mid-turn");
    assert_eq!(seen.out.len(), 1);
}

#[test]
fn with_nothing_at_all_to_do_it_leaves_too() {
    let session = Session::new();
    let mut agent = session.start_with(&leaves_after(50, ""), &[]);
    assert_eq!(agent.ended().code(), Some(0));
    assert!(session.log().contains("left in order"));
}
