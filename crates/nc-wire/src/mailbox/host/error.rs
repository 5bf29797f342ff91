//! What can go wrong with `inbound.db`.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::Verdict;

/// Why `inbound.db` could not be made, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// A reader in the sandbox holds its lock.
    #[error("write {}: its lock is held in the sandbox", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The system refused an operation on the file.
    #[error("{operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is damaged or is no database: [`super::Inbound::rebuild`] makes it anew.
    #[error("read {}: it is damaged and must be rebuilt", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Another error of SQLite: disk full, input or output, permissions.
    #[error("use {}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl MailboxError {
    /// Keep: a later try may succeed. Refuse: the file has to be rebuilt first.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Damaged { .. } => Verdict::Refuse,
            Self::Busy { .. } | Self::File { .. } | Self::Sqlite { .. } => Verdict::Keep,
        }
    }

    /// Sorts an error of SQLite on `path`.
    pub(super) fn sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> Self + '_ {
        |source| {
            let path = path.to_owned();
            match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path, source },
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, source },
                _ => Self::Sqlite { path, source },
            }
        }
    }

    /// An error of the system on `path`.
    pub(super) fn file<'a>(operation: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Self + 'a {
        move |source| Self::File { operation, path: path.to_owned(), source }
    }
}
