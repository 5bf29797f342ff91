//! Gives files to the user that a sandbox runs as.
//!
//! An agent may have made what lies in these trees, so no link is followed and every step is taken from an open directory.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmod, fchmodat, fstat, fstatat};
use nix::unistd::{Gid, Uid, fchownat, geteuid};
use rustix::fs::XattrFlags;

use crate::{Identity, SandboxError};

/// How deep a tree is given away. What lies deeper was made by the agent, and is its own already.
const DEEPEST: usize = 64;

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Gives the file or directory `path` to `identity`, with everything in it, where we are root.
///
/// Where the directory is theirs already only what lies directly in it is looked at: what an administrator put there.
/// Nothing happens for [`Identity::Own`].
///
/// # Errors
/// [`SandboxError`] where something cannot be given away.
pub fn give_tree(path: &Path, identity: Identity) -> Result<(), SandboxError> {
    let Identity::Drop { uid, gid } = identity else { return Ok(()) };
    nc_failpoint::before("tree", "give")
        .map_err(|error| SandboxError::file("give to the sandbox's user", path, error))?;
    let owner = Owner { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) };
    let failed = |errno| SandboxError::file("give to the sandbox's user", path, errno);
    let top = fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed)?;
    owner.take(AT_FDCWD, path, &top).map_err(failed)?;
    if kind(&top) == SFlag::S_IFDIR {
        let directory = openat(AT_FDCWD, path, DIRECTORY, Mode::empty()).map_err(failed)?;
        let reach = if owner.has(&top) { Reach::Strangers } else { Reach::Everything };
        owner.take_all(directory, reach, DEEPEST).map_err(failed)?;
    }
    Ok(())
}

