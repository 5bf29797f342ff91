//! Why the store could not do something, and what that means for whoever asked.

use std::path::PathBuf;

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may: keep it and ask again.
    Keep,
    /// It never will: set it aside.
    Refuse,
}

/// How a program ends that cannot go on because of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 75: try again.
    Again,
    /// 78: a person must look first.
    Look,
}

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite said no, for a reason that no other variant names.
    #[error("the store refused: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The file was made by a later version.
    #[error("{path:?} has schema {found}, and this program knows schemas up to {known}: use the newer programs, or put a backup back")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A row that was asked for by name is not there.
    #[error("there is no {what} {name:?}")]
    NoSuch {
        /// What kind of row.
        what: &'static str,
        /// What it was asked for by.
        name: String,
    },
}

impl StoreError {
    /// Keep: a later attempt may succeed. Refuse: none will.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Sql(_) => Verdict::Keep,
            _ => Verdict::Refuse,
        }
    }
}
