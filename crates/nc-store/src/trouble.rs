//! SQLite's refusals by what somebody must do about them.

use std::fmt;

use rusqlite::ErrorCode;

use crate::{Exit, Verdict};

/// What kind of refusal it is. The text says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// Other programs wrote for longer than the wait allows.
    Busy,
    /// There is no room on the disk.
    Full,
    /// The file, or the file system below it, is read-only for this user.
    ReadOnly,
    /// The file or its directory may not be used by this user.
    NoPermission,
    /// The file's bytes are no database.
    NotADatabase,
    /// It is a database, and damaged.
    Corrupt,
    /// The file was moved away or replaced while it was open.
    Moved,
    /// The disk failed.
    Io,
    /// A unique row, a check or a reference stands in the way.
    Constraint,
    /// A value is larger than SQLite takes.
    TooBig,
    /// A row holds a word or type that this program does not know.
    Contents,
    /// Anything else: a fault of this program.
    Fault,
}

/// `SQLITE_READONLY_DBMOVED`.
const READONLY_MOVED: i32 = 8 | (4 << 8);
/// `SQLITE_READONLY_DIRECTORY`: no journal or shared memory can be made beside the file.
const READONLY_DIRECTORY: i32 = 8 | (6 << 8);

/// `SQLITE_IOERR_SHMSIZE`: the shared memory beside the file, a file too, cannot grow. Nothing but a full disk was seen
/// to do that.
const IO_SHM_SIZE: i32 = 0x0a | (19 << 8);

impl Trouble {
    /// Sorts what SQLite said.
    pub(crate) fn of(error: &rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => Self::Contents,
            other => other.sqlite_error().map_or(Self::Fault, |e| Self::of_code(e.code, e.extended_code)),
        }
    }

    fn of_code(code: ErrorCode, extended: i32) -> Self {
        match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Self::Busy,
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::SystemIoFailure if extended == IO_SHM_SIZE => Self::Full,
            ErrorCode::ReadOnly if extended == READONLY_MOVED => Self::Moved,
            ErrorCode::ReadOnly if extended == READONLY_DIRECTORY => Self::NoPermission,
            ErrorCode::ReadOnly => Self::ReadOnly,
            ErrorCode::PermissionDenied | ErrorCode::CannotOpen => Self::NoPermission,
            ErrorCode::NotADatabase => Self::NotADatabase,
            ErrorCode::DatabaseCorrupt => Self::Corrupt,
            ErrorCode::SystemIoFailure => Self::Io,
            ErrorCode::ConstraintViolation => Self::Constraint,
            ErrorCode::TooBig => Self::TooBig,
            _ => Self::Fault,
        }
    }

    /// Keep where time or a person can mend it, refuse where the request itself is at fault.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Constraint | Self::TooBig | Self::Contents | Self::Fault => Verdict::Refuse,
            _ => Verdict::Keep,
        }
    }

    /// How a program ends that cannot go on.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::ReadOnly | Self::NoPermission | Self::NotADatabase | Self::Corrupt | Self::Contents => Exit::Look,
            _ => Exit::Again,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "other programs wrote to it all the time; try again",
            Self::Full => "no space is left on its disk; make room, then try again",
            Self::ReadOnly => "it is read-only; look at the file's mode and owner and at the file system's mount",
            Self::NoPermission => {
                "this user may not use the file or its directory; look at mode and owner of both and of what lies \
                 above, and whether the file system is read-only"
            }
            Self::NotADatabase => "the file is not a database; move it away and put a backup in its place",
            Self::Corrupt => "the file is damaged; move it away and put a backup in its place",
            Self::Moved => "the file was moved or replaced while it was open; start the program again",
            Self::Io => "its disk failed; look at the system's log and at `df`",
            Self::Constraint => "the row contradicts another row or a rule of its table",
            Self::TooBig => "a value is larger than SQLite takes",
            Self::Contents => "a row holds what this program does not know",
            Self::Fault => "SQLite refused what this program asked",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
