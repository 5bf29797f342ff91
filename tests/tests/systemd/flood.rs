//! Many messages at once.

use std::time::Duration;

use crate::house::{balances, house, nothing_that_waits_has_failed};

#[test]
fn a_hundred_messages_in_ten_seconds_are_answered_and_fail_no_socket() {
    let Some(machine) = house("a hundred messages") else { return };
    let script = "for n in $(seq 100); do nanoclawctl talk --once \"flood $n.\" & sleep 0.1; done 2>&1; wait";
    let said = machine.command(["sh", "-c", script]).within(Duration::from_secs(300)).ok();
    for number in 1..=100 {
        let answer = format!("You said: flood {number}.");
        // What came at once is answered at once, by one text that each of the talks prints.
        assert!(said.lines().any(|line| line == answer), "{number} was not answered:\n{said}");
    }
    nothing_that_waits_has_failed(&machine);
    balances(&machine);
}
