//! Giving a copy to SQLite as a read-only database without files, with everything in it that runs switched off.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::{Limits, SnapshotError};

/// How a database begins, sqlite.org/fileformat2.html section 1.3.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The bytes that say which way of writing and of reading the file wants: 1 is the journal, 2 the write-ahead log.
const WRITE_VERSION_AT: usize = 18;
const READ_VERSION_AT: usize = 19;

/// After how many of SQLite's instructions the time is looked at. 1,000 take some 10 to 100 µs.
const INSTRUCTIONS: i32 = 1000;

/// How much memory SQLite may have in this whole process, in bytes: the largest copy, what one query of it may sort, and what
/// other databases of the process need. Beyond it a query fails.
const MAX_HEAP: u32 = 256 * 1024 * 1024;

/// The longest statement, in bytes, and so the longest one in the copy's schema.
const MAX_STATEMENT: i32 = 256 * 1024;

/// What is switched off, or on, in a connection to a copy.
const SETTINGS: [(DbConfig, bool); 7] = [
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
    (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false),
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
];

/// Bounds on what a schema may make of itself.
const BOUNDS: [(Limit, i32); 6] = [
    (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_STATEMENT),
    (Limit::SQLITE_LIMIT_COLUMN, 200),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 10),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Refuses bytes that are no database, or one with a write-ahead log.
pub(super) fn check_head(bytes: &[u8]) -> Result<(), SnapshotError> {
    if !bytes.starts_with(MAGIC) || bytes.len() <= READ_VERSION_AT {
        return Err(SnapshotError::NotADatabase);
    }
    match (bytes[WRITE_VERSION_AT], bytes[READ_VERSION_AT]) {
        (1, 1) => Ok(()),
        (1 | 2, 1 | 2) => Err(SnapshotError::Wal),
        _ => Err(SnapshotError::NotADatabase),
    }
}

/// How long SQLite may work, in time of this thread's processor, before it is interrupted.
///
/// The wall's clock goes on while a loaded machine lets the thread wait, and no agent is to blame for that.
#[derive(Debug)]
pub(super) struct Allowance {
    /// When it ends, in nanoseconds of [`processor_time`].
    end: Arc<AtomicU64>,
    time: Duration,
}

impl Allowance {
    fn new(time: Duration) -> Self {
        let allowance = Self { end: Arc::default(), time };
        allowance.renew();
        allowance
    }

    /// Gives SQLite its whole time again, from now on, and returns now.
    pub(super) fn renew(&self) -> Duration {
        let now = processor_time();
        self.end.store(nanoseconds(now.saturating_add(self.time)), Ordering::Relaxed);
        now
    }

    /// Says whether the time is over.
    fn watch(&self) -> impl FnMut() -> bool + Send + use<> {
        let end = Arc::clone(&self.end);
        move || nanoseconds(processor_time()) > end.load(Ordering::Relaxed)
    }
}

/// How long this thread has run.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// 584 years fit.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Opens an empty database in memory, guarded, to be loaded with a copy.
pub(super) fn blank(limits: &Limits) -> rusqlite::Result<(Connection, Allowance)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_in_memory_with_flags(flags)?;
    let allowance = guard(&conn, limits)?;
    conn.execute_batch("PRAGMA query_only = ON")?;
    Ok((conn, allowance))
}

/// Loads the database with `size` bytes, read-only. A reader that ends early would leak SQLite's buffer: it must not.
pub(super) fn load(conn: &mut Connection, bytes: impl Read, size: u64) -> rusqlite::Result<()> {
    conn.deserialize_read_exact(MAIN_DB, bytes, usize::try_from(size).unwrap_or(usize::MAX), true)
}

/// Switches off what a database can make run, and bounds its time and memory.
pub(super) fn guard(conn: &Connection, limits: &Limits) -> rusqlite::Result<Allowance> {
    for (setting, on) in SETTINGS {
        conn.set_db_config(setting, on)?;
    }
    for (limit, most) in BOUNDS {
        conn.set_limit(limit, most)?;
    }
    let allowance = Allowance::new(limits.time);
    conn.progress_handler(INSTRUCTIONS, Some(allowance.watch()))?;
    let heap = format!("PRAGMA hard_heap_limit = {MAX_HEAP}");
    conn.execute_batch(&format!("PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; {heap}"))?;
    Ok(allowance)
}