/// Lets `identity` read what is put into the directory `path` from now on, where we are root.
///
/// It is a default access list: whoever makes a file there with the ordinary mode makes it readable, whatever his umask.
/// On a file system without such lists nothing happens, and what comes while a sandbox lives is readable in the next.
///
/// # Errors
/// [`SandboxError`] where the list cannot be set for another reason.
pub fn let_read_tree(path: &Path, identity: Identity) -> Result<(), SandboxError> {
    let Identity::Drop { uid, .. } = identity else { return Ok(()) };
    let failed = |errno: std::io::Error| SandboxError::file("let the sandbox's user read", path, errno);
    let directory = openat(AT_FDCWD, path, DIRECTORY, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    set_default(
        &directory,
        &[(OWNER, 7, NOBODY), (USER, 5, uid), (GROUP, 0, NOBODY), (MASK, 5, NOBODY), (OTHERS, 0, NOBODY)],
    )
    .map_err(failed)
}

/// Leaves it to the owner of the directory `path`, where that is us, to write there: its group reads what is made there from
/// now on, as the default access list says that it gets. Nothing happens where the group could not write.
///
/// # Errors
/// [`SandboxError`] where the mode or the list cannot be set.
pub fn let_group_only_read(path: &Path) -> Result<(), SandboxError> {
    let failed = |errno: std::io::Error| SandboxError::file("keep for its owner", path, errno);
    let directory = openat(AT_FDCWD, path, DIRECTORY, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let found = fstat(&directory).map_err(|errno| failed(errno.into()))?;
    let mode = Mode::from_bits_truncate(found.st_mode);
    if !mode.contains(Mode::S_IWGRP) || found.st_uid != geteuid().as_raw() {
        return Ok(());
    }
    set_default(&directory, &[(OWNER, 7, NOBODY), (GROUP, 5, NOBODY), (OTHERS, 0, NOBODY)]).map_err(failed)?;
    fchmod(&directory, mode - Mode::S_IWGRP).map_err(|errno| failed(errno.into()))
}

/// Sets the default access list of a directory, where the file system has such lists.
fn set_default(directory: &OwnedFd, entries: &[Entry]) -> std::io::Result<()> {
    let list = access_list(entries);
    match rustix::fs::fsetxattr(directory, "system.posix_acl_default", &list, XattrFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives the owner of the directory `path` back what it takes to use it and what lies directly in it, where that is `identity`: an
/// agent may have shut itself out.
///
/// What lies deeper keeps no agent from starting, and is its own to open.
///
/// # Errors
/// [`SandboxError`] where a mode cannot be changed.
pub fn let_owner_use(path: &Path, identity: Identity) -> Result<(), SandboxError> {
    let owner = match identity {
        Identity::Own => geteuid(),
        Identity::Drop { uid, .. } => Uid::from_raw(uid),
    };
    let failed = |errno| SandboxError::file("open for its owner", path, errno);
    unlock(AT_FDCWD, path, owner).map_err(failed)?;
    let directory = match openat(AT_FDCWD, path, DIRECTORY, Mode::empty()) {
        // Somebody else's, who knows why.
        Err(nix::Error::EACCES | nix::Error::ENOENT | nix::Error::ENOTDIR | nix::Error::ELOOP) => return Ok(()),
        directory => directory.map_err(failed)?,
    };
    let mut entries = Dir::from_fd(directory).map_err(failed)?;
    let names: Vec<_> = entries.iter().filter_map(Result::ok).map(|entry| entry.file_name().to_owned()).collect();
    for name in names.iter().filter(|name| !matches!(name.as_bytes(), b"." | b"..")) {
        match unlock(&entries, Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())), owner) {
            // A run of the same group may have removed it, or put something else in its place.
            Ok(()) | Err(nix::Error::ENOENT | nix::Error::ENOTDIR | nix::Error::ELOOP) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(())
}

/// Lets `owner` read and write the file, or enter the directory, where it is theirs. Links and all else are left as they are.
fn unlock(at: impl AsFd, name: &Path, owner: Uid) -> nix::Result<()> {
    if wanted(&fstatat(&at, name, AtFlags::AT_SYMLINK_NOFOLLOW)?, owner).is_none() {
        return Ok(());
    }
    let held = openat(&at, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?;
    let Some(mode) = wanted(&fstat(&held)?, owner) else { return Ok(()) };
    // A descriptor that only names something cannot be changed by itself, but the way to it leads nowhere else.
    let way = format!("/proc/self/fd/{}", held.as_raw_fd());
    fchmodat(AT_FDCWD, way.as_str(), mode, FchmodatFlags::FollowSymlink)
}

/// The mode that something of `owner` needs; none where it is as it should be.
fn wanted(stat: &FileStat, owner: Uid) -> Option<Mode> {
    let needed = match kind(stat) {
        SFlag::S_IFDIR => Mode::S_IRWXU,
        SFlag::S_IFREG => Mode::S_IRUSR | Mode::S_IWUSR,
        _ => return None,
    };
    let mode = Mode::from_bits_truncate(stat.st_mode);
    (stat.st_uid == owner.as_raw() && !mode.contains(needed)).then_some(mode | needed)
}

/// Whom an entry of an access list is for, what they may (as in a mode), and which user or group it is.
type Entry = (u16, u16, u32);

const OWNER: u16 = 1;
const USER: u16 = 2;
const GROUP: u16 = 4;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;
const NOBODY: u32 = u32::MAX;

/// An access list as acl(5) and the kernel's `posix_acl_xattr.h` lay it out.
fn access_list(entries: &[Entry]) -> Vec<u8> {
    const VERSION: u32 = 2;
    let words = entries
        .iter()
        .flat_map(|(tag, may, id)| [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat());
    VERSION.to_le_bytes().into_iter().chain(words).collect()
}

struct Owner {
    uid: Uid,
    gid: Gid,
}

impl Owner {
    fn has(&self, stat: &FileStat) -> bool {
        stat.st_uid == self.uid.as_raw()
    }

    fn take(&self, at: impl AsFd, name: &Path, stat: &FileStat) -> nix::Result<()> {
        if self.has(stat) {
            return Ok(());
        }
        fchownat(at, name, Some(self.uid), Some(self.gid), AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    fn take_all(&self, directory: OwnedFd, reach: Reach, depth: usize) -> nix::Result<()> {
        let mut entries = Dir::from_fd(directory)?;
        let names: Vec<_> = entries.iter().filter_map(Result::ok).map(|entry| entry.file_name().to_owned()).collect();
        for name in names.iter().filter(|name| !matches!(name.as_bytes(), b"." | b"..")) {
            match self.take_entry(&entries, name, reach, depth) {
                // A run of the same group may have removed it, or put something else in its place.
                Ok(()) | Err(nix::Error::ENOENT | nix::Error::ENOTDIR | nix::Error::ELOOP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn take_entry(&self, directory: &Dir, name: &CStr, reach: Reach, depth: usize) -> nix::Result<()> {
        let name = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        self.take(directory, name, &stat)?;
        let enter = reach == Reach::Everything || !self.has(&stat);
        if kind(&stat) != SFlag::S_IFDIR || !enter || depth == 0 {
            return Ok(());
        }
        let below = openat(directory, name, DIRECTORY, Mode::empty())?;
        self.take_all(below, Reach::Everything, depth - 1)
    }
}

/// Which directories are entered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// All.
    Everything,
    /// Those that are not the sandbox's user's yet.
    Strangers,
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}
