//! Attempts, made in the place of a program and by somebody whom nothing holds.

use std::collections::BTreeMap;
use std::fs;

use nc_testkit::machine::Machine;

const PROBE: &str = "/opt/walls/probe.py";
const ATTEMPTS: &str = "/opt/walls/attempts";
const SAID: &str = "/opt/walls/said";

/// The programs, each with the unit in whose walls the probe is put.
pub(crate) const PROGRAMS: &[(&str, &str)] = &[
    ("nc-router", "nc-router.service"),
    ("nc-ipcd", "nc-ipcd.service"),
    ("nc-scheduler", "nc-scheduler.service"),
    ("nc-slack", "nc-slack@probe.service"),
    ("nc-whatsapp", "nc-whatsapp@probe.service"),
    ("nc-runner", "nc-runner@probe.service"),
    ("nc-notice", "nc-notice@probe.service"),
    ("nc-sweep", "nc-sweep.service"),
];

/// Who may start units may do everything. It is root, and has no capability besides.
pub(crate) const OF_ROOT: &str = "nc-sweep";

/// What came of each attempt.
pub(crate) type Found = BTreeMap<String, String>;

/// An attempt, and the programs that must succeed with it; all others must not.
pub(crate) type Wall = (String, &'static [&'static str]);

/// Makes the attempts as root, with every capability and outside of any wall.
pub(crate) fn unheld(machine: &Machine, attempts: &[String]) -> Found {
    machine.put(ATTEMPTS, attempts.join("\n"), 0o644);
    found(&machine.ok(["python3", PROBE, ATTEMPTS]))
}

/// Makes the attempts in the place of the program of `unit`, once it has ended.
pub(crate) fn within(machine: &Machine, unit: &str, attempts: &[String]) -> Found {
    machine.put(ATTEMPTS, attempts.join("\n"), 0o644);
    found(&instead(machine, unit, &format!("/usr/bin/python3 {PROBE} {ATTEMPTS}")))
}

/// Runs a command in the place of the program of `unit`, and returns what it printed.
pub(crate) fn instead(machine: &Machine, unit: &str, command: &str) -> String {
    machine.drop_in(
        unit,
        &format!(
            "[Service]\nType=oneshot\nExecStart=\nExecStart={command}\nExecStopPost=\nRestart=no\nWatchdogSec=0\n\
             StandardOutput=truncate:{SAID}\nTimeoutStartSec=300\n"
        ),
    );
    machine.ok(["systemctl", "restart", unit]);
    machine.remove_drop_in(unit);
    fs::read_to_string(machine.path(SAID)).expect("what the probe said")
}

pub(crate) fn found(said: &str) -> Found {
    said.lines().filter_map(|line| line.split_once('\t')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// Fails where a wall of one of `programs` is not where it must be, or where an attempt fails even for somebody whom nothing
/// holds.
pub(crate) fn hold<'a>(machine: &Machine, programs: impl IntoIterator<Item = &'a (&'a str, &'a str)>, walls: &[Wall]) {
    let attempts: Vec<String> = walls.iter().map(|(attempt, _)| attempt.clone()).collect();
    let free = unheld(machine, &attempts);
    let mut wrong: Vec<String> = Vec::new();
    for attempt in attempts.iter().filter(|attempt| free.get(*attempt).is_none_or(|said| said != "ok")) {
        wrong.push(format!("{attempt}: fails without any wall, too: {:?}", free.get(attempt)));
    }
    for (program, unit) in programs {
        let found = within(machine, unit, &attempts);
        for (attempt, open_to) in walls {
            let said = found.get(attempt).map_or("not tried", String::as_str);
            if (said == "ok") != open_to.contains(program) || said == "not tried" {
                wrong.push(format!("{program}: {attempt}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
