//! One connection to the store: how it is opened, read and written.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::place::make_place;
use crate::trouble::Trouble;
use crate::{StoreError, migrations};

/// How long a statement waits for other writers: STORE.md's 5 s. It is no queue; a busy store is asked again by the caller.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// The longest pause between two tries, and its mean times the tries is `BUSY_WAIT`. A guess: SQLite's own pauses grow to
/// 100 ms, and with six writers flat out whoever had come to those starved.
const BUSY_PAUSE_US: u32 = 5_000;
const BUSY_TRIES: i32 = 2_000;
/// What the write-ahead log may keep on disk once it is folded back.
const JOURNAL_SIZE_LIMIT: i64 = 64 * 1024 * 1024;
/// Statements kept prepared: all that one program uses.
const STATEMENTS: usize = 128;

/// The store, as one program has it open.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens the store at `path`, makes it and its directory where they are missing, and brings its schema up to date.
    ///
    /// A new file follows its directory: its owner, and readable and writable for the group where the directory is.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be opened, is no store of ours, or is newer than this program.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_place(path)?;
        Self::connect(path).map_err(|e| e.in_file(path))
    }

    fn connect(path: &Path) -> Result<Self, StoreError> {
        let mut conn =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        conn.busy_handler(Some(wait_for_others))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        migrations::accepted_version(&conn, path)?;
        if conn.is_readonly("main")? {
            return Err(read_only());
        }
        use_write_ahead_log(&conn)?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update_and_check(None, "journal_size_limit", JOURNAL_SIZE_LIMIT, |_| Ok(()))?;
        migrations::migrate(&mut conn, path)?;
        Ok(Self { conn, path: path.to_owned() })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in one write transaction and commits it where it succeeds; nothing of it stays where it fails.
    ///
    /// Inside there is nothing but SQL: other programs wait meanwhile. `name` is what tests call the commit by.
    ///
    /// # Errors
    /// What `work` returned, or [`StoreError`] where the transaction could not begin or commit.
    pub(crate) fn write<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = &self.path;
        let conn = &mut self.conn;
        let transact = || {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            nc_failpoint::before("store", name).map_err(|error| as_of_sqlite(&error))?;
            tx.commit()?;
            nc_failpoint::after("store", name);
            Ok(value)
        };
        transact().map_err(|e: StoreError| e.in_file(path))
    }

    /// Runs `look` on one snapshot: what it reads belongs together.
    ///
    /// It must be over within 1 s: the write-ahead log grows while a snapshot lives.
    ///
    /// # Errors
    /// What `look` returned, or [`StoreError`] where the snapshot could not be taken.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let snapshot = || {
            let tx = Transaction::new_unchecked(&self.conn, TransactionBehavior::Deferred)?;
            look(&tx)
        };
        snapshot().map_err(|e: StoreError| e.in_file(&self.path))
    }

    /// The connection, for one statement that only reads.
    pub(crate) fn conn(&self) -> &Connection {
        &self.conn
    }
}

/// Pauses for a random part of [`BUSY_PAUSE_US`]; no more after [`BUSY_TRIES`].
fn wait_for_others(tries: i32) -> bool {
    sleep(Duration::from_micros(u64::from(jitter(BUSY_PAUSE_US))));
    tries < BUSY_TRIES
}

/// A number below `most`, by the clock's last digits: enough to keep two programs out of step.
fn jitter(most: u32) -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.subsec_nanos() % most)
}

/// Turns the write-ahead log on. SQLite does not ask the busy handler here, so this waits by itself.
fn use_write_ahead_log(conn: &Connection) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        match conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(read_only()),
            Err(e) if Trouble::of(&e) == Trouble::Busy && begun.elapsed() < BUSY_WAIT => {
                sleep(Duration::from_micros(u64::from(jitter(BUSY_PAUSE_US))));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// What SQLite makes of an error of the system, for one that a test has armed.
fn as_of_sqlite(error: &io::Error) -> StoreError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull => rusqlite::ffi::SQLITE_FULL,
        io::ErrorKind::ReadOnlyFilesystem => rusqlite::ffi::SQLITE_READONLY,
        io::ErrorKind::ResourceBusy => rusqlite::ffi::SQLITE_BUSY,
        _ => rusqlite::ffi::SQLITE_IOERR,
    };
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None).into()
}

/// SQLite opens a file read-only without a word where it may not write.
fn read_only() -> StoreError {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY), None).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_keeps_what_is_acknowledged_through_a_power_cut() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("messages.db")).unwrap();
        let pragma = |name: &str| store.conn().pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("synchronous"), 2);
        assert_eq!(pragma("foreign_keys"), 1);
        assert_eq!(pragma("journal_size_limit"), JOURNAL_SIZE_LIMIT);
        assert_eq!(pragma("user_version"), migrations::KNOWN);
        let mode: String = store.conn().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }

    #[test]
    fn nothing_of_a_transaction_that_fails_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("messages.db")).unwrap();
        let failed = store.write("fails", |tx| {
            tx.execute("INSERT INTO users (id, created_at) VALUES ('a:b', 1)", [])?;
            Err::<(), _>(StoreError::no_such("thing", "x"))
        });
        assert!(matches!(failed, Err(StoreError::NoSuch { .. })));
        assert_eq!(store.user("a:b").unwrap(), None);
    }

    #[test]
    fn a_snapshot_does_not_change_while_others_write() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("messages.db")).unwrap();
        let reader = Store::open(store.path()).unwrap();
        let count = |conn: &Connection| conn.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0));
        reader
            .read(|conn| {
                assert_eq!(count(conn)?, 0);
                store.upsert_user("a:b", None)?;
                assert_eq!(count(conn)?, 0);
                Ok(())
            })
            .unwrap();
        assert_eq!(count(reader.conn()).unwrap(), 1);
    }
}
