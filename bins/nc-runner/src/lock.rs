//! The lock of a session: one run at a time, whatever is killed.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use tracing::warn;

/// A session's lock. It is free when every copy of its descriptor is closed: ours and the one that the sandbox's first process
/// holds. It is never unlocked by a call, which would free it for the others too.
#[derive(Debug)]
pub(crate) struct SessionLock {
    file: File,
}

impl SessionLock {
    /// Takes the lock without waiting; none where somebody has it. A sandbox that has it without a runner is ended first.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags.bits());
        nc_failpoint::before("session", "take_lock")?;
        let file = options.open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file: move it away"));
        }
        if try_lock(&file)? || (ended_an_orphan(&file) && try_lock(&file)?) {
            return Ok(Some(Self { file }));
        }
        Ok(None)
    }

    /// A copy for the sandbox.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Ends what holds the lock and lost its runner while it was being built: nobody else would.
fn ended_an_orphan(file: &File) -> bool {
    match nc_sandbox::end_orphans(file) {
        Ok(false) => false,
        Ok(true) => {
            warn!("a sandbox whose runner was killed while it was being built is ended");
            true
        }
        Err(error) => {
            warn!("cannot look for a sandbox without a runner: {error}");
            false
        }
    }
}
