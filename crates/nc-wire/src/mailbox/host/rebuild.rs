//! Making `inbound.db` anew from what the store knows.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{Inbound, MailboxError, file, write};
use crate::mailbox::rows::{Delivered, Destination, InRow, Routing};

/// What SQLite puts behind the name of a file for the name of its journal.
const JOURNAL_SUFFIX: &str = "-journal";

/// What a rebuilt `inbound.db` holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contents<'a> {
    /// The messages that the agent is still to see, oldest first.
    pub rows: &'a [InRow],
    /// The names that it may address.
    pub destinations: &'a [Destination],
    /// Where a reply goes that names no destination.
    pub routing: Option<&'a Routing>,
    /// What became of rows that it sent.
    pub delivered: &'a [Delivered],
}

impl Inbound {
    /// Makes the file anew. Only while no run of the session lives: a sandbox keeps the file that it was given.
    ///
    /// A message that stood in the old file keeps its number where the old file can still be read; others get numbers above all
    /// of those and above `outbound_seen`. A crash in the middle leaves the old file or the new one.
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn rebuild(path: &Path, mode: u32, contents: &Contents<'_>, outbound_seen: i64) -> Result<Self, MailboxError> {
        let old = old_numbers(path);
        let fresh = beside(path, ".new");
        remove(&fresh)?;
        remove(&beside(&fresh, JOURNAL_SUFFIX))?;
        file::create(&fresh, mode)?;
        let mut conn = file::connect(&fresh)?;
        file::make_tables(&mut conn, &fresh)?;
        nc_failpoint::before("inbound", "fill").map_err(MailboxError::file("write", &fresh))?;
        fill(&mut conn, contents, &old, outbound_seen).map_err(MailboxError::sqlite(&fresh))?;
        drop(conn);
        nc_failpoint::before("inbound", "remove_journal").map_err(MailboxError::file("remove the journal of", path))?;
        // An old journal beside the new file would be rolled back into it.
        remove(&beside(path, JOURNAL_SUFFIX))?;
        nc_failpoint::before("inbound", "rename").map_err(MailboxError::file("rename a new file to", path))?;
        std::fs::rename(&fresh, path).map_err(MailboxError::file("rename a new file to", path))?;
        nc_failpoint::after("inbound", "rename");
        Ok(Self { path: path.to_owned() })
    }
}

/// The numbers by which the agent knows the messages of the old file; none where it cannot be read.
fn old_numbers(path: &Path) -> HashMap<String, i64> {
    let read = || {
        let conn = file::connect(path).ok()?;
        let sound: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).ok()?;
        let mut query = conn.prepare("SELECT id, seq FROM messages_in WHERE seq > 0 AND seq % 2 = 0").ok()?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).ok()?;
        if sound == "ok" { rows.collect::<Result<_, _>>().ok() } else { None }
    };
    if path.exists() { read().unwrap_or_default() } else { HashMap::new() }
}

fn fill(
    conn: &mut Connection,
    contents: &Contents<'_>,
    old: &HashMap<String, i64>,
    outbound_seen: i64,
) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let highest = old.values().copied().max().unwrap_or(0).max(outbound_seen);
    let known = contents.rows.iter().filter_map(|row| old.get(&row.id).map(|seq| (row, *seq)));
    for (row, seq) in known {
        write::insert(&tx, row, seq)?;
    }
    let unknown: Vec<InRow> = contents.rows.iter().filter(|row| !old.contains_key(&row.id)).cloned().collect();
    write::append(&tx, &unknown, highest)?;
    fill_projections(&tx, contents)?;
    tx.commit()
}

fn fill_projections(tx: &Transaction<'_>, contents: &Contents<'_>) -> rusqlite::Result<()> {
    write::replace_destinations(tx, contents.destinations)?;
    write::record_delivered(tx, contents.delivered)?;
    contents.routing.map_or(Ok(()), |routing| write::set_routing(tx, routing))
}

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> Result<(), MailboxError> {
    nc_failpoint::before("inbound", "remove").map_err(MailboxError::file("remove", path))?;
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(MailboxError::file("remove", path)(e)),
        _ => Ok(()),
    }
}
