//! The host's side of `inbound.db`: opened, written and closed for each write.
//!
//! The file lies in `in/`, which no sandbox can write; the sandbox sees it read-only. It is a projection of the store, so it
//! is written without waiting for the disk, and [`Inbound::rebuild`] makes it anew after a boot that may have lost some of it.

mod error;
mod file;
mod rebuild;
mod write;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub use error::MailboxError;
pub use rebuild::Contents;

/// A session's `inbound.db`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    path: PathBuf,
}

impl Inbound {
    /// Makes the file with its tables where it is missing, with exactly `mode` (0600 where the sandbox has the host's uid, 0640
    /// where it has its group, 0644 where it has neither; the directory above keeps others out). A present one is kept, gets the
    /// mode, and what a killed writer left in it is rolled back.
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn create(path: &Path, mode: u32) -> Result<Self, MailboxError> {
        file::create(path, mode)?;
        let inbound = Self { path: path.to_owned() };
        let mut conn = inbound.connect()?;
        file::make_tables(&mut conn, path)?;
        Ok(inbound)
    }

    /// Opens a present file once, which rolls back what a killed writer left in it.
    ///
    /// # Errors
    /// [`MailboxError`]; a missing file is an error.
    pub fn open(path: &Path) -> Result<Self, MailboxError> {
        let inbound = Self { path: path.to_owned() };
        let conn = inbound.connect()?;
        file::settle(&conn, path)?;
        Ok(inbound)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn connect(&self) -> Result<Connection, MailboxError> {
        file::connect(&self.path)
    }
}
