//! The power that goes out.

use nc_testkit::machine::Machine;

use crate::house::{SLOW, balances, house, is_answered, is_printed_once, talk, while_it_is, while_it_works};

fn boots(machine: &Machine) {
    machine.start();
    machine.wait_until("everything starts by itself", |machine| {
        machine.show("nanoclaw.target", "ActiveState") == "active"
            && machine.show("nc-router.service", "ActiveState") == "active"
    });
}

#[test]
fn what_was_said_before_the_power_went_is_answered_once_after_the_next_boot() {
    let Some(machine) = house("a power cut") else { return };
    is_answered(&machine, SLOW, "before the lights go out");
    let stored = while_it_is(&machine, "the lights flicker", |_| true, || machine.cut());
    boots(&machine);
    let at_work = while_it_works(&machine, "the lights go out", || machine.cut());
    boots(&machine);
    let after = talk(&machine, SLOW, "the lights are on");
    let end = talk(&machine, SLOW, "and stay on");
    let all = [&stored, &at_work, &after, &end];
    for text in ["the lights flicker", "the lights go out", "the lights are on", "and stay on"] {
        is_printed_once(&all, text);
    }
    balances(&machine);
}
