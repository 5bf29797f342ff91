//! SQLite's locks on its file, taken as open file description locks: never waiting, and gone with the handle.
//!
//! The bytes are those of SQLite's `os_unix.c`: pending, reserved, and a range of 510 for the readers.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_RDLCK, F_UNLCK, F_WRLCK, SEEK_SET, c_int, flock, off_t};

const PENDING: off_t = 0x4000_0000;
const RESERVED: off_t = PENDING + 1;
const SHARED: off_t = PENDING + 2;
const SHARED_SIZE: off_t = 510;

/// SQLite's shared lock on a file, held while this lives.
#[derive(Debug)]
pub(super) struct SharedLock<'f> {
    file: &'f File,
}

impl<'f> SharedLock<'f> {
    /// Takes the lock as a reader of SQLite does; none where a writer commits, or waits for the readers to leave.
    ///
    /// The pending byte is held while the range is taken, so that a writer that waits is not passed by.
    pub(super) fn take(file: &'f File) -> io::Result<Option<Self>> {
        if !set(file, F_RDLCK, PENDING, 1)? {
            return Ok(None);
        }
        let taken = set(file, F_RDLCK, SHARED, SHARED_SIZE);
        set(file, F_UNLCK, PENDING, 1)?;
        Ok(taken?.then_some(Self { file }))
    }

    /// Whether some writer has begun: then the journal is its own and the file is still as committed.
    pub(super) fn writer_alive(&self) -> io::Result<bool> {
        let mut range = range(F_WRLCK, RESERVED, 1);
        fcntl(self.file, FcntlArg::F_OFD_GETLK(&mut range))?;
        Ok(c_int::from(range.l_type) != F_UNLCK)
    }
}

impl Drop for SharedLock<'_> {
    fn drop(&mut self) {
        // The file is closed right after, which does the same.
        drop(set(self.file, F_UNLCK, SHARED, SHARED_SIZE));
    }
}

/// Sets or releases a lock; false where another holds it.
fn set(file: &File, kind: c_int, start: off_t, length: off_t) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range(kind, start, length))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn range(kind: c_int, start: off_t, length: off_t) -> flock {
    // The kinds are 0, 1 and 2; an OFD lock must name no process.
    let l_type = i16::try_from(kind).unwrap_or(i16::MAX);
    let l_whence = i16::try_from(SEEK_SET).unwrap_or(i16::MAX);
    flock { l_type, l_whence, l_start: start, l_len: length, l_pid: 0 }
}
