//! Programs that hang.

use crate::house::{SLOW, answers, balances, house, main_pid, while_it_works};

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
    crate::house::is_answered(&machine, SLOW, "after the watchdogs");
    balances(&machine);
}
