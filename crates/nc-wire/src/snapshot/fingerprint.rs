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
    /// The fingerprint of a file whose `found` was taken before `bytes` were read.
    pub(super) fn of(found: &Metadata, bytes: &[u8]) -> Self {
        let mut head = [0; HEAD];
        let known = bytes.len().min(HEAD);
        head[..known].copy_from_slice(&bytes[..known]);
        Self::with_head(found, head)
    }

    /// Whether `file`, of which `found` was just taken, is as it was.
    pub(super) fn matches(&self, file: &File, found: &Metadata) -> io::Result<bool> {
        if Self::with_head(found, self.head) != *self {
            return Ok(false);
        }
        let mut head = [0; HEAD];
        let known = file.read_at(&mut head, 0)?;
        Ok(known == HEAD && head == self.head)
    }

    fn with_head(found: &Metadata, head: [u8; HEAD]) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            head,
        }
    }
}
