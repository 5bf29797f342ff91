//! Reading `inbound.db`, which the host writes.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use nc_model::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Result, Row, params};

use crate::content;
use crate::json::FieldError;
use crate::mailbox::{InKind, UnknownWireWord};

/// How long a look waits for the host's write to end before it is refused, to be made again. Measured: a write takes 0.2 ms.
const PATIENCE: Duration = Duration::from_millis(5);

/// A look reads each page once, so a cache has little to keep.
const CACHE_KIB: i64 = 256;

/// How much one look brings.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Rows.
    pub rows: usize,
    /// Bytes of their contents.
    pub bytes: i64,
}

/// What waits.
#[derive(Debug, Default)]
pub struct Look {
    /// The oldest rows that wait; none where nothing asks for a turn, however much context there is.
    pub rows: Vec<PendingRow>,
    /// When the next row's time comes that is not there yet.
    pub next_due: Option<Timestamp>,
}

/// One row of `messages_in`.
#[derive(Debug)]
pub struct PendingRow {
    /// Its id, under which it is acknowledged.
    pub id: String,
    /// The number by which the agent refers to it.
    pub seq: i64,
    /// When it was written.
    pub timestamp: Timestamp,
    /// It asks for a turn; otherwise it is context.
    pub trigger: bool,
    /// Where it comes from. A task has no such place.
    pub address: Option<Address>,
    /// What it says.
    pub content: std::result::Result<content::Incoming, FieldError>,
}

/// A chat, or another agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The channel's instance, or `agent`.
    pub channel_type: String,
    /// The chat's id there, or an agent group.
    pub platform_id: String,
    /// The thread in it.
    pub thread_id: Option<String>,
}

impl Address {
    /// Whether both are in one chat, in whatever threads.
    #[must_use]
    pub fn same_chat(&self, other: &Self) -> bool {
        self.channel_type == other.channel_type && self.platform_id == other.platform_id
    }
}

/// Somebody whom the agent may address, by its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The name.
    pub name: String,
    /// Where that is.
    pub address: Address,
}

/// Whom the agent may address.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    /// By name, in the order of names.
    pub destinations: Vec<Addressee>,
    /// Where a reply goes that names nobody.
    pub routing: Option<Address>,
}

/// An open `inbound.db`, and one read transaction for all that is read from it. Every error of it is one that may pass.
pub(super) struct Inbound {
    connection: Connection,
}

impl Inbound {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection })
    }

    pub(super) fn highest_seq(&self) -> Result<i64> {
        self.connection.query_row("SELECT ifnull(max(seq), 0) FROM messages_in", [], |row| row.get(0))
    }

    /// Whether the host has the row as dealt with; none where there is no such row.
    pub(super) fn is_settled(&self, id: &str) -> Result<Option<bool>> {
        let mut statement =
            self.connection.prepare_cached("SELECT status <> 'pending' FROM messages_in WHERE id = ?1")?;
        statement.query_row([id], |row| row.get(0)).optional()
    }

    /// Whether the host has told what became of a row of `messages_out`.
    pub(super) fn is_delivered(&self, message_out: &str) -> Result<bool> {
        let mut statement = self.connection.prepare_cached("SELECT 1 FROM delivered WHERE message_out_id = ?1")?;
        statement.exists([message_out])
    }

    pub(super) fn look(
        &self,
        now: Timestamp,
        bounds: Bounds,
        wake_horizon: i64,
        taken: &HashSet<String>,
    ) -> Result<Look> {
        let mut look = Look::default();
        let mut chosen = Vec::new();
        let (mut work, mut full) = (false, false);
        let mut bytes = 0_i64;
        let mut statement = self.connection.prepare(WAITING)?;
        let mut rows = statement.query([wake_horizon])?;
        while let Some(row) = rows.next()? {
            let candidate = Candidate::read(row)?;
            if taken.contains(&candidate.id) {
                continue;
            }
            if let Some(due) = candidate.due.filter(|due| *due > now) {
                look.next_due = Some(look.next_due.map_or(due, |earlier: Timestamp| earlier.min(due)));
                continue;
            }
            work |= candidate.trigger;
            bytes = bytes.saturating_add(candidate.bytes);
            full |= !chosen.is_empty() && (chosen.len() >= bounds.rows || bytes > bounds.bytes);
            if !full {
                chosen.push(candidate.id);
            }
        }
        if work {
            look.rows = chosen.iter().map(|id| self.row(id)).collect::<Result<_>>()?;
        }
        Ok(look)
    }

    fn row(&self, id: &str) -> Result<PendingRow> {
        self.connection.prepare_cached(ROW)?.query_row([id], |row| pending_row(id, row))
    }

    pub(super) fn address_book(&self) -> Result<AddressBook> {
        let mut statement = self.connection.prepare(DESTINATIONS)?;
        let destinations = statement
            .query_map([], |row| {
                let address = Address { channel_type: row.get(1)?, platform_id: row.get(2)?, thread_id: None };
                Ok(Addressee { name: row.get(0)?, address })
            })?
            .collect::<Result<_>>()?;
        let routing = self.connection.query_row(ROUTING, [], address).optional()?.flatten();
        Ok(AddressBook { destinations, routing })
    }

    pub(super) fn newest_taken(
        &self,
        chat: &Address,
        up_to: i64,
        taken: &HashSet<String>,
    ) -> Result<Option<(String, Option<String>)>> {
        let mut statement = self.connection.prepare(NEWEST)?;
        let mut rows = statement.query(params![chat.channel_type, chat.platform_id, up_to])?;
        while let Some(row) = rows.next()? {
            let (id, status): (String, String) = (row.get(0)?, row.get(2)?);
            if status != "pending" || taken.contains(&id) {
                return Ok(Some((id, row.get(1)?)));
            }
        }
        Ok(None)
    }
}

