//! Limits on everything in a sandbox together, where this machine lets us have them.
//!
//! There are two ways to a cgroup: as root with the controllers of version 1, and with version 2 where our own cgroup was
//! given to us (systemd's `Delegate=`) and holds nothing but this program. Everywhere else the limits are those of each
//! process: see [`Enforcement::Each`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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

/// Where cgroups of sandboxes can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below these directories: `memory`, `pids`.
    Legacy {
        /// Our own cgroup of the controller `memory`.
        memory: PathBuf,
        /// Our own cgroup of the controller `pids`.
        pids: PathBuf,
    },
    /// Below our own delegated cgroup.
    Unified(PathBuf),
}

/// The cgroup of one sandbox.
#[derive(Debug)]
pub struct Cgroup {
    place: Place,
    name: String,
}

impl Place {
    /// Finds where cgroups can be made; none where only limits of each process are left.
    #[must_use]
    pub fn find() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::unified(&own, &mounts).or_else(|| Self::legacy(&own, &mounts))
    }

    fn legacy(own: &str, mounts: &str) -> Option<Self> {
        let memory = controller(own, mounts, "memory")?;
        let pids = controller(own, mounts, "pids")?;
        (may_write(&memory) && may_write(&pids)).then_some(Self::Legacy { memory, pids })
    }

    fn unified(own: &str, mounts: &str) -> Option<Self> {
        let path = controller(own, mounts, "")?;
        let has = fs::read_to_string(path.join("cgroup.controllers")).ok()?;
        let all = ["memory", "pids"].iter().all(|wanted| has.split_whitespace().any(|name| name == *wanted));
        // A cgroup with processes of its own cannot hand controllers to those below, and whose else they are is not ours
        // to move.
        let members = fs::read_to_string(path.join("cgroup.procs")).ok()?;
        let alone = members.trim() == std::process::id().to_string();
        (all && alone && may_write(&path)).then_some(Self::Unified(path))
    }

    /// How limits are held there.
    #[must_use]
    pub fn enforcement(&self) -> Enforcement {
        match self {
            Self::Legacy { .. } => Enforcement::Legacy,
            Self::Unified(_) => Enforcement::Unified,
        }
    }

    /// Makes the cgroup `name` with `limits`.
    ///
    /// # Errors
    /// [`SandboxError`] where the system refuses; nothing of it stays then.
    pub fn make(self, name: &str, limits: Limits) -> Result<Cgroup, SandboxError> {
        let name = format!("nanoclaw-{}-{name}", std::process::id());
        let group = Cgroup { place: self, name };
        group.sweep();
        group
            .set_up(limits)
            .map_err(SandboxError::io("make a cgroup for the sandbox"))
            .inspect_err(|_| group.remove())?;
        Ok(group)
    }
}

impl Cgroup {
    fn set_up(&self, limits: Limits) -> io::Result<()> {
        let processes = limits.processes.saturating_add(OWN_PROCESSES).to_string();
        let memory = limits.memory.to_string();
        match &self.place {
            Place::Legacy { memory: memory_root, pids } => {
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
            Place::Legacy { .. } => root.to_owned(),
            Place::Unified(_) => root.join("runner"),
        };
        self.write_zero(back).map_err(SandboxError::io("leave the sandbox's cgroup"))
    }

    fn write_zero(&self, group: impl Fn(&Path) -> PathBuf) -> io::Result<()> {
        match &self.place {
            Place::Legacy { memory, pids } => {
                fs::write(group(memory).join("tasks"), "0")?;
                fs::write(group(pids).join("tasks"), "0")
            }
            Place::Unified(root) => fs::write(group(root).join("cgroup.procs"), "0"),
        }
    }

    /// How its limits are held.
    #[must_use]
    pub fn enforcement(&self) -> Enforcement {
        self.place.enforcement()
    }

    /// The most memory that it held at once, in bytes; caches of files and `/tmp` are part of it.
    #[must_use]
    pub fn peak(&self) -> Option<u64> {
        let file = match &self.place {
            Place::Legacy { memory, .. } => memory.join(&self.name).join("memory.max_usage_in_bytes"),
            Place::Unified(root) => root.join(&self.name).join("memory.peak"),
        };
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// How many processes the kernel ended because memory was used up.
    #[must_use]
    pub fn out_of_memory(&self) -> u64 {
        let file = match &self.place {
            Place::Legacy { memory, .. } => memory.join(&self.name).join("memory.oom_control"),
            Place::Unified(root) => root.join(&self.name).join("memory.events"),
        };
        let text = fs::read_to_string(file).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        count.unwrap_or(0)
    }

    fn roots(&self) -> Vec<&Path> {
        match &self.place {
            Place::Legacy { memory, pids } => vec![memory, pids],
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

fn may_write(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok()
}

/// Where our own cgroup of `controller` is in the file system; the empty name is version 2.
fn controller(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (names, path) = rest.split_once(':')?;
        names.split(',').any(|name| name == controller).then_some(path)
    })?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (kind, options) = (kind.next()?, kind.nth(1)?);
        let right = match controller {
            "" => kind == "cgroup2",
            name => kind == "cgroup" && options.split(',').any(|option| option == name),
        };
        let mut fields = fields.split(' ').skip(3);
        right.then(|| Some((fields.next()?, fields.next()?))).flatten()
    })?;
    let below = Path::new(path).strip_prefix(root).ok()?;
    Some(Path::new(point).join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        35 31 0:32 /docker/ab /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn finds_our_own_cgroup_of_each_version() {
        let own = "8:pids:/\n4:memory:/docker/ab/c\n0::/user.slice/x.scope\n";
        assert_eq!(controller(own, MOUNTS, "memory"), Some("/sys/fs/cgroup/memory/c".into()));
        assert_eq!(controller(own, MOUNTS, ""), Some("/sys/fs/cgroup/unified/user.slice/x.scope".into()));
        assert_eq!(controller(own, MOUNTS, "pids"), None, "there is no such mount");
        assert_eq!(controller("4:memory:/other\n", MOUNTS, "memory"), None, "it lies outside of what is mounted");
    }

    #[test]
    fn a_cgroup_of_a_dead_runner_is_left_behind_and_a_live_ones_is_not() {
        assert!(is_left_behind("nanoclaw-4194305-a"));
        assert!(!is_left_behind(&format!("nanoclaw-{}-a", std::process::id())));
        assert!(!is_left_behind("system.slice"));
    }
}
