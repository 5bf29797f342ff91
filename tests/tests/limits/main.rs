//! What an agent or a program of the host does without measure, under a real systemd: it ends in its own limits, it is said,
//! and the others go on.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod crashes;
mod runs;

use nc_testkit::machine::{Lent, Machine, Shared};

/// Where the agents' program is in the machine.
const AGENT: &str = "/usr/local/libexec/nanoclaw/nc-agent";

/// Groups' folders in the machine, and that of all.
const GROUPS: &str = "/var/lib/nanoclaw/groups";

static MACHINE: Shared = Shared::new(made);

/// A machine in which the agent of a group is whatever its folder has as `instead`.
fn made() -> Machine {
    let machine = Machine::boot("limits");
    for (group, limits) in [("hog", "--memory=64MiB"), ("bomb", "--processes=40")] {
        machine.ok(["nanoclawctl", "group", "add", group, "--folder", group, limits]);
    }
    machine
        .sh(&format!("mkdir -p {GROUPS}/global && chmod 755 {GROUPS}/global && mv {AGENT} {GROUPS}/global/nc-agent"));
    machine.put(
        AGENT,
        "#!/bin/sh\n[ ! -e ./instead ] || exec /bin/sh ./instead\nexec /workspace/global/nc-agent\n",
        0o755,
    );
    machine
}

/// The machine, with everything started. `None` where this host can boot none.
fn house(what: &str) -> Option<Lent<'static>> {
    let machine = MACHINE.lend(&format!("{what}, under a real systemd"))?;
    machine.ok(["systemctl", "start", "nanoclaw.target"]);
    Some(machine)
}

/// Says `text` to the main group's agent, which must answer it.
#[track_caller]
fn is_answered(machine: &Machine, text: &str) {
    let said = machine.talk_once(text);
    assert!(said.success() && said.stdout.contains(&format!("You said: {text}\n")), "{said:#?}");
}
