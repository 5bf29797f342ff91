//! A program of the host that fails at every start.

use nc_testkit::machine::Machine;

use crate::{house, is_answered};

const UNIT: &str = "nc-ipcd.service";

/// How often the owners were told of it.
fn told(machine: &Machine) -> usize {
    let count = "SELECT count(*) FROM notices WHERE text LIKE 'nc-ipcd.service has failed%'";
    let said = machine.ok(["sqlite3", "-readonly", "/var/lib/nanoclaw/store/messages.db", count]);
    said.trim().parse().expect("a number")
}

/// What its back-off said.
fn waits(machine: &Machine, seconds: u32) -> bool {
    let line = format!("times in a row: it is started again in {seconds} s");
    machine.logged(&["--unit", UNIT]).iter().any(|said| said.contains(&line))
}

#[test]
fn a_program_that_fails_at_every_start_slows_down_tells_the_owners_once_and_comes_back_when_it_is_mended() {
    let Some(machine) = house("a program that fails at every start") else { return };
    machine.drop_in(UNIT, "[Service]\nExecStart=\nExecStart=/bin/false\n");
    machine.command(["systemctl", "restart", UNIT]).output();
    // Rings that nobody reads do not hurry it.
    let ring = "import socket
bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
try:
    bell.sendto(b'', socket.MSG_DONTWAIT, '/run/nanoclaw/ipcd.sock')
except OSError:
    pass";
    for seconds in [1, 2, 4, 8] {
        machine.ok(["python3", "-c", ring]);
        machine.wait_until("it waits longer", |machine| waits(machine, seconds));
    }
    assert_eq!(told(&machine), 1, "the owners are told once");
    assert_ne!(machine.show("nc-ipcd.socket", "ActiveState"), "failed");
    machine.remove_drop_in(UNIT);
    machine.ok(["python3", "-c", ring]);
    machine.wait_until("it comes back by itself", |machine| machine.show(UNIT, "SubState") == "running");
    is_answered(&machine, "mended");
}
