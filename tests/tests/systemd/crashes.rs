//! Programs that cannot start.

use std::thread;

use nc_testkit::machine::Machine;

use crate::house::{SLOW, answers, balances, house, is_answered, nothing_that_waits_has_failed, talk};

/// One ring of the router's bell.
const RING: &str = "import socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'', '/run/nanoclaw/router.sock')
";

/// A hundred rings of each bell in ten seconds, whoever hears them.
const RINGS: &str = "import socket, time
ringer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for _ in range(100):
    for bell in 'router', 'ipcd':
        try:
            ringer.sendto(b'', socket.MSG_DONTWAIT, f'/run/nanoclaw/{bell}.sock')
        except OSError:
            pass
    time.sleep(0.1)
";

/// The owners are told that a unit has failed, or were within the hour.
fn owners_are_told(machine: &Machine, unit: &str) {
    let (notice, told) = (format!("--unit=nc-notice@{unit}.service"), format!("{unit} has failed; the owners "));
    machine.wait_until("the owners are told", |machine| {
        machine.logged(&[&notice]).iter().any(|line| line.starts_with(&told))
    });
}

#[test]
fn programs_that_crash_at_start_fail_no_socket_and_their_work_is_done_once_they_are_mended() {
    let Some(machine) = house("programs that crash at start") else { return };
    let programs = ["nc-router.service", "nc-ipcd.service", "nc-runner@.service"];
    let crashed = |machine: &Machine, unit: &str| {
        let unit = format!("--unit={}", unit.replace('@', "@*"));
        !machine.logged(&[&unit, "--grep=status=1/FAILURE"]).is_empty()
    };
    for unit in programs {
        machine.drop_in(unit, "[Service]\nExecStart=\nExecStart=/bin/false\n");
    }
    machine.ok(["systemctl", "stop", "nanoclaw-agents.slice"]);
    machine.command(["systemctl", "restart", "nc-router.service", "nc-ipcd.service"]).output();
    thread::scope(|scope| {
        let text = "said while all crashed";
        let talking = scope.spawn(|| talk(&machine, SLOW, text));
        machine.ok(["python3", "-c", RINGS]);
        nothing_that_waits_has_failed(&machine);
        for unit in programs {
            machine.wait_until("it has crashed", |machine| crashed(machine, unit));
            machine.remove_drop_in(unit);
        }
        answers(&talking.join().expect("the talk does not panic"), text);
    });
    nothing_that_waits_has_failed(&machine);
    balances(&machine);
}

#[test]
fn a_bad_configuration_ends_programs_until_it_is_mended_and_rings_start_no_loop() {
    let Some(machine) = house("a bad configuration") else { return };
    let programs = ["nc-router.service", "nc-ipcd.service"];
    let failed = |unit: &str| {
        machine.wait_until("it has failed", |machine| machine.show(unit, "ActiveState") == "failed");
        assert_eq!(machine.show(unit, "ExecMainStatus"), "78", "{unit}");
        assert_eq!(machine.show(unit, "NRestarts"), "0", "{unit}");
    };
    machine.configure("provider = \"echo\"\nmax_runs = \"many\"\n");
    for unit in programs {
        machine.command(["systemctl", "restart", unit]).output();
        failed(unit);
        let said = machine.logged(&["--unit", unit, "--priority=err", "--lines=20"]);
        assert!(said.iter().any(|line| line.contains("max_runs")), "{said:?}");
    }
    owners_are_told(&machine, "nc-ipcd.service");
    machine.ok(["python3", "-c", RINGS]);
    nothing_that_waits_has_failed(&machine);
    for unit in programs {
        failed(unit);
    }
    machine.configure("provider = \"echo\"\n");
    machine.ok(["systemctl", "start", "nc-router.service", "nc-ipcd.service"]);
    is_answered(&machine, "main", "mended");
    balances(&machine);
}

#[test]
fn a_socket_that_has_failed_is_named_by_doctor_and_started_again_by_the_sweep_and_the_owners_are_told() {
    let Some(machine) = house("a socket that has failed") else { return };
    // One that leaves without reading its bell is started again without a pause, until its start limit ends that.
    machine.drop_in(
        "nc-router.service",
        "[Unit]\nStartLimitBurst=5\n[Service]\nExecStart=\nExecStart=/bin/true\nType=oneshot\n",
    );
    machine.ok(["systemctl", "stop", "nc-router.service"]);
    machine.ok(["systemctl", "start", "nc-router.socket"]);
    machine.ok(["python3", "-c", RING]);
    machine.wait_until("the socket has failed", |machine| machine.show("nc-router.socket", "ActiveState") == "failed");
    machine.remove_drop_in("nc-router.service");
    let doctor = machine.command(["nanoclawctl", "doctor"]).output();
    assert!(doctor.stdout.contains("nc-router.socket"), "{doctor:#?}");
    machine.ok(["systemctl", "start", "nc-sweep.service"]);
    is_answered(&machine, "main", "swept");
    owners_are_told(&machine, "nc-router.service");
    nothing_that_waits_has_failed(&machine);
    balances(&machine);
}
