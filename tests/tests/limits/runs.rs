//! Agents without measure.

use std::thread;

use nc_testkit::machine::Machine;

use crate::{GROUPS, house, is_answered};

/// The `MESSAGE_ID` of a run that went to its limit.
const LIMITED: &str = nc_model::event::RUN_LIMITED;

/// Runs `script` in the place of the agent of `group` for one message, and answers another group meanwhile. Returns what the
/// person was told.
fn instead(machine: &Machine, group: &str, script: &str) -> String {
    machine.put(&format!("{GROUPS}/{group}/instead"), script, 0o644);
    let host = ["nc-router.service", "nc-ipcd.service"].map(|unit| machine.show(unit, "MainPID"));
    let told = thread::scope(|scope| {
        let talking = scope.spawn(|| {
            // It is tried again some times before the person is told, soon where the agent was killed.
            let talk = machine.command(["nanoclawctl", "talk", group, "--once", "do as you like"]);
            talk.within(3 * nc_testkit::machine::PATIENCE).output()
        });
        machine.wait_until("a run reaches its limit", |machine| !limited(machine, group).is_empty());
        is_answered(machine, "what do others notice?");
        talking.join().expect("the talk does not panic")
    });
    let still = ["nc-router.service", "nc-ipcd.service"].map(|unit| machine.show(unit, "MainPID"));
    assert_eq!(host, still, "the programs of the host have gone on");
    format!("{}{}", told.stdout, told.stderr)
}

/// What the journal says of limits that runs of `group` reached.
fn limited(machine: &Machine, group: &str) -> Vec<String> {
    machine.logged(&[&format!("MESSAGE_ID={LIMITED}"), &format!("NANOCLAW_GROUP={group}")])
}

#[test]
fn a_memory_hog_ends_in_its_runs_own_limit_and_it_is_said_to_all_whom_it_concerns() {
    let Some(machine) = house("a memory hog") else { return };
    let told = instead(&machine, "hog", "x=x; while :; do x=$x$x; done\n");
    assert!(told.contains("memory limit of 64MiB reached, and the agent"), "the person: {told}");
    let logged = limited(&machine, "hog");
    assert!(logged.iter().all(|line| line.ends_with("memory limit of 64MiB reached")), "the journal: {logged:?}");
    let run = machine.ok(["nanoclawctl", "run", "show", "hog"]);
    assert!(run.contains("memory limit of 64MiB reached, and the agent was ended by SIGKILL"), "the run: {run}");
    assert!(run.contains("processes for want of memory"), "the run: {run}");
}

#[test]
fn a_fork_bomb_ends_in_its_runs_own_limit_and_it_is_said_to_all_whom_it_concerns() {
    let Some(machine) = house("a fork bomb") else { return };
    let told = instead(&machine, "bomb", "trap 'kill -KILL $$' EXIT\nb() { b | b & }\nb\nsleep 1\n");
    assert!(told.contains("limit of 40 processes reached, and the agent"), "the person: {told}");
    let logged = limited(&machine, "bomb");
    assert!(logged.iter().all(|line| line.ends_with("limit of 40 processes reached")), "the journal: {logged:?}");
    let run = machine.ok(["nanoclawctl", "run", "show", "bomb"]);
    assert!(run.contains("limit of 40 processes reached, and the agent was ended by SIGKILL"), "the run: {run}");
}
