//! What a person does first: start the target, say something, read the reply.

use crate::house::{balances, house, is_answered};

#[test]
fn a_message_is_answered_by_programs_that_the_init_system_started() {
    let Some(machine) = house("a conversation under systemd") else { return };
    is_answered(&machine, "hello from the machine");
    balances(&machine);
    assert_eq!(machine.units(&["nc-*"]).iter().find(|(_, state)| state == "failed"), None);
}
