//! Asking for runs, in order and within the limit, and judging them.

use std::os::unix::net::UnixDatagram;

use nc_config::Doorbell;
use nc_model::{Cause, RoutingOutcome, RunOutcome};
use nc_testkit::{PATIENCE, wait_until};

use crate::house::House;
use crate::runner::{Asked, Run, Runner};

#[test]
fn twenty_sessions_get_five_slots_first_come_first_served() {
    let mut house = House::new();
    let chats: Vec<_> = (0..20).map(|n| house.group(&format!("g{n}"), false, |_| {}).0).collect();
    let (runner, _router) = (house.runner(), house.router());
    let mut came = Vec::new();
    for chat in chats {
        let seq = house.say(chat, "hello");
        came.push(house.session_of(seq));
    }
    let mut served = Vec::new();
    let mut running: Vec<Run> = Vec::new();
    while served.len() < 20 {
        let run = runner.next().begin();
        served.push(run.session.id.clone());
        running.push(run);
        assert!(running.len() <= 5, "{} at once", running.len());
        if running.len() == 5 {
            assert!(runner.another().is_none(), "a sixth is asked for");
            let mut first = running.remove(0);
            first.answer(&first.pending(), "hi");
            first.end(RunOutcome::Completed);
        }
    }
    assert_eq!(served, came);
}

#[test]
fn a_message_for_an_agent_that_runs_asks_for_no_second_run() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    house.say(house.owner, "one");
    let mut run = runner.next().begin();
    let second = house.say(house.owner, "two");
    wait_until(PATIENCE, "it is there", || run.pending().len() == 2);
    assert!(runner.another().is_none());
    run.answer(&run.pending(), "both");
    house.wait_outcome(second, RoutingOutcome::Answered);
    run.end(RunOutcome::Completed);
    house.say(house.owner, "three");
    assert_eq!(runner.next().begin().texts(), ["three"]);
}

/// Fails until nothing is asked for any more, and says how often that was.
fn fail_to_the_end(house: &mut House, runner: &Runner, session: &str, fail: impl Fn(Asked)) -> u32 {
    let mut tries = 0;
    loop {
        let asked = runner.next();
        assert_eq!(asked.session, session);
        tries += 1;
        fail(asked);
        wait_until(PATIENCE, "it is judged", || house.store.runs_to_judge().expect("a list").is_empty());
        if house.store.undone(session).expect("what is undone").work.is_empty() {
            return tries;
        }
        house.let_time_pass(session);
    }
}

#[test]
fn an_agent_that_always_fails_is_tried_five_more_times_and_the_person_is_told_once() {
    let mut house = House::new();
    let (chat, _) = house.group("family", false, |_| {});
    let (runner, _router) = (house.runner(), house.router());
    let messages = [house.say(chat, "one"), house.say(chat, "two")];
    let session = house.session_of(messages[1]);
    wait_until(PATIENCE, "both are placed", || house.store.sessions_to_place().expect("a list").is_empty());
    // The wish for the first run was there before the second message was.
    let tries = fail_to_the_end(&mut house, &runner, &session, |asked| asked.begin().end(RunOutcome::Failed));
    assert_eq!(tries, 6);
    for seq in messages {
        house.wait_outcome(seq, RoutingOutcome::Failed);
        assert!(house.fate(seq).agents[0].notice_delivery_id.is_some());
    }
    let told = house.wait_read("test", chat);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("the agent failed, and 5 more tries did not help"), "{told:?}");
    assert_eq!(house.store.ledger_check(nc_store::Span::ALL).expect("the ledger"), []);
    let third = house.say(chat, "three");
    let mut run = runner.next().begin();
    assert_eq!(run.texts(), ["three"]);
    run.answer(&run.pending(), "hi");
    house.wait_outcome(third, RoutingOutcome::Answered);
}

#[test]
fn a_failed_run_is_not_repeated_before_its_time_and_other_sessions_do_not_wait() {
    let mut house = House::new();
    let (chat, _) = house.group("family", false, |_| {});
    let (runner, _router) = (house.runner(), house.router());
    let failed = house.say(chat, "one");
    let session = house.session_of(failed);
    let mut run = runner.next().begin();
    run.take(&run.pending());
    run.end(RunOutcome::Failed);
    wait_until(PATIENCE, "it is judged", || house.store.undone(&session).expect("undone").work[0].attempts == 1);
    let next = house.store.undone(&session).expect("undone").work[0].next_attempt_at.expect("a time");
    let wait = next.ms_since(nc_store::now());
    assert!((3_000..=5_000).contains(&wait), "{wait} ms");
    house.say(house.owner, "hello");
    assert_ne!(runner.next().session, session);
    assert!(runner.another().is_none());
    house.let_time_pass(&session);
    assert_eq!(runner.next().session, session);
}

