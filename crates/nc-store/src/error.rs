//! Why the store could not do something, and what that means for whoever asked.
//!
//! Every message fits after "failed to".

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nc_model::container_config::ContainerConfigError;
use nc_model::{FolderName, PatternError, Role};

use crate::trouble::Trouble;

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may: keep it and ask again.
    Keep,
    /// It never will: set it aside.
    Refuse,
}

/// How a program ends that cannot go on because of an error.
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
    /// SQLite refused.
    #[error("use the store{}: {trouble}", at(path.as_deref()))]
    Database {
        /// What kind of refusal it is.
        trouble: Trouble,
        /// The file, where it is known.
        path: Option<PathBuf>,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The system refused an operation on a file beside SQLite.
    #[error("{operation} {path:?}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory, pipe or device lies where the store belongs.
    #[error("open the store {path:?}: it is not a regular file; move it away, and a new store is made")]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// The file is a database of somebody else.
    #[error(
        "open the store {path:?}: it is a database of another program or of an older NanoClaw (it has a table {table:?} and \
         no schema version of ours); move it away, and a new store is made"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// One of its tables.
        table: String,
    },
    /// The file was made by a later version.
    #[error(
        "open the store {path:?}: it has schema {found}, and this program knows schemas up to {known}; start the newer \
         programs, or put the backup from before the upgrade back"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The schema could not be brought up to date; nothing of it was changed.
    #[error("bring the store {path:?} from schema {found} to {known}")]
    Migration {
        /// The file.
        path: PathBuf,
        /// The version that it still has.
        found: i64,
        /// The version that it should get.
        known: i64,
        /// Why not.
        source: Box<rusqlite_migration::Error>,
    },
    /// A row that was asked for is not there.
    #[error("find the {what} {name:?}: there is none")]
    NoSuch {
        /// What kind of row.
        what: &'static str,
        /// What it was asked for by.
        name: String,
    },
    /// Another group has the folder.
    #[error("make a group in the folder \"{folder}\": another group has it; choose another folder")]
    FolderTaken {
        /// The folder.
        folder: FolderName,
    },
    /// There is a main group.
    #[error("make a second main group: the group in the folder \"{folder}\" is the main group, and there is one only")]
    MainExists {
        /// The main group's folder.
        folder: FolderName,
    },
    /// The group has a run or work that is not done.
    #[error("remove the group in the folder \"{folder}\": {open}; wait until it is done, then try again")]
    GroupBusy {
        /// The group's folder.
        folder: FolderName,
        /// What is not done.
        open: String,
    },
    /// The chat is wired to the group.
    #[error("wire chat {chat} to the group in the folder \"{folder}\": it is wired to it")]
    AlreadyWired {
        /// The chat.
        chat: i64,
        /// The group's folder.
        folder: FolderName,
    },
    /// The group uses the name for something else.
    #[error("name a destination {name:?}: the group uses that name; choose another")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The pattern of a wiring is none.
    #[error("take the pattern of a wiring")]
    Pattern {
        /// Why.
        source: PatternError,
    },
    /// What a group says about its sandbox cannot be written as JSON.
    #[error("write the container configuration")]
    Container {
        /// Why.
        source: ContainerConfigError,
    },
    /// The last owner stays.
    #[error("take the role {role} from {user:?}: nobody would own the installation; make another owner first")]
    LastOwner {
        /// The user.
        user: String,
        /// The role.
        role: Role,
    },
    /// A value is not what its column takes.
    #[error("store {field} {value:?}: {allowed}")]
    BadValue {
        /// Which field.
        field: &'static str,
        /// The value, cut to its first 100 characters.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// More rows than one transaction takes.
    #[error("store {given} rows in one transaction: at most {most} are allowed")]
    TooMany {
        /// How many were given.
        given: usize,
        /// How many are allowed.
        most: usize,
    },
}

impl StoreError {
    /// Keep: a later attempt may succeed. Refuse: none will.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Database { trouble, .. } => trouble.verdict(),
            Self::File { .. }
            | Self::NotAFile { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Migration { .. }
            | Self::GroupBusy { .. } => Verdict::Keep,
            _ => Verdict::Refuse,
        }
    }

    /// How a program ends that cannot go on.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Database { trouble, .. } => trouble.exit(),
            Self::File { source, .. } if file_needs_a_person(source.kind()) => Exit::Look,
            Self::NotAFile { .. } | Self::Foreign { .. } | Self::Newer { .. } | Self::Migration { .. } => Exit::Look,
            _ => Exit::Again,
        }
    }

    /// Whether another program held the store for too long: ask again after 10 to 100 ms, for at most 30 s.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Database { trouble: Trouble::Busy, .. })
    }

    /// Whether a unique row or a check stood in the way.
    #[must_use]
    pub fn is_constraint(&self) -> bool {
        matches!(self, Self::Database { trouble: Trouble::Constraint, .. })
    }

    /// The same with the file's name, where it has none yet.
    #[must_use]
    pub(crate) fn in_file(self, file: &Path) -> Self {
        match self {
            Self::Database { trouble, path: None, source } => {
                Self::Database { trouble, path: Some(file.to_owned()), source }
            }
            other => other,
        }
    }

    /// `value` does not fit its field; only its beginning is kept, since strangers choose it.
    pub(crate) fn bad_value(field: &'static str, value: &str, allowed: &'static str) -> Self {
        Self::BadValue { field, value: value.chars().take(100).collect(), allowed }
    }

    /// There is no such row.
    pub(crate) fn no_such(what: &'static str, name: &(impl fmt::Display + ?Sized)) -> Self {
        Self::NoSuch { what, name: name.to_string() }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database { trouble: Trouble::of(&source), path: None, source }
    }
}

/// ` "path"`, or nothing.
fn at(path: Option<&Path>) -> String {
    path.map(|p| format!(" {:?}", p.to_string_lossy())).unwrap_or_default()
}

/// Whether only a person can change what made the system refuse.
fn file_needs_a_person(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotFound
            | io::ErrorKind::InvalidFilename
    )
}
