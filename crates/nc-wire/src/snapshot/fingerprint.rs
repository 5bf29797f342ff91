//! Telling whether a file is as it was, without copying it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// SQLite's header is the first 100 bytes; its change counter is one of them.
const HEAD: usize = 100;

/// What a file looked like: its size, its times and its first 100 bytes.
///
/// Two commits within one tick of the file system's clock differ in the change counter; a writer that counts no changes
/// differs in the time. An agent that forges both hides only its own messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    head: [u8; HEAD],
}

impl Fingerprint {
    /// The fingerprint of a file whose `found` and `head` were taken before the rest was read.
    pub(super) fn of(found: &Metadata, head: [u8; HEAD]) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            head,
        }
    }

    /// Whether `file`, of which `found` was just taken, is as it was.
    pub(super) fn matches(&self, file: &File, found: &Metadata) -> io::Result<bool> {
        Ok(Self::of(found, self.head) == *self && head(file)? == self.head)
    }
}

/// The first bytes of a file; zeros behind the end of a shorter one.
pub(super) fn head(file: &File) -> io::Result<[u8; HEAD]> {
    let mut head = [0; HEAD];
    file.read_at(&mut head, 0)?;
    Ok(head)
}
