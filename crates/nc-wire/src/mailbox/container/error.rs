//! What can be wrong with a mailbox, as the container sees it.

use std::io;

use rusqlite::ErrorCode;

/// Why the mailbox could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// `inbound.db` is torn, locked or gone for now: its writer is in the middle of something, or was.
    #[error("read inbound.db")]
    Inbound(#[source] rusqlite::Error),
    /// `outbound.db` could not be opened or written.
    #[error("{operation} outbound.db")]
    Outbound {
        /// What was tried.
        operation: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// `outbound.db` holds what is none of its protocol, and would be in the way of it.
    #[error("use outbound.db: it has {problem}")]
    Strange {
        /// What it has.
        problem: &'static str,
    },
    /// The system refused an operation on a file of the mailbox.
    #[error("{operation} {name:?}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

impl MailboxError {
    /// Whether a later look may succeed. Only what the host writes heals by itself: a look may fall into the middle of a
    /// write, or between the death of the writer and the start of the next, and then no event tells when it is over.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Inbound(_))
    }

    /// Whether what stands in `outbound.db` is to blame: then another file does, and nothing else.
    pub(super) fn is_of_content(&self) -> bool {
        match self {
            Self::Outbound { source: rusqlite::Error::SqliteFailure(failure, _), .. } => matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
                    | ErrorCode::Unknown
            ),
            // What SQLite has no part in is a matter of words and types.
            Self::Strange { .. } | Self::Outbound { .. } => true,
            Self::Inbound(_) | Self::File { .. } => false,
        }
    }

    pub(super) fn outbound(operation: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Outbound { operation, source }
    }
}
