//! What the machine gives.

use std::fs;

use nc_sandbox::Identity;
use nc_sandbox::probe::{State, probe};

use super::Check;
use crate::installed::Installed;

/// inotify instances beyond one for each run: nc-ipcd's, and what a desktop of the same user has open. A guess.
const OTHER_INSTANCES: u64 = 32;

/// Watches that one run needs at most: its mailbox on both sides, and some to spare. A guess.
const WATCHES_A_RUN: u64 = 16;

/// What sandboxes can be, as whoever runs this.
pub(super) fn sandboxes(installed: Option<&Installed>) -> Vec<Check> {
    let identity = match installed.map(|i| (i, i.paths().data_dir())) {
        None => Identity::Own,
        Some((installed, data)) => {
            let there = if data.is_dir() { data } else { installed.paths().dir() };
            match Identity::for_installation(there) {
                Ok(identity) => identity,
                Err(error) => {
                    let mend = "look at the directory's owner and at the machine's users, then try again";
                    return vec![Check::fail("sandbox user", format!("{:#}", anyhow::Error::new(error)), mend)];
                }
            }
        }
    };
    probe(identity).findings.into_iter().map(check).collect()
}

fn check(finding: nc_sandbox::probe::Finding) -> Check {
    let mend = finding.remedy;
    match finding.state {
        State::Good => Check { mend, ..Check::ok(finding.name, finding.text) },
        State::Weak => Check { mend, ..Check::warn(finding.name, finding.text, "") },
        State::Bad => Check { mend, ..Check::fail(finding.name, finding.text, "") },
    }
}

/// Whether every run can be watched.
pub(super) fn inotify(max_runs: u32) -> Check {
    const NAME: &str = "inotify";
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse::<u64>().ok();
    let (Some(instances), Some(watches)) = (read("max_user_instances"), read("max_user_watches")) else {
        let mend = "agents are looked at every 500 ms instead; use a kernel with CONFIG_INOTIFY_USER";
        return Check::warn(NAME, "the kernel does not say its limits, it may not have inotify", mend);
    };
    let needed = (u64::from(max_runs) + OTHER_INSTANCES, u64::from(max_runs) * WATCHES_A_RUN);
    let found = format!("{instances} instances and {watches} watches for a user");
    if instances >= needed.0 && watches >= needed.1 {
        return Check::ok(NAME, found);
    }
    let mend = format!(
        "sysctl fs.inotify.max_user_instances={} fs.inotify.max_user_watches={}, or a smaller max_runs",
        needed.0.max(instances),
        needed.1.max(watches)
    );
    Check::warn(NAME, format!("{found} may be too few for {max_runs} runs"), mend)
}
