//! What a person does first: start the target, say something, read the reply.

use crate::house::{balances, house, is_answered, nothing_that_waits_has_failed};

#[test]
fn a_message_is_answered_by_programs_that_the_init_system_started() {
    let Some(machine) = house("a conversation") else { return };
    is_answered(&machine, "main", "hello from the machine");
    balances(&machine);
    nothing_that_waits_has_failed(&machine);
    let status = machine.show("nc-router.service", "StatusText");
    assert!(status.contains("sessions, ") && status.contains(" running, "), "{status:?}");
}
