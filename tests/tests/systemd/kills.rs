//! Services that are killed while a conversation runs.

use std::thread;

use crate::house::{SLOW, answers, balances, house, nothing_that_waits_has_failed, run_units, talk, while_it_works};

#[test]
fn each_service_killed_in_mid_turn_leaves_one_answer() {
    let Some(machine) = house("services that are killed") else { return };
    for services in [
        &["nc-router.service"][..],
        &["nc-ipcd.service"],
        &["a run"],
        &["nc-router.service", "nc-ipcd.service", "a run"],
    ] {
        let text = format!("killed in mid-turn: {}", services.join(" "));
        let said = while_it_works(&machine, &text, || {
            for service in services {
                match *service {
                    "a run" => run_units(&machine).iter().for_each(|run| machine.kill(run, "KILL")),
                    unit => machine.kill(unit, "KILL"),
                }
            }
        });
        answers(&said, &text);
        nothing_that_waits_has_failed(&machine);
    }
    let lost = machine.ok(["nanoclawctl", "run", "list", "--json"]);
    assert!(lost.contains("\"lost\""), "no run was lost: {lost}");
    balances(&machine);
}

#[test]
fn a_storm_of_kills_loses_and_doubles_nothing() {
    let Some(machine) = house("a storm of kills") else { return };
    for round in 0..8_usize {
        let text = format!("round {round} of the storm");
        let said = thread::scope(|scope| {
            let talking = scope.spawn(|| talk(&machine, "main", &text));
            let service = ["nc-router.service", "nc-runner@*.service", "nc-ipcd.service", "nc-*.service"][round % 4];
            // There may be none just now.
            machine.command(["systemctl", "kill", "--signal=KILL", service]).output();
            talking.join().expect("the talk does not panic")
        });
        answers(&said, &text);
    }
    nothing_that_waits_has_failed(&machine);
    balances(&machine);
}

#[test]
fn a_program_that_is_started_again_ends_no_run() {
    let Some(machine) = house("programs that are restarted") else { return };
    crate::house::is_answered(&machine, SLOW, "before the restarts");
    let before = (crate::house::live_runs(&machine, SLOW), run_units(&machine));
    for unit in ["nc-router.service", "nc-ipcd.service", "nc-ipcd.socket", "nc-runner.socket"] {
        let text = format!("{unit} is started again");
        let said = while_it_works(&machine, &text, || {
            machine.ok(["systemctl", "restart", unit]);
        });
        answers(&said, &text);
    }
    assert_eq!((crate::house::live_runs(&machine, SLOW), run_units(&machine)), before);
    balances(&machine);
}
