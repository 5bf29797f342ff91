//! Reading the bytes of `outbound.db`, and of its journal where a dead writer left one.

use std::os::fd::BorrowedFd;

use super::lock::SharedLock;
use super::{Fingerprint, Limits, SnapshotError};
use crate::files::{FileError, PlainFile, open_plain};
use crate::mailbox::schema::OUTBOUND_FILE;

/// SQLite's journal of it.
pub(super) const JOURNAL_FILE: &str = "outbound.db-journal";

/// What came of an attempt to copy the file.
pub(super) enum Taken {
    /// There is none, or an empty one.
    Absent,
    /// It is as it was.
    Unchanged,
    /// A writer holds its lock.
    Busy,
    /// Its bytes.
    Copy(Box<Copied>),
}

/// The bytes of the file at one moment between two commits.
pub(super) struct Copied {
    /// The file.
    pub(super) bytes: Vec<u8>,
    /// The journal of a writer that died in the middle; the file is to be rolled back by it.
    pub(super) hot_journal: Option<Vec<u8>>,
    /// What the file looked like before it was read.
    pub(super) fingerprint: Fingerprint,
}

/// Copies the file, unless it is as `last` says.
pub(super) fn take(work: BorrowedFd<'_>, limits: &Limits, last: Option<&Fingerprint>) -> Result<Taken, SnapshotError> {
    let file = match open_plain(work, OUTBOUND_FILE, limits.file) {
        Ok(file) => file,
        Err(FileError::Missing { .. }) => return Ok(Taken::Absent),
        Err(error) => return Err(error.into()),
    };
    if is_unchanged(&file, last)? {
        return Ok(Taken::Unchanged);
    }
    locked(work, &file, limits)
}

/// Asked before the lock is: a reader's lock makes a writer wait.
fn is_unchanged(file: &PlainFile, last: Option<&Fingerprint>) -> Result<bool, SnapshotError> {
    let system = |source| FileError::System { operation: "read", name: OUTBOUND_FILE.to_owned(), source };
    let same = last.map(|last| last.matches(file.file(), file.metadata())).transpose().map_err(system)?;
    Ok(same.unwrap_or(false))
}

fn locked(work: BorrowedFd<'_>, file: &PlainFile, limits: &Limits) -> Result<Taken, SnapshotError> {
    let Some(lock) = SharedLock::take(file.file()).map_err(SnapshotError::Lock)? else {
        return Ok(Taken::Busy);
    };
    // It may have changed between the opening and the lock. What is found now, before it is read, is its fingerprint.
    let found = file.metadata_now(limits.file)?;
    let bytes = match file.read_at_once(found.len()) {
        // A writer that keeps to the locks makes no such change; one that does not may go on for ever.
        Err(FileError::Changed { .. }) => return Ok(Taken::Busy),
        read => read?,
    };
    let hot_journal = hot_journal(work, &lock, limits)?;
    drop(lock);
    if bytes.is_empty() && hot_journal.is_none() {
        return Ok(Taken::Absent);
    }
    let fingerprint = Fingerprint::of(&found, &bytes);
    Ok(Taken::Copy(Box::new(Copied { bytes, hot_journal, fingerprint })))
}

/// The journal, where there is one that no living writer owns.
///
/// It is opened before the writer is asked for: a writer takes its lock before it makes a journal, and while the shared lock is
/// held none can commit. So a journal without a writer is left over, or its writer has just given up and changed nothing.
fn hot_journal(work: BorrowedFd<'_>, lock: &SharedLock<'_>, limits: &Limits) -> Result<Option<Vec<u8>>, SnapshotError> {
    let journal = match open_plain(work, JOURNAL_FILE, limits.file) {
        Ok(journal) => journal,
        Err(FileError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if journal.is_empty() || lock.writer_alive().map_err(SnapshotError::Lock)? {
        return Ok(None);
    }
    let bytes = journal.read()?;
    // A writer that keeps its journal ends a transaction by zeros over its head.
    Ok((bytes.first() != Some(&0)).then_some(bytes))
}
