//! Making and opening `inbound.db`.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::MailboxError;
use crate::mailbox::schema;

/// How long a writer waits for readers in the sandbox. They need microseconds; one that keeps its lock must not hold up
/// the mail of all other sessions, so this is short and the caller tries again later.
const WAIT_FOR_READERS: Duration = Duration::from_millis(250);

/// Makes an empty file where there is none, and gives it exactly `mode` whatever the umask is.
pub(super) fn create(path: &Path, mode: u32) -> Result<(), MailboxError> {
    nc_failpoint::before("inbound", "create").map_err(MailboxError::file("create", path))?;
    let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    match opened {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(MailboxError::file("create", path)(e)),
    }
    nc_failpoint::before("inbound", "set_mode").map_err(MailboxError::file("set the mode of", path))?;
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(MailboxError::file("set the mode of", path))
}

/// Opens a present file for writing.
pub(super) fn connect(path: &Path) -> Result<Connection, MailboxError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(WAIT_FOR_READERS)?;
        // The store is the truth and a boot that may have lost something rebuilds: no write waits for the disk.
        conn.execute_batch("PRAGMA synchronous = OFF")?;
        Ok(conn)
    };
    open().map_err(MailboxError::sqlite(path))
}

/// Rolls back what a killed writer left: SQLite does so at the first read.
pub(super) fn settle(conn: &Connection, path: &Path) -> Result<(), MailboxError> {
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(MailboxError::sqlite(path))
}

/// Makes the tables where they are missing, in one transaction.
pub(super) fn make_tables(conn: &mut Connection, path: &Path) -> Result<(), MailboxError> {
    nc_failpoint::before("inbound", "make_tables").map_err(MailboxError::file("write", path))?;
    let mut make = || {
        conn.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        tx.execute_batch(schema::INBOUND)?;
        tx.commit()
    };
    make().map_err(MailboxError::sqlite(path))
}
