//! One of a kind: a lock of the kernel on a file, free at the moment its holder is gone.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// A lock that is held until this value is dropped. The file stays where it is: to remove it would make two locks of one.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

/// A lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it; who, where it can be known.
    #[error("{path:?} is held by {}", holder(*pid))]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// The process that wrote its number into the file.
        pid: Option<i32>,
    },
    /// The system refused.
    #[error("lock {path:?}")]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn holder(pid: Option<i32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Takes the lock at `path` (made 0600 where it is missing) without waiting, and writes our process id into it.
///
/// # Errors
/// [`LockError::Held`] where another process has it, [`LockError::Io`] for everything else.
pub fn lock(path: &Path) -> Result<Lock, LockError> {
    take(path, FlockArg::LockExclusiveNonblock)
}

/// Takes the lock at `path` as [`lock`] does, but waits up to `patience` for whoever has it.
///
/// The waiting is the kernel's: a thread stands in line. Where patience ends the thread stays in line until the process
/// ends or it gets the lock, which it then lets go.
///
/// # Errors
/// [`LockError::Held`] where another process still has it after `patience`, [`LockError::Io`] for everything else.
pub fn lock_within(path: &Path, patience: Duration) -> Result<Lock, LockError> {
    match lock(path) {
        Err(LockError::Held { .. }) => {}
        done => return done,
    }
    let (done, answer) = std::sync::mpsc::sync_channel(0);
    let file = path.to_owned();
    std::thread::spawn(move || done.send(take(&file, FlockArg::LockExclusive)));
    match answer.recv_timeout(patience) {
        Ok(result) => result,
        Err(_) => Err(LockError::Held { path: path.to_owned(), pid: written_pid(path) }),
    }
}

fn take(path: &Path, how: FlockArg) -> Result<Lock, LockError> {
    let failed = |source| LockError::Io { path: path.to_owned(), source };
    nc_failpoint::before("lock", "open").map_err(failed)?;
    let file = open(path).map_err(failed)?;
    match Flock::lock(file, how) {
        Ok(mut file) => {
            // A courtesy to whoever comes second; on a full disk the lock holds without it.
            let _unsigned = nc_failpoint::before("lock", "write").and_then(|()| write_pid(&mut file));
            Ok(Lock { _file: file })
        }
        Err((_, Errno::EWOULDBLOCK)) => Err(LockError::Held { path: path.to_owned(), pid: written_pid(path) }),
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits())
        .open(path)
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn written_pid(path: &Path) -> Option<i32> {
    let mut text = String::new();
    // A number and a newline; whatever else is there is not ours.
    File::open(path).ok()?.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
