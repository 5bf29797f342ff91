//! A model answers, remembers, and answers once, whatever is killed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nc_testkit::messages_api::{MessagesApi, Reply, Request};
use nc_testkit::{PATIENCE, Signal, Toolkit, processes, wait_until};

use crate::house::{House, kits, string, whole};

/// How long a request may take to arrive after something was killed: the first pause before a run is tried again is 5 s.
const LONG: Duration = Duration::from_secs(40);

#[test]
fn a_second_line_goes_to_the_same_process_and_after_it_left_the_session_goes_on() {
    for kit in kits() {
        let replies = ["The first reply.", "The second reply.", "The third reply."].map(Reply::text);
        let Some(house) = House::scripted("answers of Claude Code", kit, replies) else { return };
        assert_eq!(house.says("first line"), "The first reply.\n");
        let claude = house.claude();
        assert_eq!(house.says("second line"), "The second reply.\n");
        assert_eq!(house.claude(), claude, "another process answered");

        let agent = house.kit.process("nc-agent");
        processes::send(agent.pid, Signal::SIGTERM);
        wait_until(PATIENCE, "the agent leaves", || !processes::lives(&agent) && !processes::lives(&claude));
        assert_eq!(house.says("third line"), "The third reply.\n");
        assert_ne!(house.claude(), claude);
        let turns = house.turns();
        assert_eq!(turns.len(), 3);
        assert!(turns.iter().all(|turn| turn.header("x-api-key") == Some(crate::house::KEY)));
        for said in ["first line", "The first reply.", "second line", "The second reply.", "third line"] {
            assert!(whole(&turns[2]).contains(said), "{said:?} is forgotten");
        }
        house.balances();
    }
}

#[test]
fn whoever_is_killed_in_mid_turn_the_message_is_answered_once_and_the_session_goes_on() {
    for victim in ["nc-agent", "claude", "nc-runner"] {
        // The second turn never ends; those that come after it do.
        let begun = AtomicUsize::new(0);
        let api = MessagesApi::start(move |request| {
            let second = request.is_turn() && begun.fetch_add(1, Ordering::SeqCst) == 1;
            if second { Reply::Slow("x".repeat(10_000), Duration::from_millis(100)) } else { Reply::text("The reply.") }
        });
        let Some(house) = House::real("kills in mid-turn", Toolkit::new(), api.expect("an API")) else { return };
        assert_eq!(house.says("what was before"), "The reply.\n", "{victim}");
        let saying = house.begins_to_say("the lightning strikes");
        let of_the_line = |request: &Request| request.is_turn() && whole(request).contains("the lightning strikes");
        assert!(house.api.wait_for(LONG, of_the_line).is_some(), "{}", house.about());
        let process = if victim == "claude" { house.claude() } else { house.kit.process(victim) };
        processes::send(process.pid, Signal::SIGKILL);
        let output = saying.join().expect("talk ends in time");
        let (printed, said) = (string(&output.stdout), string(&output.stderr));
        assert_eq!(printed, "The reply.\n", "{victim}: {said}\n{}", house.about());
        assert_eq!(house.says("another line"), "The reply.\n", "{victim}");
        let last = house.turns().pop().expect("a turn");
        for said in ["what was before", "the lightning strikes", "another line"] {
            assert!(whole(&last).contains(said), "{victim}: {said:?} is forgotten");
        }
        house.balances();
    }
}
