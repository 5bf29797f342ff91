//! What stops with what.

use crate::house::{
    SLOW, answers, balances, house, is_answered, is_printed_once, live_runs, main_pid, run_units, talk, while_it_works,
};

#[test]
fn a_target_that_is_stopped_and_started_in_mid_turn_leaves_one_answer_and_the_run() {
    let Some(machine) = house("a target that stops") else { return };
    is_answered(&machine, SLOW, "before the stop");
    let run = live_runs(&machine, SLOW);
    assert_eq!(run.len(), 1, "{run:?}");
    let text = "the target stops";
    let before = while_it_works(&machine, text, || {
        machine.ok(["systemctl", "stop", "nanoclaw.target"]);
        machine.wait_until("all but runs has stopped", |machine| {
            let units = machine.units(&["nc-*"]);
            units.iter().all(|(unit, _)| unit.starts_with("nc-runner@"))
        });
    });
    assert!(!run_units(&machine).is_empty());
    assert_eq!(live_runs(&machine, SLOW), run);
    machine.ok(["systemctl", "start", "nanoclaw.target"]);
    let after = talk(&machine, SLOW, "the target runs again");
    let all = [&before, &after];
    is_printed_once(&all, text);
    is_printed_once(&all, "the target runs again");
    assert_eq!(live_runs(&machine, SLOW), run);
    balances(&machine);
}

#[test]
fn stopping_the_slice_ends_every_run_and_loses_no_message() {
    let Some(machine) = house("a slice that stops") else { return };
    is_answered(&machine, "main", "a run of main");
    let text = "the slice stops";
    let said = while_it_works(&machine, text, || {
        let before = live_runs(&machine, SLOW);
        // It may say that its job was cancelled: the run that is asked for next starts the slice again.
        machine.command(["systemctl", "stop", "nanoclaw-agents.slice"]).output();
        machine.wait_until("all runs have ended", |machine| {
            let now = live_runs(machine, SLOW);
            live_runs(machine, "main").is_empty() && !now.iter().any(|run| before.contains(run))
        });
    });
    answers(&said, text);
    balances(&machine);
}

#[test]
fn a_reload_restarts_nothing_and_keeps_the_former_configuration_where_the_new_one_is_wrong() {
    let Some(machine) = house("a reload") else { return };
    let programs = ["nc-router.service", "nc-ipcd.service"];
    // One of them may have been idle and away.
    machine.ok(["systemctl", "start", programs[0], programs[1]]);
    let pids = || programs.map(|unit| main_pid(&machine, unit));
    let logs = |unit: &str, text: &str| {
        let invocation = format!("_SYSTEMD_INVOCATION_ID={}", machine.show(unit, "InvocationID"));
        machine.logged(&[&invocation]).iter().filter(|line| line.contains(text)).count()
    };
    let (before, taken) = (pids(), logs(programs[0], "took a new configuration"));
    for level in ["debug", "loud", "info"] {
        machine.configure(&format!("provider = \"echo\"\nlog_level = \"{level}\"\n"));
        machine.ok(["systemctl", "reload", programs[0], programs[1]]);
        // A wrong one stops nanoclawctl(1), which reads it anew.
        if level != "loud" {
            is_answered(&machine, "main", level);
        }
    }
    assert_eq!(logs(programs[0], "took a new configuration"), taken + 2);
    for unit in programs {
        assert_eq!(logs(unit, "the new configuration is refused"), 1, "{unit}");
    }
    assert_eq!(pids(), before);
    machine.configure("provider = \"echo\"\n");
}
