//! How often the limits of a cgroup were reached, as the kernel counts it.

use std::fs;
use std::path::{Path, PathBuf};

use super::place::controller;

/// How a cgroup of systemd's begins that holds one runner with its sandbox and nothing else.
const UNIT: &str = "nc-runner@";

/// Where the kernel counts for one cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Events {
    memory: PathBuf,
    pids: PathBuf,
}

/// How often limits were reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// How many processes the kernel ended because memory was used up.
    pub memory: u64,
    /// How often a process could not be made because there were as many as allowed.
    pub processes: u64,
}

impl Events {
    pub(super) fn legacy(memory: &Path, pids: &Path) -> Self {
        Self { memory: memory.join("memory.oom_control"), pids: pids.join("pids.events") }
    }

    pub(super) fn unified(group: &Path) -> Self {
        Self { memory: group.join("memory.events"), pids: group.join("pids.events") }
    }

    /// Those of the unit that this program is in, where it has one for its sandbox and itself. Elsewhere they would count
    /// what others do.
    pub(crate) fn of_unit() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::of_unit_in(&own, &mounts)
    }

    fn of_unit_in(own: &str, mounts: &str) -> Option<Self> {
        let is_unit = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNIT));
        let legacy = || {
            let memory = controller(own, mounts, "memory").filter(is_unit)?;
            Some(Self::legacy(&memory, &controller(own, mounts, "pids").filter(is_unit)?))
        };
        legacy().or_else(|| controller(own, mounts, "").filter(is_unit).map(|group| Self::unified(&group)))
    }

    /// How often so far.
    pub(crate) fn reached(&self) -> Reached {
        Reached { memory: count(&self.memory, "oom_kill "), processes: count(&self.pids, "max ") }
    }
}

impl Reached {
    /// How much of it is new since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            memory: self.memory.saturating_sub(before.memory),
            processes: self.processes.saturating_sub(before.processes),
        }
    }
}

fn count(file: &Path, key: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    count.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(group.path().join(name), text).unwrap();
        write("pids.events", "max 317\n");
        write("memory.events", "low 0\nhigh 0\nmax 55\noom 3\noom_kill 2\noom_group_kill 0\n");
        write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
        let unified = Events::unified(group.path()).reached();
        assert_eq!(unified, Reached { memory: 2, processes: 317 });
        assert_eq!(Events::legacy(group.path(), group.path()).reached(), Reached { memory: 1, processes: 317 });
        assert_eq!(unified.since(Reached { memory: 1, processes: 0 }), Reached { memory: 1, processes: 317 });
        assert_eq!(Events::unified(Path::new("/nowhere")).reached(), Reached::default());
    }

    #[test]
    fn a_cgroup_is_a_runners_where_its_unit_is() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let group = Path::new("/sys/fs/cgroup/x.slice/nc-runner@3-1-0.service");
        assert_eq!(Events::of_unit_in("0::/x.slice/nc-runner@3-1-0.service\n", mounts), Some(Events::unified(group)));
        assert_eq!(Events::of_unit_in("0::/user.slice/session-1.scope\n", mounts), None);
    }
}
