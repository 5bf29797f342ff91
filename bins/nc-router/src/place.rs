//! The directories in which a session's mailbox lies, and who may enter them.
//!
//! One user's installation is closed to others. One that several users share, each program under its own, has directories
//! that the group writes and that hand their group on: there the group enters `in/` and takes the lock, and still only the
//! router writes.

use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nc_config::SessionDir;
use nix::fcntl::OFlag;

use crate::mailboxes::MailError;

/// `inbox/` is read by the sandbox's user; `in/`, which no stranger enters, keeps the host's users out.
const INBOX_MODE: u32 = 0o755;
const PRIVATE_MODE: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
/// A directory that its group may write, and that hands its group on.
const SHARED: u32 = 0o2020;
const SHARED_MODE: u32 = 0o2770;
/// `in/` below such a directory: the group looks, and writes nothing.
const SHARED_IN_MODE: u32 = 0o2750;
/// The lock in it, which nc-runner opens for writing under a user of its own.
const SHARED_LOCK_MODE: u32 = 0o660;
const GROUP_ENTERS: u32 = 0o2010;
const PERMISSIONS: u32 = 0o7777;

/// Makes what is missing of a session's directory; `work/` is the runner's.
pub(crate) fn make_place(dir: &SessionDir) -> Result<(), MailError> {
    make_above(&dir.root)?;
    let shared = is(&dir.root, SHARED).map_err(MailError::place("look at", &dir.root))?;
    make_dir(&dir.in_dir, if shared { SHARED_IN_MODE } else { PRIVATE_MODE })?;
    make_dir(&dir.inbox, INBOX_MODE)?;
    lock_file(&dir.lock)?;
    Ok(())
}

/// The session's lock, made where it is missing.
pub(crate) fn lock_file(path: &Path) -> Result<File, MailError> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE).custom_flags(flags.bits());
    nc_failpoint::before("session", "open_lock").map_err(MailError::place("open", path))?;
    let lock = options.open(path).map_err(MailError::place("open", path))?;
    let shared = path.parent().is_some_and(|dir| is(dir, GROUP_ENTERS).unwrap_or(false));
    let found = lock.metadata().map_err(MailError::place("look at", path))?;
    if shared && found.is_file() && permissions(&found) != SHARED_LOCK_MODE {
        let set = lock.set_permissions(Permissions::from_mode(SHARED_LOCK_MODE));
        set.map_err(MailError::place("set the mode of", path))?;
    }
    Ok(lock)
}

/// Makes a directory and those above it: shared below one that is, everything else private.
fn make_above(path: &Path) -> Result<(), MailError> {
    if path.is_dir() {
        return Ok(());
    }
    let Some(above) = path.parent() else { return Ok(()) };
    make_above(above)?;
    nc_failpoint::before("session", "make_above").map_err(MailError::place("make", path))?;
    match DirBuilder::new().mode(PRIVATE_MODE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(MailError::place("make", path))?,
    }
    if is(above, SHARED).map_err(MailError::place("look at", above))? {
        set_mode(path, SHARED_MODE)?;
    }
    Ok(())
}

fn make_dir(path: &Path, mode: u32) -> Result<(), MailError> {
    nc_failpoint::before("session", "make_directory").map_err(MailError::place("make", path))?;
    DirBuilder::new().recursive(true).mode(PRIVATE_MODE).create(path).map_err(MailError::place("make", path))?;
    set_mode(path, mode)
}

/// Sets the mode where it is another. A directory that hands its group on keeps doing so.
fn set_mode(path: &Path, mode: u32) -> Result<(), MailError> {
    let found = fs::metadata(path).map_err(MailError::place("look at", path))?;
    let mode = mode | permissions(&found) & 0o2000;
    if permissions(&found) == mode {
        return Ok(());
    }
    nc_failpoint::before("session", "set_mode").map_err(MailError::place("set the mode of", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(MailError::place("set the mode of", path))
}

fn is(path: &Path, bits: u32) -> io::Result<bool> {
    Ok(permissions(&fs::metadata(path)?) & bits == bits)
}

fn permissions(found: &Metadata) -> u32 {
    found.mode() & PERMISSIONS
}

#[cfg(test)]
mod tests;
