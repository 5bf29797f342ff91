//! The machine that these tests share, and what they do in it.

use std::thread;

use nc_testkit::machine::{Lent, Machine, Said, Shared};
use serde_json::Value;

static MACHINE: Shared = Shared::new(|| made("systemd"));

/// A group whose agent takes two seconds for each answer, so that something can happen meanwhile.
pub(crate) const SLOW: &str = "slow";

/// A machine with both groups, and the target enabled. Nothing is started.
pub(crate) fn made(name: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.ok(["nanoclawctl", "group", "add", "Slow", "--folder", SLOW]);
    machine.ok(["nanoclawctl", "group", "edit", SLOW, "--provider", "echo", "--model", "delay=2s"]);
    machine.ok(["systemctl", "enable", "nanoclaw.target"]);
    machine
}

/// The machine, with everything started. `None` where this host can boot none.
pub(crate) fn house(what: &str) -> Option<Lent<'static>> {
    let machine = MACHINE.lend(&format!("{what}, under a real systemd"))?;
    machine.ok(["systemctl", "start", "nanoclaw.target"]);
    Some(machine)
}

/// Says `text` to a group's agent.
pub(crate) fn talk(machine: &Machine, group: &str, text: &str) -> Said {
    machine.command(["nanoclawctl", "talk", group, "--once", text]).output()
}

/// Says `text` to a group's agent, which must answer it, once.
#[track_caller]
pub(crate) fn is_answered(machine: &Machine, group: &str, text: &str) {
    let said = talk(machine, group, text);
    answers(&said, text);
}

/// What a talk printed answers `text`, once.
#[track_caller]
pub(crate) fn answers(said: &Said, text: &str) {
    assert!(said.success(), "{text:?}: {}\n{}", said.status, said.stderr);
    assert_eq!(count(&[said], text), 1, "{text:?}: {:?}\n{}", said.stdout, said.stderr);
}

/// How often answers to `text` were printed, as answers or otherwise.
pub(crate) fn count(said: &[&Said], text: &str) -> usize {
    let answer = format!("You said: {text}\n");
    said.iter().map(|said| said.stdout.matches(&answer).count() + said.stderr.matches(&answer).count()).sum()
}

/// Asserts that the answer to `text` was printed, and not twice; but for a talk that ended while it printed, which nobody can
/// know to have done so: the next one prints it, too, and says so.
#[track_caller]
pub(crate) fn is_printed_once(said: &[&Said], text: &str) {
    let again = |line: &&str| line.contains("perhaps shown before") && line.ends_with(&format!("You said: {text}"));
    let perhaps = said.iter().flat_map(|said| said.stderr.lines()).filter(again).count();
    let all = count(said, text);
    assert!(all > 0 && all - perhaps <= 1, "{text:?} is printed {all} times, {perhaps} of them perhaps: {said:#?}");
}

/// Says `text` to the slow agent, does something as soon as that one has the message (on a machine that is very busy, after
/// its answer), and returns what the talk printed.
pub(crate) fn while_it_works(machine: &Machine, text: &str, act: impl FnOnce()) -> Said {
    while_it_is(machine, text, |decision| !decision["placed_at"].is_null() && !live_runs(machine, SLOW).is_empty(), act)
}

/// The same as soon as `reached` holds of what was decided on the message; null while that is open.
pub(crate) fn while_it_is(machine: &Machine, text: &str, reached: impl Fn(&Value) -> bool, act: impl FnOnce()) -> Said {
    thread::scope(|scope| {
        let talking = scope.spawn(|| talk(machine, SLOW, text));
        machine.wait_until("the message is on its way", |machine| {
            let why = machine.command(["nanoclawctl", "why", "--json", "--chat", "terminal:root/slow"]).output();
            let why: Value = serde_json::from_str(&why.stdout).unwrap_or_default();
            let decision = &why["decisions"][0];
            why["message"]["text"] == text && (!decision["outcome"].is_null() || reached(decision))
        });
        act();
        talking.join().expect("the talk does not panic")
    })
}

/// The runs of a group that live, by their ids.
pub(crate) fn live_runs(machine: &Machine, group: &str) -> Vec<String> {
    let listed = machine.ok(["nanoclawctl", "run", "list", "--json"]);
    let runs: Vec<Value> = serde_json::from_str(&listed).expect("a list");
    let live = runs.iter().filter(|run| run["group"] == group && run["ended_at"].is_null());
    live.filter_map(|run| run["id"].as_str().map(str::to_owned)).collect()
}

/// The units of runs that are there.
pub(crate) fn run_units(machine: &Machine) -> Vec<String> {
    machine.units(&["nc-runner@*.service"]).into_iter().map(|(unit, _)| unit).collect()
}

/// Nothing is open in the ledger, and it agrees.
#[track_caller]
pub(crate) fn balances(machine: &Machine) {
    machine.wait_until("nothing is open in the ledger", |machine| {
        // Messages and deliveries.
        let nothing = machine.ok(["nanoclawctl", "ledger"]).matches("+ 0 open").count() == 2;
        if !nothing {
            // Of what is for the owners nothing is shown before one of them talks.
            talk(machine, "main", "is anything left?");
        }
        nothing
    });
    machine.ok(["nanoclawctl", "ledger", "--check"]);
}

/// No unit that waits for others has failed.
#[track_caller]
pub(crate) fn nothing_that_waits_has_failed(machine: &Machine) {
    let units = machine.units(&["nc-*.socket", "nc-*.timer", "nc-*.path"]);
    assert!(units.len() > 3, "{units:?}");
    let wrong: Vec<_> =
        units.iter().filter(|(_, state)| !["listening", "running", "waiting"].contains(&state.as_str())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The main process of a unit.
pub(crate) fn main_pid(machine: &Machine, unit: &str) -> String {
    machine.show(unit, "MainPID")
}