#[test]
fn a_runner_that_refuses_is_asked_five_more_times_and_its_reason_is_told() {
    let mut house = House::new();
    let (chat, _) = house.group("family", false, |_| {});
    let (runner, _router) = (house.runner(), house.router());
    let seq = house.say(chat, "hello");
    let session = house.session_of(seq);
    let attempts = |house: &House| house.store.undone(&session).expect("undone").work.first().map(|w| w.attempts);
    for n in 1..=6 {
        runner.next().refuse("bubblewrap is missing");
        wait_until(PATIENCE, "it counts", || attempts(&house).is_none_or(|count| count == n));
        house.let_time_pass(&session);
    }
    house.wait_outcome(seq, RoutingOutcome::Failed);
    let told = house.wait_read("test", chat);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("no agent could be started, and 5 more tries did not help (bubblewrap is missing)"),
        "{told:?}"
    );
}

#[test]
fn a_runner_that_hangs_up_or_is_busy_is_asked_again_and_nothing_counts() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let seq = house.say(house.owner, "hello");
    runner.next().hang_up();
    runner.next().busy();
    runner.next().hang_up();
    let mut run = runner.next().begin();
    let work = house.store.undone(&run.session.id).expect("undone").work;
    assert_eq!(work[0].attempts, 0);
    run.answer(&run.pending(), "hi");
    run.end(RunOutcome::Completed);
    house.wait_outcome(seq, RoutingOutcome::Answered);
}

#[test]
fn a_runner_that_is_not_there_yet_is_found_when_it_comes() {
    let mut house = House::new();
    let router = house.router();
    house.say(house.owner, "hello");
    router.wait_said("no run begins, asked again after 100 ms");
    let runner = house.runner();
    assert_eq!(runner.next().begin().texts(), ["hello"]);
    assert_eq!(router.said().matches("no run begins").count(), 1);
}

#[test]
fn what_had_been_answered_is_not_repeated_after_a_failure() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let seq = house.say(house.owner, "hello");
    let mut run = runner.next().begin();
    run.answer_half(&run.pending(), "hi");
    run.end(RunOutcome::Failed);
    house.wait_outcome(seq, RoutingOutcome::Answered);
    assert!(house.fate(seq).agents[0].answer_delivery_id.is_some());
    house.say(house.owner, "more");
    assert_eq!(runner.next().begin().texts(), ["more"]);
}

#[test]
fn no_run_begins_before_the_last_one_was_collected() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let seq = house.say(house.owner, "hello");
    let mut run = runner.next().begin();
    run.take(&run.pending());
    run.end_only(RunOutcome::Killed);
    run.disconnect();
    house.say(house.owner, "more");
    let routed = house.say(house.owner, "and more");
    house.decided(routed);
    assert!(runner.another().is_none());
    // The answer still lay in the mailbox.
    run.answer(&[format!("{seq}:{}", house.main)], "hi");
    run.collect();
    assert_eq!(runner.next().begin().texts(), ["more", "and more"]);
    assert_eq!(house.fate(seq).agents[0].outcome, Some(RoutingOutcome::Answered));
}

#[test]
fn what_was_placed_and_never_taken_gets_the_next_run_at_once() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    house.say(house.owner, "one");
    let mut run = runner.next().begin();
    run.answer(&run.pending(), "hi");
    house.say(house.owner, "two");
    wait_until(PATIENCE, "it is there", || run.pending().len() == 1);
    run.end(RunOutcome::Completed);
    let run = runner.next().begin();
    assert_eq!(run.texts(), ["two"]);
    assert_eq!(house.store.undone(&run.session.id).expect("undone").work[0].attempts, 0);
}

#[test]
fn an_agent_that_never_takes_anything_is_not_run_for_ever() {
    let mut house = House::new();
    let (chat, _) = house.group("family", false, |_| {});
    let (runner, _router) = (house.runner(), house.router());
    let seq = house.say(chat, "hello");
    let session = house.session_of(seq);
    let tries = fail_to_the_end(&mut house, &runner, &session, |asked| asked.begin().end(RunOutcome::Completed));
    assert_eq!(tries, 6);
    assert!(house.wait_read("test", chat)[0].contains("the agent left without doing it"));
}

