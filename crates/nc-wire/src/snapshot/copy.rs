//! Copying `outbound.db` into SQLite's memory, rolled back where a dead writer left a journal.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use rusqlite::Connection;

use super::database::Allowance;
use super::lock::SharedLock;
use super::{Fingerprint, Limits, SnapshotError, database, fingerprint, rollback};
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
    /// What was committed.
    Copy(Box<Copied>),
}

/// A database of what was committed.
pub(super) struct Copied {
    /// The database, in memory.
    pub(super) conn: Connection,
    /// How long SQLite may work on it.
    pub(super) allowance: Allowance,
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
    let same = last.map(|last| last.matches(file.file(), file.metadata())).transpose().map_err(unreadable)?;
    Ok(same.unwrap_or(false))
}

fn unreadable(source: io::Error) -> FileError {
    FileError::System { operation: "read", name: OUTBOUND_FILE.to_owned(), source }
}

fn locked(work: BorrowedFd<'_>, file: &PlainFile, limits: &Limits) -> Result<Taken, SnapshotError> {
    // Before the lock, under which writers wait.
    let (conn, allowance) = database::blank(limits).map_err(SnapshotError::sqlite(limits.time))?;
    let Some(lock) = SharedLock::take(file.file()).map_err(SnapshotError::Lock)? else {
        return Ok(Taken::Busy);
    };
    // It may have changed between the opening and the lock. What is found now, before it is read, is its fingerprint.
    let found = match file.metadata_now(limits.file) {
        Err(FileError::Missing { .. }) => return Ok(Taken::Absent),
        found => found?,
    };
    let head = fingerprint::head(file.file()).map_err(unreadable)?;
    let filled = match hot_journal(work, &lock, limits) {
        // A writer that gives up shortens it.
        Err(SnapshotError::File(FileError::Changed { .. })) => return Ok(Taken::Busy),
        journal => match journal? {
            Some(journal) => fill_rolled_back(conn, lock, file, &found, &journal, limits),
            None => fill(conn, file, &found, &head, limits),
        },
    };
    match filled? {
        Filled::Nothing => Ok(Taken::Absent),
        Filled::Shortened => Ok(Taken::Busy),
        Filled::With(conn) => {
            let fingerprint = Fingerprint::of(&found, head);
            Ok(Taken::Copy(Box::new(Copied { conn, allowance, fingerprint })))
        }
    }
}

/// What a copy is filled with.
enum Filled {
    Nothing,
    /// The file became shorter. A writer that keeps to the locks does not do that; one that does not may go on for ever.
    Shortened,
    With(Connection),
}

fn fill(
    mut conn: Connection,
    file: &PlainFile,
    found: &Metadata,
    head: &[u8],
    limits: &Limits,
) -> Result<Filled, SnapshotError> {
    if found.len() == 0 {
        return Ok(Filled::Nothing);
    }
    database::check_head(head)?;
    let mut source = Source { file: file.file(), shortened: false, failed: None };
    database::load(&mut conn, &mut source, found.len()).map_err(SnapshotError::sqlite(limits.time))?;
    match source {
        Source { failed: Some(error), .. } => Err(unreadable(error).into()),
        Source { shortened: true, .. } => Ok(Filled::Shortened),
        Source { .. } => Ok(Filled::With(conn)),
    }
}

fn fill_rolled_back(
    mut conn: Connection,
    lock: SharedLock<'_>,
    file: &PlainFile,
    found: &Metadata,
    journal: &[u8],
    limits: &Limits,
) -> Result<Filled, SnapshotError> {
    let bytes = match file.read_at_once(found.len()) {
        Err(FileError::Changed { .. }) => return Ok(Filled::Shortened),
        read => read?,
    };
    drop(lock);
    let bytes = rollback::roll_back(&bytes, journal, limits)?;
    if bytes.is_empty() {
        return Ok(Filled::Nothing);
    }
    database::check_head(&bytes)?;
    let size = bytes.len() as u64;
    database::load(&mut conn, &bytes[..], size).map_err(SnapshotError::sqlite(limits.time))?;
    Ok(Filled::With(conn))
}

/// Reads a file straight into SQLite's buffer, so that there is one copy and not two.
///
/// It never fails and never ends early: SQLite's buffer would be lost. What went wrong is noted, and zeros are given instead.
struct Source<'f> {
    file: &'f File,
    shortened: bool,
    failed: Option<io::Error>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wrong = self.shortened || self.failed.is_some();
        match if wrong { Ok(0) } else { self.file.read(buffer) } {
            Ok(0) => self.shortened = true,
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => self.failed = Some(error),
        }
        buffer.fill(0);
        Ok(buffer.len())
    }
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
