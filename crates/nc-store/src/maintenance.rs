//! Keeping the file well: folding the log back, copying, checking.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::{Store, StoreError};

/// Pages copied in one step: 4 MiB, some ms. A guess.
const BACKUP_PAGES: i32 = 1024;
/// The pause between steps, in which others write.
const BACKUP_PAUSE: Duration = Duration::from_millis(2);
/// The most complaints that are listed.
const MAX_COMPLAINTS: usize = 100;

impl Store {
    /// Folds the write-ahead log into the file and empties it; false where readers or writers stood in the way.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn checkpoint_truncate(&self) -> Result<bool, StoreError> {
        let busy: i64 = self.conn().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(busy == 0)
    }

    /// Copies the store as it is now into a new file at `path`, in steps between which others write.
    ///
    /// Programs that write all the time make the copy begin again; it ends when they rest. The copy needs no log beside
    /// it. Where it fails, what was made of it is removed.
    ///
    /// # Errors
    /// [`StoreError::File`] where something lies at `path` or it cannot be made, [`StoreError`] where the copy fails.
    pub fn backup_to(&self, path: &Path) -> Result<(), StoreError> {
        let file = |source: io::Error| StoreError::File { operation: "make the copy", path: path.to_owned(), source };
        drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(file)?);
        let copied = self.copy_into(path);
        if copied.is_err() {
            // The copy's own error is the one to tell; a leftover is refused by name the next time.
            drop(std::fs::remove_file(path));
        }
        copied
    }

    fn copy_into(&self, path: &Path) -> Result<(), StoreError> {
        let mut copy = Connection::open(path)?;
        let copying = Backup::new(self.conn(), &mut copy).map_err(|e| StoreError::from(e).in_file(path))?;
        loop {
            match copying.step(BACKUP_PAGES).map_err(|e| StoreError::from(e).in_file(path))? {
                StepResult::Done => break,
                _ => sleep(BACKUP_PAUSE),
            }
        }
        drop(copying);
        // A copy of a file with a log says that it has one.
        copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        Ok(())
    }

    /// What is damaged, in SQLite's words; empty where nothing is. It reads the whole file.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read at all.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let mut complaints = Vec::new();
        let mut check = self.conn().prepare("PRAGMA quick_check")?;
        let mut rows = check.query([])?;
        while let Some(row) = rows.next()? {
            let complaint: String = row.get(0)?;
            if complaint != "ok" && complaints.len() < MAX_COMPLAINTS {
                complaints.push(complaint);
            }
        }
        let mut references = self.conn().prepare("PRAGMA foreign_key_check")?;
        let mut rows = references.query([])?;
        while let (Some(row), true) = (rows.next()?, complaints.len() < MAX_COMPLAINTS) {
            let (table, id, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            complaints.push(format!("row {id} of {table} refers to a row of {parent} that is not there"));
        }
        Ok(complaints)
    }
}
