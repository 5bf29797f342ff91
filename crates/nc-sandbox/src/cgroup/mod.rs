//! Limits on everything in a sandbox together, where this machine lets us have them.
//!
//! Where a cgroup can be made is [`Place`]. Everywhere else the limits are those of each process: see [`Enforcement::Each`].

mod events;
mod place;
mod tally;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use events::Events;
pub use events::Reached;
pub(crate) use place::Place;
pub(crate) use tally::Tally;

use crate::{Limits, SandboxError};

/// bubblewrap's own two processes, which count like the agent's.
const OWN_PROCESSES: u32 = 2;

/// How the limits are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// A cgroup of version 2 for everything in the sandbox together.
    Unified,
    /// Cgroups of version 1 for everything in the sandbox together.
    Legacy,
    /// `RLIMIT_NPROC` for the user namespace, and `RLIMIT_DATA` for each process alone.
    Each,
}

impl Enforcement {
    /// What it means, in a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unified => "processes and memory of a sandbox are limited together, by a cgroup (version 2)",
            Self::Legacy => "processes and memory of a sandbox are limited together, by cgroups (version 1)",
            Self::Each => {
                "the number of processes of a sandbox is limited, but memory only for each process: \
                 an agent can use the limit times the number of processes"
            }
        }
    }
}

/// The cgroup of one sandbox.
#[derive(Debug)]
pub(crate) struct Cgroup {
    place: Place,
    name: String,
}

impl Cgroup {
    fn set_up(&self, limits: Limits) -> io::Result<()> {
        let processes = limits.processes.saturating_add(OWN_PROCESSES).to_string();
        let memory = limits.memory.to_string();
        match &self.place {
            Place::Legacy { memory: memory_root, pids, .. } => {
                let (memory_group, pids) = (memory_root.join(&self.name), pids.join(&self.name));
                fs::create_dir(&memory_group)?;
                fs::create_dir(&pids)?;
                fs::write(memory_group.join("memory.limit_in_bytes"), &memory)?;
                // Memory and swap together; the file is missing where the kernel does not count swap.
                if memory_group.join("memory.memsw.limit_in_bytes").exists() {
                    fs::write(memory_group.join("memory.memsw.limit_in_bytes"), &memory)?;
                }
                fs::write(pids.join("pids.max"), processes)
            }
            Place::Unified(root) => {
                let runner = root.join("runner");
                fs::create_dir_all(&runner)?;
                fs::write(runner.join("cgroup.procs"), "0")?;
                fs::write(root.join("cgroup.subtree_control"), "+memory +pids")?;
                let group = root.join(&self.name);
                fs::create_dir(&group)?;
                fs::write(group.join("memory.max"), &memory)?;
                if group.join("memory.swap.max").exists() {
                    fs::write(group.join("memory.swap.max"), "0")?;
                }
                fs::write(group.join("pids.max"), processes)
            }
        }
    }

    /// Moves the calling thread in (version 2: the whole program), so that what it spawns is born there.
    pub(crate) fn enter(&self) -> Result<(), SandboxError> {
        self.write_zero(|root| root.join(&self.name)).map_err(SandboxError::io("enter the sandbox's cgroup"))
    }

    /// Moves back out.
    pub(crate) fn leave(&self) -> Result<(), SandboxError> {
        let back = |root: &Path| match &self.place {
            Place::Legacy { home, .. } => root.join(home),
            Place::Unified(_) => root.join("runner"),
        };
        self.write_zero(back).map_err(SandboxError::io("leave the sandbox's cgroup"))
    }

    fn write_zero(&self, group: impl Fn(&Path) -> PathBuf) -> io::Result<()> {
        match &self.place {
            Place::Legacy { memory, pids, .. } => {
                fs::write(group(memory).join("tasks"), "0")?;
                fs::write(group(pids).join("tasks"), "0")
            }
            Place::Unified(root) => fs::write(group(root).join("cgroup.procs"), "0"),
        }
    }

    /// How its limits are held.
    pub(crate) fn enforcement(&self) -> Enforcement {
        self.place.enforcement()
    }

    /// The most memory that it held at once, in bytes; caches of files and `/tmp` are part of it.
    pub(crate) fn peak(&self) -> Option<u64> {
        let file = match &self.place {
            Place::Legacy { memory, .. } => memory.join(&self.name).join("memory.max_usage_in_bytes"),
            Place::Unified(root) => root.join(&self.name).join("memory.peak"),
        };
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// Where the kernel says how often its limits were reached.
    pub(crate) fn events(&self) -> Events {
        match &self.place {
            Place::Legacy { memory, pids, .. } => Events::legacy(&memory.join(&self.name), &pids.join(&self.name)),
            Place::Unified(root) => Events::unified(&root.join(&self.name)),
        }
    }

    fn roots(&self) -> Vec<&Path> {
        match &self.place {
            Place::Legacy { memory, pids, .. } => vec![memory, pids],
            Place::Unified(root) => vec![root],
        }
    }

    /// Removes what runners that were killed left behind. Only an empty cgroup can be removed at all.
    fn sweep(&self) {
        for root in self.roots() {
            let entries = fs::read_dir(root).into_iter().flatten().flatten();
            for entry in entries.filter(|entry| is_left_behind(&entry.file_name().to_string_lossy())) {
                drop(fs::remove_dir(entry.path()));
            }
        }
    }

    fn remove(&self) {
        for root in self.roots() {
            drop(fs::remove_dir(root.join(&self.name)));
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.remove();
    }
}

fn is_left_behind(name: &str) -> bool {
    let Some(pid) = name.strip_prefix("nanoclaw-").and_then(|rest| rest.split('-').next()) else { return false };
    pid.parse::<u32>().is_ok_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_of_a_dead_runner_is_left_behind_and_a_live_ones_is_not() {
        assert!(is_left_behind("nanoclaw-4194305-a"));
        assert!(!is_left_behind(&format!("nanoclaw-{}-a", std::process::id())));
        assert!(!is_left_behind("system.slice"));
    }
}