/// Only what says whether a row waits: contents lie on pages of their own and are not read.
const WAITING: &str = "SELECT id, \"trigger\", process_after, octet_length(content) FROM messages_in \
     WHERE status = 'pending' AND kind <> 'system' AND (on_wake = 0 OR seq <= ?1) ORDER BY seq";

const ROW: &str = "SELECT channel_type, platform_id, thread_id, ifnull(seq, 0), timestamp, \"trigger\", kind, content \
     FROM messages_in WHERE id = ?1";

const DESTINATIONS: &str = "SELECT name, \
     CASE WHEN type = 'agent' THEN 'agent' ELSE channel_type END AS channel, \
     CASE WHEN type = 'agent' THEN agent_group_id ELSE platform_id END AS place \
     FROM destinations WHERE channel IS NOT NULL AND place IS NOT NULL ORDER BY name";

const ROUTING: &str = "SELECT channel_type, platform_id, thread_id FROM session_routing WHERE id = 1";

const NEWEST: &str = "SELECT id, thread_id, status FROM messages_in \
     WHERE channel_type = ?1 AND platform_id = ?2 AND seq <= ?3 AND kind <> 'system' ORDER BY seq DESC";

struct Candidate {
    id: String,
    trigger: bool,
    due: Option<Timestamp>,
    bytes: i64,
}

impl Candidate {
    fn read(row: &Row<'_>) -> Result<Self> {
        let due: Option<String> = row.get(2)?;
        Ok(Self {
            id: row.get(0)?,
            trigger: row.get(1)?,
            // A time that nobody can read has come: a row that is early is better than one that is lost.
            due: due.and_then(|text| Timestamp::parse(&text).ok()),
            bytes: row.get(3)?,
        })
    }
}

fn pending_row(id: &str, row: &Row<'_>) -> Result<PendingRow> {
    let (timestamp, kind): (String, String) = (row.get(4)?, row.get(6)?);
    let text = row.get_ref(7)?.as_str();
    Ok(PendingRow {
        id: id.to_owned(),
        seq: row.get(3)?,
        timestamp: Timestamp::parse(&timestamp).unwrap_or(Timestamp(0)),
        trigger: row.get(5)?,
        address: address(row)?,
        content: text
            .map_err(|e| FieldError::new("content", "a text", e.to_string()))
            .and_then(|text| content(&kind, text)),
    })
}

fn content(kind: &str, text: &str) -> std::result::Result<content::Incoming, FieldError> {
    let known: InKind = kind.parse().map_err(|e: UnknownWireWord| FieldError::new("kind", e.allowed, e.word))?;
    content::Incoming::read(known, text)
}

/// The address in the first three columns; none where the row names no place.
fn address(row: &Row<'_>) -> Result<Option<Address>> {
    let (channel_type, platform_id): (Option<String>, Option<String>) = (row.get(0)?, row.get(1)?);
    let thread_id: Option<String> = row.get(2)?;
    Ok(channel_type.zip(platform_id).map(|(channel_type, platform_id)| Address {
        channel_type,
        platform_id,
        thread_id,
    }))
}