#[test]
fn a_run_whose_runner_goes_away_without_a_word_is_lost_and_repeated_at_once() {
    let mut house = House::new();
    let ipcd = UnixDatagram::bind(house.installation.doorbell(Doorbell::Ipcd)).expect("a doorbell");
    ipcd.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let (runner, router) = (house.runner(), house.router());
    house.say(house.owner, "hello");
    let mut run = runner.next().begin();
    run.take(&run.pending());
    let mut run = run.vanish();
    router.wait_said("a run is lost");
    ipcd.recv(&mut [0; 16]).expect("nc-ipcd is rung");
    assert_eq!(run.outcome(), Some(RunOutcome::Lost));
    assert!(runner.another().is_none(), "it is not collected yet");
    run.collect();
    assert_eq!(runner.next().begin().texts(), ["hello"]);
}

#[test]
fn a_sandbox_that_outlives_its_runner_keeps_its_run_alive() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    house.say(house.owner, "hello");
    let mut run = runner.next().begin();
    run.disconnect();
    let seq = house.say(house.owner, "routed meanwhile");
    house.decided(seq);
    assert_eq!(run.ended_at(), None);
    let run = run.vanish();
    wait_until(PATIENCE, "it is lost", || run.outcome() == Some(RunOutcome::Lost));
}

#[test]
fn runs_of_before_the_start_count_and_are_seen_to_be_lost() {
    let mut house = House::new();
    house.settings.push("max_runs=1".to_owned());
    let (runner, router) = (house.runner(), house.router());
    let (chat, _) = house.group("family", false, |_| {});
    house.say(house.owner, "hello");
    let mut run = runner.next().begin();
    run.take(&run.pending());
    drop(router);
    let waits = house.say(chat, "hello");
    let router = house.router();
    house.decided(waits);
    router.wait_told("2 sessions, 1 running, 1 waiting");
    assert!(runner.another().is_none());
    let mut run = run.vanish();
    wait_until(PATIENCE, "it is lost", || run.outcome() == Some(RunOutcome::Lost));
    run.collect();
    assert_eq!(runner.next().session, house.session_of(waits));
}

#[test]
fn a_run_that_ended_while_no_router_served_is_judged_at_the_start() {
    let mut house = House::new();
    let (runner, router) = (house.runner(), house.router());
    let seq = house.say(house.owner, "hello");
    let mut run = runner.next().begin();
    run.take(&run.pending());
    drop(router);
    run.end(RunOutcome::Killed);
    let _router = house.router();
    let mut run = runner.next().begin();
    run.answer(&run.pending(), "hi");
    run.end(RunOutcome::Completed);
    house.wait_outcome(seq, RoutingOutcome::Answered);
}

#[test]
fn an_idle_agent_is_asked_to_leave_when_another_session_waits() {
    let mut house = House::new();
    house.settings.push("max_runs=2".to_owned());
    let chats: Vec<_> = (0..3).map(|n| house.group(&format!("g{n}"), false, |_| {}).0).collect();
    std::fs::create_dir_all(house.installation.run_dir().join("runs")).expect("a directory");
    let (runner, _router) = (house.runner(), house.router());
    house.say(chats[0], "one");
    let mut idle = runner.next().begin();
    idle.answer(&idle.pending(), "hi");
    let bell = UnixDatagram::bind(house.installation.doorbell(Doorbell::Run(&idle.session.id))).expect("a doorbell");
    bell.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    house.say(chats[1], "two");
    let mut busy = runner.next().begin();
    busy.take(&busy.pending());
    let third = house.say(chats[2], "three");
    bell.recv(&mut [0; 16]).expect("it is rung");
    assert!(idle.was_asked_to_leave());
    assert!(!busy.was_asked_to_leave());
    idle.end(RunOutcome::Completed);
    assert_eq!(runner.next().session, house.session_of(third));
}

#[test]
fn a_run_by_hand_counts_and_its_end_is_noticed() {
    let mut house = House::new();
    house.settings.push("max_runs=1".to_owned());
    let (runner, router) = (house.runner(), house.router());
    let first = house.say(house.owner, "hello");
    let mut run = runner.next().begin();
    run.answer(&run.pending(), "hi");
    run.end(RunOutcome::Completed);
    house.wait_outcome(first, RoutingOutcome::Answered);
    let session = house.session_of(first);
    let by_hand = Run::begin(&house.installation, &session, Cause::Manual, None);
    let (chat, _) = house.group("family", false, |_| {});
    let waits = house.say(chat, "hello");
    router.wait_told("1 waiting");
    by_hand.end(RunOutcome::Completed);
    assert_eq!(runner.next().session, house.session_of(waits));
}
