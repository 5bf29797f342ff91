//! The other side: to hold the sockets of programs, start them, hear that they are ready and how they ended. For
//! `nanoclawctl up`, where no init system does it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{MsgFlags, recv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::net::UnixDatagram;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::address::{Placed, bind_replacing};
use crate::{inherited, supervisor};

/// Longest notification that is read; `sd_notify(3)` knows no limit, ours are one short line.
const MAX_NOTIFICATION: usize = 4096;

/// A doorbell that is held for a program, which may come and go. Its file goes with this value.
#[derive(Debug)]
pub struct HeldBell {
    socket: OwnedFd,
    _placed: Placed,
}

impl HeldBell {
    /// Makes a doorbell at `path` (0600, or 0660 in a directory that its group shares, replacing an old socket).
    ///
    /// # Errors
    /// As bind(2), and `AlreadyExists` where something that is not a socket is there.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let (socket, placed) = bind_replacing(path, |address| StdDatagram::bind(address))?;
        Ok(Self { socket: socket.into(), _placed: placed })
    }

    /// Passes the bell to what `command` starts, as a socket unit would. To be used with [`supervise`]: `LISTEN_PID` is
    /// not set, since the child's process id is not known before it is there.
    ///
    /// # Errors
    /// Where no descriptor is left, or another one was mapped to the same number.
    pub fn pass(&self, command: &mut Command) -> io::Result<()> {
        let mapping = FdMapping { parent_fd: self.socket.try_clone()?, child_fd: inherited::FIRST };
        command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "bell");
        Ok(())
    }
}

/// Makes what `command` starts a child that ends with us, in a process group of its own, so that an interrupt at the
/// terminal reaches only us and we say who stops when.
///
/// The main thread must start it: the kernel takes the end of the starting *thread* for the end of the parent.
pub fn supervise(command: &mut Command) {
    command.env(supervisor::VARIABLE, std::process::id().to_string()).process_group(0);
}

/// Binds our own life to that of a parent that started us by [`supervise`]; false where it is gone already, and we should
/// be. Without such a parent nothing happens. [`crate::run`] does it for daemons.
#[must_use]
pub fn end_with_parent() -> bool {
    !matches!(supervisor::Supervisor::attach(), supervisor::Supervisor::Gone)
}

/// Where one program says that it is ready. The socket's file goes with this value.
#[derive(Debug)]
pub struct Readiness {
    socket: UnixDatagram,
    path: PathBuf,
    _placed: Placed,
}

impl Readiness {
    /// Listens at `path`; needs a tokio runtime.
    ///
    /// # Errors
    /// As bind(2), and `AlreadyExists` where something that is not a socket is there.
    pub fn listen(path: &Path) -> io::Result<Self> {
        let (socket, placed) = bind_replacing(path, |address| UnixDatagram::bind(address))?;
        Ok(Self { socket, path: path.to_owned(), _placed: placed })
    }

    /// Tells what `command` starts where to say it, and forgets what an earlier one has said.
    pub fn expect(&self, command: &mut Command) {
        let mut buffer = [0; 16];
        while recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT).is_ok() {}
        command.env("NOTIFY_SOCKET", &self.path);
    }

    /// Returns when the program says `READY=1`. Nothing is lost when the future is dropped before.
    pub async fn ready(&self) {
        let mut buffer = [0; MAX_NOTIFICATION];
        loop {
            match self.socket.recv(&mut buffer).await {
                Ok(length) if buffer[..length].split(|&b| b == b'\n').any(|line| line == b"READY=1") => return,
                Ok(_) => {}
                // The runtime is going away: nobody will say it.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By a signal.
    Killed(Signal),
    /// By a signal that has no name (a real-time one).
    KilledNameless,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "ended with status {status}"),
            Self::Killed(signal) => write!(f, "was killed by {signal}"),
            Self::KilledNameless => write!(f, "was killed by a real-time signal"),
        }
    }
}

/// Starts children and takes their ends, and those of orphans that a first process inherits.
///
/// Nothing else in the process may wait for children. Until its end was returned a child's process id is not given to
/// another process, so it is safe to signal it.
#[derive(Debug)]
pub struct Children {
    signal: Stream,
    alive: BTreeSet<i32>,
}

impl Children {
    /// Begins to listen for ends; needs a tokio runtime.
    ///
    /// # Errors
    /// As sigaction(2), or where the runtime has no signal driver.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { signal: signal(SignalKind::child())?, alive: BTreeSet::new() })
    }

    /// Starts a child and returns its process id.
    ///
    /// # Errors
    /// As fork(2) and execve(2).
    pub fn spawn(&mut self, command: &mut Command) -> io::Result<i32> {
        let pid = i32::try_from(command.spawn()?.id()).map_err(io::Error::other)?;
        self.alive.insert(pid);
        Ok(pid)
    }

    /// The next child that ended. Nothing is lost when the future is dropped before.
    pub async fn next(&mut self) -> (i32, Ended) {
        loop {
            // One signal may stand for several ends: look until there is none, then wait.
            while let Some((pid, ended)) = self.reap() {
                if self.alive.remove(&pid) {
                    return (pid, ended);
                }
            }
            if self.signal.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn reap(&self) -> Option<(i32, Ended)> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) => return Some((pid.as_raw(), Ended::Exited(status))),
                Ok(WaitStatus::Signaled(pid, signal, _)) => return Some((pid.as_raw(), Ended::Killed(signal))),
                // A status that nix cannot name has been taken all the same: see who is missing.
                Err(Errno::EINVAL) => {
                    if let Some(pid) = self.missing() {
                        return Some((pid, Ended::KilledNameless));
                    }
                }
                Ok(WaitStatus::StillAlive) => return None,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }

    fn missing(&self) -> Option<i32> {
        self.alive.iter().copied().find(|&pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH))
    }
}
