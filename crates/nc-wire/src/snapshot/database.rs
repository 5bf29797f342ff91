//! Giving a copy to SQLite as a read-only database without files, with everything in it that runs switched off.

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

/// Opens `bytes` as a database in memory.
pub(super) fn open(bytes: &[u8], limits: &Limits) -> Result<Connection, SnapshotError> {
    check_head(bytes)?;
    open_in_memory(bytes, limits).map_err(SnapshotError::sqlite(limits.time))
}

fn open_in_memory(bytes: &[u8], limits: &Limits) -> rusqlite::Result<Connection> {
    let mut conn =
        Connection::open_in_memory_with_flags(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // From a slice: a reader that ended early would leak the whole buffer.
    conn.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), true)?;
    guard(&conn, limits)?;
    conn.execute_batch("PRAGMA query_only = ON")?;
    Ok(conn)
}

/// Switches off what a database can make run, and bounds its time and memory.
pub(super) fn guard(conn: &Connection, limits: &Limits) -> rusqlite::Result<()> {
    for (setting, on) in SETTINGS {
        conn.set_db_config(setting, on)?;
    }
    for (limit, most) in BOUNDS {
        conn.set_limit(limit, most)?;
    }
    let end = processor_time().saturating_add(limits.time);
    conn.progress_handler(INSTRUCTIONS, Some(move || processor_time() > end))?;
    conn.execute_batch(&format!(
        "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; PRAGMA hard_heap_limit = {MAX_HEAP}"
    ))
}

/// How long this thread has run. The wall's clock goes on while a loaded machine lets it wait, and no agent is to blame for that.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
