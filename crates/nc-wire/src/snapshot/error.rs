//! What can be wrong with an agent's file, and with one row of it.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::Verdict;
use crate::files::FileError;
use crate::json::FieldError;

/// Why an `outbound.db` was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// What lies there is not a file to be read, or the system refused it.
    #[error("take a copy of the agent's file")]
    File(#[from] FileError),
    /// Its lock could not be asked for.
    #[error("lock the agent's file")]
    Lock(#[source] io::Error),
    /// It does not begin as a SQLite database does.
    #[error("read outbound.db: it is not a SQLite database")]
    NotADatabase,
    /// It is set to write-ahead logging, which does not work across the sandbox.
    #[error("read outbound.db: it is set to journal_mode WAL, only DELETE, TRUNCATE and PERSIST are allowed")]
    Wal,
    /// What a dead writer left says that the file was larger than is allowed.
    #[error("read outbound.db-journal: it would make a file of {size} bytes, at most {most} are allowed")]
    Journal {
        /// What it would make.
        size: u64,
        /// The limit.
        most: u64,
    },
    /// A table of the protocol is something else.
    #[error("read table {table} of outbound.db: it {problem}")]
    Table {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A table has more new rows than could be taken in.
    #[error("read table {table} of outbound.db: it has more than {most} new rows")]
    TooManyRows {
        /// The table.
        table: &'static str,
        /// The limit.
        most: usize,
    },
    /// SQLite needed more than its time.
    #[error("read outbound.db: it took more than {} ms", limit.as_millis())]
    TooSlow {
        /// The limit.
        limit: std::time::Duration,
    },
    /// SQLite needed more than its memory.
    #[error("read outbound.db: it needs more memory than is allowed")]
    TooMuchMemory,
    /// SQLite found it damaged, or could not read its schema.
    #[error("read outbound.db: it is damaged")]
    Damaged(#[source] rusqlite::Error),
    /// The private directory for a rollback could not be used.
    #[error("{operation} {}", path.display())]
    Scratch {
        /// What was tried.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SnapshotError {
    /// Keep: another look may succeed. Refuse: this file never will be read and is to be set aside.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::File(error) => error.verdict(),
            Self::Lock(_) | Self::Scratch { .. } => Verdict::Keep,
            Self::NotADatabase
            | Self::Wal
            | Self::Journal { .. }
            | Self::Table { .. }
            | Self::TooManyRows { .. }
            | Self::TooSlow { .. }
            | Self::TooMuchMemory
            | Self::Damaged(_) => Verdict::Refuse,
        }
    }

    /// Sorts an error of SQLite on the copy.
    pub(super) fn sqlite(limit: std::time::Duration) -> impl Fn(rusqlite::Error) -> Self {
        move |error| match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::TooSlow { limit },
            Some(ErrorCode::OutOfMemory) => Self::TooMuchMemory,
            _ => Self::Damaged(error),
        }
    }
}

/// Why one row was refused. The others are not touched by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {key:?} of {table}: {problem}")]
pub struct RowError {
    /// The table.
    pub table: &'static str,
    /// What the row goes by: its id, or `(row 7)` where it has none that can be read.
    pub key: String,
    /// Its id, where it has one that can be read.
    pub id: Option<String>,
    /// The field, what it has to be and what it is.
    pub problem: FieldError,
}
