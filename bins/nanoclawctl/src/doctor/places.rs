//! Directories: whether they are there, whose they are, and whether there is room.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::Check;
use crate::installed::Installed;

/// Less room than this is said: what one busy day of files and logs may take. A guess.
const LITTLE: u64 = 1 << 30;

/// Less room than this stops the store: its write-ahead log may grow to 64 MiB.
const TOO_LITTLE: u64 = 64 << 20;

const OTHERS_WRITE: u32 = 0o002;

/// The installation's own directories.
pub(super) fn directories(installed: &Installed) -> Vec<Check> {
    let paths = installed.paths();
    let owner = fs::metadata(paths.dir()).map(|found| found.uid()).unwrap_or_default();
    let all = [paths.dir(), paths.store_dir(), paths.groups_dir(), paths.data_dir(), paths.run_dir()];
    all.into_iter().map(|dir| directory(dir, owner)).collect()
}

fn directory(dir: &Path, owner: u32) -> Check {
    const NAME: &str = "directory";
    let found = match fs::metadata(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Check::ok(NAME, format!("{} is not there yet and is made when it is needed", dir.display()));
        }
        Err(error) => {
            let mend = "look at the owners and modes of the directories above it";
            return Check::fail(NAME, format!("{} cannot be looked at: {error}", dir.display()), mend);
        }
    };
    let shown = format!("{} (uid {}, mode {:04o})", dir.display(), found.uid(), found.mode() & 0o7777);
    if !found.is_dir() {
        return Check::fail(
            NAME,
            format!("{shown} is not a directory"),
            "move it away, or change the key in nanoclaw.toml",
        );
    }
    if access(dir, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        return Check::fail(
            NAME,
            format!("{shown} may not be used by this user"),
            "run this as its owner, or chown it",
        );
    }
    if found.mode() & OTHERS_WRITE != 0 {
        return Check::fail(
            NAME,
            format!("{shown} can be written by everybody"),
            format!("chmod o-w {}", dir.display()),
        );
    }
    if found.uid() != owner && found.uid() != 0 {
        let mend = format!("chown {owner} {}, if one user is to own the installation", dir.display());
        return Check::warn(NAME, format!("{shown} belongs to another user than the installation"), mend);
    }
    Check::ok(NAME, shown)
}

/// Room on the disk of the store.
pub(super) fn disk(installed: &Installed) -> Check {
    const NAME: &str = "disk space";
    let store = installed.paths().store_dir();
    let dir = if store.is_dir() { store } else { installed.paths().dir() };
    let free = match statvfs(dir) {
        Ok(found) => found.blocks_available().saturating_mul(found.fragment_size()),
        Err(error) => {
            return Check::warn(NAME, format!("the disk of {} cannot be asked: {error}", dir.display()), "look at df");
        }
    };
    let found = format!("{} MiB are free for {}", free >> 20, dir.display());
    if free < TOO_LITTLE {
        Check::fail(NAME, found, "make room: nothing can be stored without, and programs end with status 75")
    } else if free < LITTLE {
        Check::warn(NAME, found, "make room before it is needed")
    } else {
        Check::ok(NAME, found)
    }
}
