//! What a session is to be told besides messages: tasks that are due, answers, reports of deliveries, notices.
//!
//! Any program writes rows and rings the router, which puts them into the session's mailbox.

use nc_model::{InboxKind, Timestamp};
use rusqlite::Row;

use crate::row::{maybe_time, time, word};
use crate::{Store, StoreError};

/// A row of `session_inbox`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: InboxKind,
    /// What it says, JSON.
    pub content: String,
    /// Whether it is work.
    pub trigger: bool,
    /// Whether only a fresh agent is told.
    pub on_wake: bool,
    /// Not before this time.
    pub not_before: Option<Timestamp>,
    /// When it was written.
    pub created_at: Timestamp,
}

// A prompt is for its own run alone; and what a run says that is not sent answers nobody else.
const TO_PLACE: &str = "SELECT id, kind, content, trigger, on_wake, not_before, created_at FROM session_inbox \
                        WHERE session_id = ?1 AND placed_at IS NULL \
                        AND (kind IN ('delivery', 'system', 'answer') \
                            OR (kind = 'prompt' AND EXISTS (SELECT 1 FROM runs r WHERE r.id = source AND r.ended_at IS NULL)) \
                            OR (kind IN ('task', 'notice', 'agent') AND NOT EXISTS (SELECT 1 FROM runs r \
                                WHERE r.session_id = ?1 AND r.ended_at IS NULL AND r.to_chat = 0))) \
                        ORDER BY created_at, id LIMIT ?2";
const OPEN: &str = "SELECT id, kind, content, trigger, on_wake, not_before, created_at FROM session_inbox \
                    WHERE session_id = ?1 AND trigger = 1 AND ended_at IS NULL AND placed_at IS NOT NULL \
                    ORDER BY created_at LIMIT ?2";
const CLOSED: &str = "SELECT 1 FROM session_inbox WHERE id = ?1 AND ended_at IS NOT NULL";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] =
    &[("inbox: rows to place", TO_PLACE), ("inbox: open rows", OPEN), ("inbox: whether a row has ended", CLOSED)];

impl Store {
    /// The first rows of the inbox of `session` that are not yet in its mailbox.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn inbox_to_place(&self, session: &str, limit: u32) -> Result<Vec<InboxRow>, StoreError> {
        self.inbox(TO_PLACE, session, limit)
    }

    /// The first placed rows of the inbox of `session` whose work is not done.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn open_inbox(&self, session: &str, limit: u32) -> Result<Vec<InboxRow>, StoreError> {
        self.inbox(OPEN, session, limit)
    }

    /// Whether the row `id` of a session's inbox has ended.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn inbox_closed(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.conn().prepare_cached(CLOSED)?.exists([id])?)
    }

    fn inbox(&self, sql: &str, session: &str, limit: u32) -> Result<Vec<InboxRow>, StoreError> {
        Ok(self.conn().prepare_cached(sql)?.query_map((session, limit), inbox_row)?.collect::<Result<_, _>>()?)
    }
}

fn inbox_row(row: &Row<'_>) -> rusqlite::Result<InboxRow> {
    Ok(InboxRow {
        id: row.get("id")?,
        kind: word(row, "kind")?,
        content: row.get("content")?,
        trigger: row.get("trigger")?,
        on_wake: row.get("on_wake")?,
        not_before: maybe_time(row, "not_before")?,
        created_at: time(row, "created_at")?,
    })
}
