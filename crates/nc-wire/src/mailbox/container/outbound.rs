//! Writing `outbound.db`, which nobody else writes.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nc_model::Timestamp;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::NOT_ELSEWHERE;
use super::error::MailboxError;
use super::inbound::{Address, Inbound};
use crate::content::Outgoing;
use crate::mailbox::AckStatus;
use crate::mailbox::schema::{self, OUTBOUND_FILE};

/// The store, where every answer is soon kept, is what survives a power cut; this file is the way there, and a killed program
/// loses nothing by `synchronous`. Free pages are given back, since every copy that the host takes reads them too.
const PRAGMAS: &str = "PRAGMA auto_vacuum = FULL; PRAGMA synchronous = OFF; PRAGMA journal_mode = DELETE; \
     PRAGMA cache_size = -512;";

/// The host holds its shared lock for as long as a copy takes (0.1 to 1 ms), so a write that meets it tries again soon.
const BUSY_PAUSE: Duration = Duration::from_micros(200);

/// After 5 s of it the write fails: somebody else in the sandbox keeps the file locked.
const BUSY_TRIES: i32 = 25_000;

/// How many rows of a table one look compares with the host's state, so that the cost of a look has a bound.
const COMPARED_A_LOOK: i64 = 100;

/// How many runs' usage is kept. The host takes it while the run lives or soon after; a few more cost nothing.
const USAGES_KEPT: i64 = 4;

/// A row for `messages_out`.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRow {
    /// Its id, where it has one already: its files lie in `outbox/` under it. Otherwise it gets one.
    pub id: Option<String>,
    /// The id of the row that it answers.
    pub in_reply_to: Option<String>,
    /// Where it goes.
    pub address: Address,
    /// What it says.
    pub content: Outgoing,
}

/// What is written in one transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settlement<'a> {
    /// Rows that go out, in this order.
    pub outgoing: &'a [NewRow],
    /// What became of which rows.
    pub acks: &'a [(String, AckStatus)],
    /// Keys and values for `session_state`.
    pub state: &'a [(String, String)],
}

#[derive(Debug)]
pub(super) struct Outbound {
    connection: Connection,
    /// What the next transaction removes.
    dealt_with: DealtWith,
}

/// Rows that the host has taken over and that serve nobody any more.
#[derive(Debug, Default)]
struct DealtWith {
    /// Ids of acknowledgements whose row the host has closed.
    acks: Vec<String>,
    /// The number of the newest row of ours whose delivery the host told; older ones go.
    delivered_seq: i64,
}

impl Outbound {
    pub(super) fn open(path: &Path) -> Result<Self, MailboxError> {
        make_plain_file(path)?;
        let failed = MailboxError::outbound("open");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
        connection.busy_handler(Some(wait_a_little)).map_err(&failed)?;
        connection.execute_batch(PRAGMAS).map_err(&failed)?;
        nc_failpoint::before("outbound", "make_tables").map_err(file_error("write"))?;
        // In one transaction, so that the host never sees half of it, and writing nothing where all is there.
        let tables = format!("BEGIN IMMEDIATE; {} COMMIT;", schema::OUTBOUND);
        connection.execute_batch(&tables).map_err(&failed)?;
        check(&connection)?;
        Ok(Self { connection, dealt_with: DealtWith::default() })
    }

