//! What can be wrong with a mailbox, as the container sees it.

use std::io;

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

    pub(super) fn outbound(operation: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Outbound { operation, source }
    }
}
