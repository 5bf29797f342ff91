//! Writing and reading the rows of `inbound.db`.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{Inbound, MailboxError};
use crate::mailbox::rows::{Delivered, Destination, InRow, InStatus, Placed, Routing};

impl Inbound {
    /// Appends the rows whose ids are not there yet, and returns those with the numbers that they got.
    ///
    /// Each gets the next even number above the highest in the file and above `outbound_seen`, the highest number that was
    /// accepted from the container. Appending the same rows again changes nothing.
    ///
    /// # Errors
    /// [`MailboxError`]; then none of them is there.
    pub fn append(&self, rows: &[InRow], outbound_seen: i64) -> Result<Vec<Placed>, MailboxError> {
        self.write("append", |tx| append(tx, rows, outbound_seen))
    }

    /// Replaces the whole of `destinations`.
    ///
    /// # Errors
    /// [`MailboxError`]; then the old ones stand.
    pub fn replace_destinations(&self, destinations: &[Destination]) -> Result<(), MailboxError> {
        self.write("replace_destinations", |tx| replace_destinations(tx, destinations))
    }

    /// Sets where a reply goes that names no destination.
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn set_routing(&self, routing: &Routing) -> Result<(), MailboxError> {
        self.write("set_routing", |tx| set_routing(tx, routing))
    }

    /// Says what became of rows that the agent sent; the newest word on a row stands.
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn record_delivered(&self, delivered: &[Delivered]) -> Result<(), MailboxError> {
        self.write("record_delivered", |tx| record_delivered(tx, delivered))
    }

    /// Sets the status of rows; ids that are not there are passed over.
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn set_statuses(&self, statuses: &[(&str, InStatus)]) -> Result<(), MailboxError> {
        self.write("set_statuses", |tx| {
            let mut update = tx.prepare("UPDATE messages_in SET status = ?2 WHERE id = ?1 AND status <> ?2")?;
            for (id, status) in statuses {
                update.execute(params![id, status.as_str()])?;
            }
            Ok(())
        })
    }

    /// Removes rows that are settled, and entries of `delivered`, beyond the newest `keep` of each.
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn prune(&self, keep: u32) -> Result<(), MailboxError> {
        // The newest row always stays: the next number is counted from it.
        let keep = keep.max(1);
        self.write("prune", |tx| {
            let settled = "DELETE FROM messages_in WHERE status IN ('completed', 'failed') AND seq <=
                (SELECT seq FROM messages_in ORDER BY seq DESC LIMIT 1 OFFSET ?1)";
            tx.execute(settled, [keep])?;
            let delivered = "DELETE FROM delivered WHERE rowid <=
                (SELECT rowid FROM delivered ORDER BY rowid DESC LIMIT 1 OFFSET ?1)";
            tx.execute(delivered, [keep]).map(|_| ())
        })
    }

    /// The ids and numbers of the rows that are pending, oldest first.
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn pending(&self) -> Result<Vec<Placed>, MailboxError> {
        self.read(|conn| {
            let mut query = conn.prepare("SELECT id, seq FROM messages_in WHERE status = 'pending' ORDER BY seq")?;
            query.query_map([], |row| Ok(Placed { id: row.get(0)?, seq: row.get(1)? }))?.collect()
        })
    }

    /// The status of one row, absent where there is none or it holds no status.
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn status(&self, id: &str) -> Result<Option<InStatus>, MailboxError> {
        self.read(|conn| {
            let mut query = conn.prepare("SELECT status FROM messages_in WHERE id = ?1")?;
            let mut rows = query.query([id])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            Ok(row.get_ref(0)?.as_str().ok().and_then(|word| word.parse().ok()))
        })
    }

    /// The highest number in the file, 0 where it is empty.
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn highest_seq(&self) -> Result<i64, MailboxError> {
        self.read(highest_seq)
    }

    /// `name` is what tests call the commit by.
    fn write<T>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, MailboxError> {
        let mut conn = self.connect()?;
        let failed = MailboxError::sqlite(&self.path);
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let made = work(&tx).map_err(&failed)?;
        nc_failpoint::before("inbound", name).map_err(MailboxError::file("write", &self.path))?;
        tx.commit().map_err(&failed)?;
        nc_failpoint::after("inbound", name);
        Ok(made)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, MailboxError> {
        let conn = self.connect()?;
        work(&conn).map_err(MailboxError::sqlite(&self.path))
    }
}

pub(super) fn highest_seq(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("SELECT ifnull(max(seq), 0) FROM messages_in", [], |row| row.get(0))
}

/// The next even number above `highest`; 2 is the first.
fn next_even(highest: i64) -> i64 {
    (highest.clamp(0, i64::MAX - 2) / 2 + 1) * 2
}

pub(super) fn append(tx: &Transaction<'_>, rows: &[InRow], outbound_seen: i64) -> rusqlite::Result<Vec<Placed>> {
    let mut seq = next_even(highest_seq(tx)?.max(outbound_seen));
    let mut placed = Vec::new();
    for row in rows {
        if insert(tx, row, seq)? {
            placed.push(Placed { id: row.id.clone(), seq });
            seq = next_even(seq);
        }
    }
    Ok(placed)
}

/// Inserts one row under `seq`, which the caller knows to be free; false where the id is there.
pub(super) fn insert(tx: &Transaction<'_>, row: &InRow, seq: i64) -> rusqlite::Result<bool> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO messages_in (id, seq, kind, timestamp, process_after, series_id, trigger, platform_id,
            channel_type, thread_id, content, source_session_id, on_wake)
         VALUES (?1, ?2, ?3, ?4, ?5, ?1, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (id) DO NOTHING",
    )?;
    let inserted = insert.execute(params![
        row.id,
        seq,
        row.kind.as_str(),
        row.timestamp.to_string(),
        row.process_after.map(|t| t.to_string()),
        row.trigger,
        row.platform_id,
        row.channel_type,
        row.thread_id,
        row.content,
        row.source_session_id,
        row.on_wake,
    ])?;
    Ok(inserted == 1)
}

pub(super) fn replace_destinations(tx: &Transaction<'_>, destinations: &[Destination]) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM destinations", [])?;
    let mut insert = tx.prepare(
        "INSERT INTO destinations (name, display_name, type, channel_type, platform_id, agent_group_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for d in destinations {
        let kind = d.kind.as_str();
        insert.execute(params![d.name, d.display_name, kind, d.channel_type, d.platform_id, d.agent_group_id])?;
    }
    Ok(())
}

pub(super) fn set_routing(tx: &Transaction<'_>, routing: &Routing) -> rusqlite::Result<()> {
    let sql =
        "INSERT OR REPLACE INTO session_routing (id, channel_type, platform_id, thread_id) VALUES (1, ?1, ?2, ?3)";
    tx.execute(sql, params![routing.channel_type, routing.platform_id, routing.thread_id]).map(|_| ())
}

pub(super) fn record_delivered(tx: &Transaction<'_>, delivered: &[Delivered]) -> rusqlite::Result<()> {
    let mut insert = tx.prepare(
        "INSERT OR REPLACE INTO delivered (message_out_id, platform_message_id, status, delivered_at)
         VALUES (?1, ?2, ?3, ?4)",
    )?;
    for d in delivered {
        insert.execute(params![d.message_out_id, d.platform_message_id, d.status.as_str(), d.at.to_string()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_number_is_even_and_above() {
        for (highest, next) in [(-3, 2), (0, 2), (1, 2), (2, 4), (3, 4), (i64::MAX, i64::MAX - 1)] {
            assert_eq!(next_even(highest), next, "after {highest}");
        }
    }
}