    /// The ids of all rows that were acknowledged, in whatever way.
    pub(super) fn acknowledged(&self) -> Result<HashSet<String>, MailboxError> {
        let read = || -> rusqlite::Result<_> {
            let mut statement = self.connection.prepare_cached("SELECT message_id FROM processing_ack")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        read().map_err(MailboxError::outbound("read"))
    }

    pub(super) fn take(&mut self, ids: &[&str]) -> Result<(), MailboxError> {
        self.write("take", |transaction| {
            ids.iter().try_for_each(|id| acknowledge(transaction, id, AckStatus::Processing))
        })
    }

    pub(super) fn hand_back(&mut self) -> Result<(), MailboxError> {
        let taken = "SELECT 1 FROM processing_ack WHERE status = 'processing'";
        let any =
            self.connection.prepare(taken).and_then(|mut s| s.exists([])).map_err(MailboxError::outbound("read"))?;
        if !any {
            return Ok(());
        }
        self.write("hand_back", |transaction| {
            transaction.execute("DELETE FROM processing_ack WHERE status = 'processing'", []).map(drop)
        })
    }

    pub(super) fn settle(&mut self, settlement: &Settlement<'_>, host_seq: i64) -> Result<(), MailboxError> {
        self.write("settle", |transaction| {
            let highest: i64 =
                transaction.query_row("SELECT ifnull(max(seq), 0) FROM messages_out", [], |row| row.get(0))?;
            let mut seq = next_odd(highest.max(host_seq));
            for outgoing in settlement.outgoing {
                send(transaction, seq, outgoing)?;
                seq += 2;
            }
            for (id, ack) in settlement.acks {
                acknowledge(transaction, id, *ack)?;
            }
            settlement.state.iter().try_for_each(|(key, value)| keep(transaction, key, value))
        })
    }

    pub(super) fn state(&self, key: &str) -> Result<Option<String>, MailboxError> {
        self.connection
            .query_row("SELECT value FROM session_state WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(MailboxError::outbound("read"))
    }

    pub(super) fn set_tool(
        &mut self,
        name: &str,
        timeout: Option<Duration>,
        started: Timestamp,
    ) -> Result<(), MailboxError> {
        let timeout = timeout.map(|limit| i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
        let started = started.to_string();
        self.write("set_tool", |transaction| transaction.execute(SET_TOOL, params![name, timeout, started]).map(drop))
    }

    pub(super) fn clear_tool(&mut self) -> Result<(), MailboxError> {
        let set = "SELECT 1 FROM container_state WHERE current_tool IS NOT NULL";
        let any =
            self.connection.prepare(set).and_then(|mut s| s.exists([])).map_err(MailboxError::outbound("read"))?;
        if !any {
            return Ok(());
        }
        self.write("clear_tool", |transaction| {
            transaction.execute(SET_TOOL, params![None::<&str>, None::<i64>, None::<&str>]).map(drop)
        })
    }

    /// Notes what the host has dealt with, for the next transaction to remove: a transaction of its own would wake the
    /// host for nothing.
    pub(super) fn note_dealt_with(&mut self, inbound: &Inbound) -> Result<(), MailboxError> {
        let ended: Vec<(String, bool)> = self.rows(ENDED_ACKS, COMPARED_A_LOOK)?;
        let sent: Vec<(String, i64)> = self.rows(NEWEST_SENT, COMPARED_A_LOOK)?;
        let mut dealt_with = DealtWith::default();
        for (id, old) in ended {
            if inbound.is_settled(&id).map_err(MailboxError::Inbound)?.unwrap_or(old) {
                dealt_with.acks.push(id);
            }
        }
        for (id, seq) in sent {
            if inbound.is_delivered(&id).map_err(MailboxError::Inbound)? {
                dealt_with.delivered_seq = seq;
                break;
            }
        }
        self.dealt_with = dealt_with;
        Ok(())
    }

    fn rows<T: FromSql>(&self, sql: &str, limit: i64) -> Result<Vec<(String, T)>, MailboxError> {
        let read = || -> rusqlite::Result<_> {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        read().map_err(MailboxError::outbound("read"))
    }

    /// `name` is what tests call the commit by.
    fn write(
        &mut self,
        name: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), MailboxError> {
        let failed = MailboxError::outbound("write");
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        body(&transaction).and_then(|()| self.dealt_with.remove(&transaction)).map_err(&failed)?;
        nc_failpoint::before("outbound", name).map_err(file_error("write"))?;
        transaction.commit().map_err(&failed)?;
        nc_failpoint::after("outbound", name);
        self.dealt_with = DealtWith::default();
        Ok(())
    }
}

impl DealtWith {
    fn remove(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.prepare_cached("DELETE FROM messages_out WHERE seq < ?1")?.execute([self.delivered_seq])?;
        let mut statement = transaction.prepare_cached("DELETE FROM processing_ack WHERE message_id = ?1")?;
        self.acks.iter().try_for_each(|id| statement.execute([id]).map(drop))
    }
}

/// Sees that the file is what this program would have made: everything that it is going to do with it can be done, and nothing else
/// happens when it does. Whatever ran in the sandbox before may have written it.
fn check(connection: &Connection) -> Result<(), MailboxError> {
    let failed = MailboxError::outbound("open");
    for (problem, sql) in STRANGE {
        if connection.prepare(sql).and_then(|mut statement| statement.exists([])).map_err(&failed)? {
            return Err(MailboxError::Strange { problem });
        }
    }
    [SEND, ACKNOWLEDGE, KEEP, SET_TOOL].iter().try_for_each(|sql| connection.prepare(sql).map(drop)).map_err(&failed)
}

/// What would be in the way, and where it shows.
const STRANGE: &[(&str, &str)] = &[
    ("a view or trigger", "SELECT 1 FROM sqlite_schema WHERE type NOT IN ('table', 'index')"),
    (
        "an acknowledgement without a name",
        "SELECT 1 FROM processing_ack WHERE typeof(message_id) <> 'text' OR typeof(status) <> 'text'",
    ),
    (
        "a row without a name or number",
        "SELECT 1 FROM messages_out WHERE typeof(id) <> 'text' OR typeof(seq) <> 'integer'",
    ),
];

/// A row that the host has no more was settled and removed long since, where the acknowledgement is old; where it is young, the
/// row may have been rolled back, and comes again under the same id.
const ENDED_ACKS: &str = "SELECT message_id, status_changed < datetime('now', '-1 day') FROM processing_ack \
     WHERE status <> 'processing' ORDER BY rowid LIMIT ?1";

const NEWEST_SENT: &str = "SELECT id, seq FROM messages_out ORDER BY seq DESC LIMIT ?1";

const SEND: &str = "INSERT INTO messages_out \
     (id, seq, in_reply_to, timestamp, kind, platform_id, channel_type, thread_id, content) \
     VALUES (?1, ?2, ?3, datetime('now'), ?4, ?5, ?6, ?7, ?8)";

const ACKNOWLEDGE: &str = "INSERT INTO processing_ack (message_id, status, status_changed) VALUES (?1, ?2, datetime('now')) \
     ON CONFLICT (message_id) DO UPDATE SET status = excluded.status, status_changed = excluded.status_changed";

const KEEP: &str = "INSERT INTO session_state (key, value, updated_at) VALUES (?1, ?2, datetime('now')) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";

const SET_TOOL: &str = "INSERT INTO container_state (id, current_tool, tool_declared_timeout_ms, tool_started_at, updated_at) \
     VALUES (1, ?1, ?2, ?3, datetime('now')) ON CONFLICT (id) DO UPDATE SET current_tool = excluded.current_tool, \
     tool_declared_timeout_ms = excluded.tool_declared_timeout_ms, tool_started_at = excluded.tool_started_at, \
     updated_at = excluded.updated_at";

fn send(transaction: &Transaction<'_>, seq: i64, outgoing: &NewRow) -> rusqlite::Result<()> {
    let id = outgoing.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let Address { channel_type, platform_id, thread_id } = &outgoing.address;
    transaction
        .prepare_cached(SEND)?
        .execute(params![
            id,
            seq,
            outgoing.in_reply_to,
            outgoing.content.kind().as_str(),
            platform_id,
            channel_type,
            thread_id,
            outgoing.content.to_json()
        ])
        .map(drop)
}

fn acknowledge(transaction: &Transaction<'_>, id: &str, status: AckStatus) -> rusqlite::Result<()> {
    transaction.prepare_cached(ACKNOWLEDGE)?.execute([id, status.as_str()]).map(drop)
}

/// Keeps a value, and of the runs' usage the newest few.
fn keep(transaction: &Transaction<'_>, key: &str, value: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached(KEEP)?.execute([key, value])?;
    transaction
        .prepare_cached(
            "DELETE FROM session_state WHERE key GLOB 'usage:*' AND key NOT IN \
             (SELECT key FROM session_state WHERE key GLOB 'usage:*' ORDER BY key DESC LIMIT ?1)",
        )?
        .execute([USAGES_KEPT])
        .map(drop)
}

fn next_odd(highest: i64) -> i64 {
    let next = highest.saturating_add(1);
    next + i64::from(next % 2 == 0)
}

fn wait_a_little(tries: i32) -> bool {
    thread::sleep(BUSY_PAUSE);
    tries < BUSY_TRIES
}

fn file_error(operation: &'static str) -> impl Fn(io::Error) -> MailboxError {
    move |source| MailboxError::File { operation, name: OUTBOUND_FILE.to_owned(), source }
}

/// Makes the file with the rights that let the host's group read it, or sees that a plain one is there.
fn make_plain_file(path: &Path) -> Result<(), MailboxError> {
    let error = file_error("open");
    nc_failpoint::before("outbound", "create").map_err(&error)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o640).custom_flags(NOT_ELSEWHERE);
    let metadata = options.open(path).and_then(|file| file.metadata()).map_err(&error)?;
    if metadata.is_file() { Ok(()) } else { Err(error(io::Error::other("it is not a regular file"))) }
}
