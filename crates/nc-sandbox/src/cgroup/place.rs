//! Where a cgroup for a sandbox can be made.
//!
//! | version | where | who gave it to us |
//! | --- | --- | --- |
//! | 2 | below our own cgroup, which holds nothing but this program | systemd's `Delegate=` |
//! | 1 | below our own cgroup | nobody: only root may |
//! | 1 | in [`SHARED`] beside our own cgroup | `nc-sandboxes.service`, since systemd delegates nothing of version 1 to a user |

use std::fs;
use std::path::{Path, PathBuf};

use super::{Cgroup, Enforcement};
use crate::{Limits, SandboxError};

/// The cgroup beside those of the runners in which sandboxes have theirs.
const SHARED: &str = "sandboxes";

/// The cgroup in [`SHARED`] in which runners are once they have started a sandbox: they may not go back to their own.
const RUNNERS: &str = "runners";

/// Where cgroups of sandboxes can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Below these directories.
    Legacy {
        /// The directory of the controller `memory`.
        memory: PathBuf,
        /// The directory of the controller `pids`.
        pids: PathBuf,
        /// Where this program is when it is not in a sandbox's cgroup, below both; empty for the directories themselves.
        home: &'static str,
    },
    /// Below our own delegated cgroup.
    Unified(PathBuf),
}

impl Place {
    /// Finds where cgroups can be made; none where only limits of each process are left.
    pub(crate) fn find() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::unified(&own, &mounts).or_else(|| Self::legacy(&own, &mounts))
    }

    fn legacy(own: &str, mounts: &str) -> Option<Self> {
        let memory = controller(own, mounts, "memory")?;
        let pids = controller(own, mounts, "pids")?;
        let may_make = |memory: &Path, pids: &Path| may_write(memory) && may_write(pids);
        if may_make(&memory, &pids) {
            return Some(Self::Legacy { memory, pids, home: "" });
        }
        let (memory, pids) = (memory.with_file_name(SHARED), pids.with_file_name(SHARED));
        may_make(&memory, &pids).then_some(Self::Legacy { memory, pids, home: RUNNERS })
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
    pub(crate) fn enforcement(&self) -> Enforcement {
        match self {
            Self::Legacy { .. } => Enforcement::Legacy,
            Self::Unified(_) => Enforcement::Unified,
        }
    }

    /// Makes the cgroup `name` with `limits`.
    ///
    /// # Errors
    /// [`SandboxError`] where the system refuses; nothing of it stays then.
    pub(crate) fn make(self, name: &str, limits: Limits) -> Result<Cgroup, SandboxError> {
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

fn may_write(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok()
}

/// Where our own cgroup of `controller` is in the file system; the empty name is version 2.
pub(super) fn controller(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
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
}
