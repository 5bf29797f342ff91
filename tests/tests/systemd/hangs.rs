//! Programs that hang.

use crate::house::{SLOW, answers, balances, house, is_answered, main_pid, run_units, while_it_works};

#[test]
fn a_program_that_hangs_is_started_again_by_its_watchdog_and_the_answer_arrives_once() {
    let Some(machine) = house("the watchdog") else { return };
    for unit in ["nc-router.service", "nc-ipcd.service"] {
        assert_eq!(machine.show(unit, "WatchdogUSec"), "2min", "{unit}");
        machine.drop_in(unit, "[Service]\nWatchdogSec=5\n");
        machine.ok(["systemctl", "restart", unit]);
        let text = format!("said while {unit} hung");
        let said = while_it_works(&machine, &text, || {
            let before = main_pid(&machine, unit);
            machine.kill(unit, "STOP");
            machine.wait_until("another one runs", |machine| {
                !["0", before.as_str()].contains(&main_pid(machine, unit).as_str())
                    && machine.show(unit, "ActiveState") == "active"
            });
        });
        answers(&said, &text);
        let said = machine.logged(&["--unit", unit, "--lines=100"]);
        assert!(said.iter().any(|line| line.contains("Watchdog timeout")), "{said:#?}");
        machine.remove_drop_in(unit);
        machine.ok(["systemctl", "restart", unit]);
    }
    is_answered(&machine, SLOW, "after the watchdogs");
    balances(&machine);
}

#[test]
fn a_runner_that_hangs_is_ended_and_the_next_message_gets_another() {
    let Some(machine) = house("the watchdog of a run") else { return };
    // Runs that began with another configuration end.
    machine.drop_in("nc-runner@.service", "[Service]\nWatchdogSec=5\n");
    machine.ok(["systemctl", "stop", "nanoclaw-agents.slice"]);
    let text = "said while the runner hung";
    let said = while_it_works(&machine, text, || {
        for run in run_units(&machine) {
            machine.wait_until("it says whose it is", |machine| {
                let status = machine.show(&run, "StatusText");
                status.starts_with("slow: session ") && status.contains(", run ")
            });
            machine.kill(&run, "STOP");
            machine.wait_until("the run is gone", |machine| !run_units(machine).contains(&run));
        }
    });
    answers(&said, text);
    machine.remove_drop_in("nc-runner@.service");
    is_answered(&machine, SLOW, "after the runner");
    balances(&machine);
}
