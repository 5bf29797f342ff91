//! Processes of the host by number, without mistaking one for a later one of the same number.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::SandboxError;

/// A process, held so that its number cannot become another's.
#[derive(Debug)]
pub(crate) struct Process {
    pid: i32,
    handle: OwnedFd,
}

impl Process {
    /// Takes hold of process `pid`; none where it is gone.
    pub(crate) fn open(pid: i32) -> Result<Option<Self>, SandboxError> {
        let Some(raw) = Pid::from_raw(pid) else { return Ok(None) };
        match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(handle) => Ok(Some(Self { pid, handle })),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(errno) => Err(SandboxError::System { operation: "take hold of a process", source: errno.into() }),
        }
    }

    /// Takes hold of process `pid` where it is a child of `parent`.
    pub(crate) fn open_child(pid: i32, parent: i32) -> Result<Option<Self>, SandboxError> {
        Ok(Self::open(pid)?.filter(|_| field(pid, "PPid:").is_some_and(|f| f == parent.to_string())))
    }

    /// Takes hold of process `pid`, which was made by `parent` as the first of a namespace: it stays that when `parent` is gone.
    pub(crate) fn open_first(pid: i32, parent: i32) -> Result<Option<Self>, SandboxError> {
        let is_first = || field(pid, "NSpid:").is_some_and(|f| f.split_whitespace().skip(1).last() == Some("1"));
        let is_child = || field(pid, "PPid:").is_some_and(|f| f == parent.to_string());
        Ok(Self::open(pid)?.filter(|_| is_child() || is_first()))
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends `signal`; false where the process is gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<bool, SandboxError> {
        match pidfd_send_signal(&self.handle, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(errno) => Err(SandboxError::System { operation: "signal a process", source: errno.into() }),
        }
    }

    /// Waits until the process is gone, and with the first process of a pid namespace everything in that namespace;
    /// false where that takes longer than `longest`.
    pub(crate) fn gone_within(&self, longest: Duration) -> Result<bool, SandboxError> {
        wait_readable([self.handle.as_fd()], longest)
    }

    /// Waits until `fd` can be read, its other end is gone, or the process is; false where that takes longer than `longest`.
    pub(crate) fn says_within(&self, fd: BorrowedFd<'_>, longest: Duration) -> Result<bool, SandboxError> {
        wait_readable([fd, self.handle.as_fd()], longest)
    }

    /// The process that is number 2 in the namespace of which this one is number 1.
    pub(crate) fn second_in_namespace(&self) -> Option<i32> {
        let pid = self.pid;
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let second = |child: &i32| field(*child, "NSpid:").is_some_and(|f| f.split_whitespace().last() == Some("2"));
        children.split_whitespace().filter_map(|child| child.parse().ok()).find(second)
    }
}

/// Waits until one of `fds` can be read or its other end is gone; false where that takes longer than `longest`.
fn wait_readable<const N: usize>(fds: [BorrowedFd<'_>; N], longest: Duration) -> Result<bool, SandboxError> {
    let until = Instant::now() + longest;
    let mut fds = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(nix::Error::EINTR) => {}
            Err(errno) => return Err(SandboxError::system("wait for a process")(errno)),
        }
    }
}

/// What a process is called for as long as the machine runs: its number and when it started, in ticks since boot.
pub(crate) fn lasting_name(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program is in parentheses and may hold anything; field 22 is the 20th after it.
    let started = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{pid}@{started}"))
}

/// Waits until the sandbox that [`Sandbox::id`](crate::Sandbox::id) named is gone with everything in it; false where that takes longer.
///
/// The lock of a session is free as soon as the sandbox's first process has closed its descriptors, which is a moment
/// before the last process in it is gone.
///
/// # Errors
/// [`SandboxError`] where the system does not say.
pub fn wait_until_gone(id: &str, longest: Duration) -> Result<bool, SandboxError> {
    let Some(name) = id.strip_prefix("bubblewrap:") else { return Ok(true) };
    let Some(pid) = name.split('@').next().and_then(|pid| pid.parse().ok()) else { return Ok(true) };
    let Some(process) = Process::open(pid)? else { return Ok(true) };
    if lasting_name(pid).is_none_or(|present| present != name) {
        return Ok(true);
    }
    process.gone_within(longest)
}

/// A field of what the kernel says of a process, such as `PPid:`.
pub(crate) fn field(pid: i32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_of_its_number() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let name = lasting_name(pid).unwrap();
        let soon = Duration::from_millis(1);
        assert!(!wait_until_gone(&format!("bubblewrap:{name}"), soon).unwrap());
        assert!(wait_until_gone(&format!("bubblewrap:{name}0"), soon).unwrap());
        assert!(wait_until_gone("bubblewrap:nonsense", soon).unwrap());
        assert!(wait_until_gone("docker:abc", soon).unwrap());
    }
}
