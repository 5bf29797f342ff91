//! Where mounts land inside a directory that an agent writes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, fchownat};

use crate::{Identity, SandboxError};

/// Something on which a mount lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point<'a> {
    /// A directory of this name.
    Directory(&'a str),
    /// A plain file of this name.
    File(&'a str),
}

impl Point<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Directory(name) | Self::File(name) => name,
        }
    }

    fn kind(&self) -> SFlag {
        match self {
            Self::Directory(_) => SFlag::S_IFDIR,
            Self::File(_) => SFlag::S_IFREG,
        }
    }
}

/// Makes the mount points in `directory`, and moves away what an agent may have put in their place.
///
/// bubblewrap would follow a link there, and mount into whatever it led to. The caller holds the session's lock, so
/// nothing changes between this and the start. What is moved away is called `misplaced-<suffix>-<name>`.
///
/// # Errors
/// [`SandboxError`] where one cannot be made.
pub fn prepare(directory: &Path, points: &[Point<'_>], identity: Identity, suffix: &str) -> Result<(), SandboxError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let opened = open(directory, flags, Mode::empty()).map_err(|e| SandboxError::file("open", directory, e))?;
    for point in points {
        one(&opened, point, identity, suffix)
            .map_err(|e| SandboxError::file("make", directory.join(point.name()), e))?;
    }
    Ok(())
}

fn one(directory: &OwnedFd, point: &Point<'_>, identity: Identity, suffix: &str) -> Result<(), io::Error> {
    let name = point.name();
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == point.kind() => return Ok(()),
        Ok(_) => nc_failpoint::before("points", "move")
            .and_then(|()| Ok(renameat(directory, name, directory, format!("misplaced-{suffix}-{name}").as_str())?))?,
        Err(nix::Error::ENOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    nc_failpoint::before("points", "make")?;
    match point {
        Point::Directory(_) => mkdirat(directory, name, Mode::from_bits_truncate(0o755))?,
        Point::File(_) => drop(make_file(directory, name)?),
    }
    if let Identity::Drop { uid, gid } = identity {
        nc_failpoint::before("points", "give")?;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        fchownat(directory, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

fn make_file(directory: impl AsFd, name: &str) -> Result<File, nix::Error> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, name, flags, Mode::from_bits_truncate(0o644)).map(File::from)
}
