//! What became of each part of a delivery, and which of them a channel is to send next.
//!
//! ```text
//! queued ──lease──▶ leased ──begin──▶ sending ──end──▶ sent
//!    ▲                │ (expired)        │              unknown   nobody can know whether it arrived
//!    └────────────────┘                  ├─────────────▶ dead      it never will
//!    ▲                                   ▼
//!    └───────────────(due)──────────── retry             the platform did not take it
//! ```
//!
//! Within a chat only the first part that is due and not ended is ever leased, so order is kept. `sending` is committed
//! before the platform is called: whatever dies after that leaves a row of which nobody knows, and it is not sent again
//! but resolved by the platform's own means.

mod end;

use nc_model::{ChatId, DeliveryKind, SendStatus, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Transaction, params};

pub use self::end::{DeliveryReport, Ended, Reported, SendEnd};
use crate::row::{maybe_time, time, word};
use crate::{Store, StoreError};

/// The next chat of a channel with anything open.
const NEXT_CHAT: &str = "SELECT min(messaging_group_id) FROM sends
    WHERE channel = ?1 AND messaging_group_id > ?2 AND status IN ('queued', 'leased', 'sending', 'retry')";

/// The first part of a chat that is due and not ended: nothing of the chat is sent before it.
const HEAD: &str =
    "SELECT s.delivery_id, s.part, s.status, s.lease_until, s.attempts, s.next_attempt_at, s.status_at, s.channel,
           s.messaging_group_id, d.session_id, d.source_id, d.in_reply_to, d.thread_id, d.kind, d.content, d.created_at
      FROM sends s JOIN deliveries d ON d.id = s.delivery_id
     WHERE s.channel = ?1 AND s.messaging_group_id = ?2 AND s.status IN ('queued', 'leased', 'sending', 'retry')
       AND (d.not_before IS NULL OR d.not_before <= ?3)
     ORDER BY s.delivery_id, s.part LIMIT 1";

/// When anything of a channel is next due that is not due now.
const NEXT_DUE: &str = "SELECT min(due) FROM (
    SELECT CASE s.status WHEN 'retry' THEN s.next_attempt_at WHEN 'leased' THEN s.lease_until ELSE d.not_before END AS due
      FROM sends s JOIN deliveries d ON d.id = s.delivery_id
     WHERE s.channel = ?1 AND s.status IN ('queued', 'leased', 'sending', 'retry')) WHERE due > ?2";

/// The next channel with anything open.
const NEXT_CHANNEL: &str = "SELECT min(channel) FROM sends
    WHERE channel > ?1 AND status IN ('queued', 'leased', 'sending', 'retry')";

/// What a channel had in hand in one chat, or in all where the chat is null.
const IN_HAND: &str =
    "SELECT s.delivery_id, s.part, s.status, s.lease_until, s.attempts, s.next_attempt_at, s.status_at, s.channel,
           s.messaging_group_id, d.session_id, d.source_id, d.in_reply_to, d.thread_id, d.kind, d.content, d.created_at
      FROM sends s JOIN deliveries d ON d.id = s.delivery_id
     WHERE s.channel = ?1 AND (?2 IS NULL OR s.messaging_group_id = ?2)
       AND s.status IN ('queued', 'leased', 'sending', 'retry') AND s.status = 'sending'
     ORDER BY s.delivery_id, s.part";

const LEASED: &str = "SELECT 1 FROM sends WHERE channel = ?1 AND (?2 IS NULL OR messaging_group_id = ?2)
    AND status IN ('queued', 'leased', 'sending', 'retry') AND status = 'leased' LIMIT 1";

const TAKE: &str =
    "UPDATE sends SET status = 'leased', lease_until = ?3, status_at = ?4 WHERE delivery_id = ?1 AND part = ?2";

const BEGIN: &str = "UPDATE sends SET status = 'sending', attempts = attempts + 1, status_at = ?4
    WHERE delivery_id = ?1 AND part = ?2 AND status = 'leased' AND lease_until = ?3";

const ADD_PART: &str = "INSERT OR IGNORE INTO sends (delivery_id, part, channel, messaging_group_id, status, status_at)
    SELECT delivery_id, ?2, channel, messaging_group_id, 'queued', ?3 FROM sends WHERE delivery_id = ?1 AND part = 0";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("sends: next chat", NEXT_CHAT),
    ("sends: next channel", NEXT_CHANNEL),
    ("sends: head of a chat", HEAD),
    ("sends: next due", NEXT_DUE),
    ("sends: in hand", IN_HAND),
    ("sends: leased", LEASED),
    ("sends: take", TAKE),
    ("sends: begin", BEGIN),
    ("sends: add a part", ADD_PART),
    ("sends: end", end::END),
    ("sends: open parts", end::OPEN_PARTS),
    ("sends: what to report", end::TO_REPORT),
];

/// One part of a delivery in a channel's hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// The delivery.
    pub delivery_id: String,
    /// Which part of it, from 0.
    pub part: u32,
    /// The channel instance.
    pub channel: String,
    /// The chat.
    pub chat: ChatId,
    /// The thread of the chat.
    pub thread_id: Option<String>,
    /// The session that wants it sent; none for the router's own notices.
    pub session_id: Option<String>,
    /// The session's own name for it.
    pub source_id: String,
    /// Which message it answers: the id of the row in the session's mailbox.
    pub in_reply_to: Option<String>,
    /// What it is.
    pub kind: DeliveryKind,
    /// JSON, as the agent wrote it.
    pub content: String,
    /// How often it was begun before.
    pub attempts: u32,
    /// When the delivery was made.
    pub created_at: Timestamp,
    /// Until when it is this channel's; also what tells this lease from an earlier one.
    pub lease_until: Timestamp,
}

/// A part as it stands, whoever has it.
struct Found {
    leased: Leased,
    status: SendStatus,
    lease_until: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
    /// Since when it has its status.
    status_at: Timestamp,
}

impl Found {
    /// Whether it may be taken now.
    fn is_free(&self, now: Timestamp) -> bool {
        // What was written later than now waits for a time of a clock that somebody has set back since.
        let over = |time: Option<Timestamp>| time.is_none_or(|t| t <= now) || self.status_at > now;
        match self.status {
            SendStatus::Queued => true,
            SendStatus::Retry => over(self.next_attempt_at),
            SendStatus::Leased => over(self.lease_until),
            _ => false,
        }
    }
}

impl Store {
    /// The channels that have something to send: for a program that starts, whose predecessor may have died before it rang.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn channels_with_sends(&self) -> Result<Vec<String>, StoreError> {
        self.read(|conn| {
            let mut next = conn.prepare_cached(NEXT_CHANNEL)?;
            let mut found = Vec::<String>::new();
            loop {
                let before = found.last().map_or("", String::as_str);
                let Some(channel) = next.query_row([before], |row| row.get::<_, Option<String>>(0))? else {
                    return Ok(found);
                };
                found.push(channel);
            }
        })
    }

    /// Takes the first due part of each chat of `channel`, or of `only` one, until `until`; at most `most` of them.
    ///
    /// A chat whose first open part is in somebody's hand, or waits to be tried again, gives nothing; one with a time
    /// before which it may not go stands in nobody's way. With nothing to take, nothing is written.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be read or written.
    pub fn lease_sends(
        &mut self,
        channel: &str,
        only: Option<ChatId>,
        now: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Leased>, StoreError> {
        if free_heads(self.conn(), channel, only, now, 1)?.is_empty() {
            return Ok(Vec::new());
        }
        self.write("lease_sends", |tx| {
            let heads = free_heads(tx, channel, only, now, most)?;
            heads.into_iter().map(|head| take(tx, head, until, now)).collect()
        })
    }

    /// Says that further parts of the delivery follow `leased`, `parts` in all; those that are there stay as they are.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be written.
    pub fn add_parts(&mut self, leased: &Leased, parts: u32, now: Timestamp) -> Result<(), StoreError> {
        if parts <= leased.part + 1 {
            return Ok(());
        }
        self.write("add_parts", |tx| {
            let mut add = tx.prepare_cached(ADD_PART)?;
            for part in leased.part + 1..parts {
                add.execute(params![leased.delivery_id, part, now.0])?;
            }
            Ok(())
        })
    }

    /// Commits that the platform is about to be called. False where the lease is over and the part is another's.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be written.
    pub fn begin_send(&mut self, leased: &Leased, now: Timestamp) -> Result<bool, StoreError> {
        self.write("begin_send", |tx| {
            let mut begin = tx.prepare_cached(BEGIN)?;
            let changed = begin.execute(params![leased.delivery_id, leased.part, leased.lease_until.0, now.0])?;
            Ok(changed == 1)
        })
    }

    /// What a program of this channel had begun to send when it died. Ask only while no other program can be sending
    /// for the channel (or the `only` chat): what is found is to be resolved, and ended.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be read.
    pub fn sends_in_hand(&self, channel: &str, only: Option<ChatId>) -> Result<Vec<Leased>, StoreError> {
        let mut query = self.conn().prepare_cached(IN_HAND)?;
        let rows = query.query_map(params![channel, only.map(|c| c.0)], found)?;
        rows.map(|row| Ok(row?.leased)).collect()
    }

    /// Whether anything of the channel is leased and not begun.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be read.
    pub fn has_leased_sends(&self, channel: &str, only: Option<ChatId>) -> Result<bool, StoreError> {
        let mut query = self.conn().prepare_cached(LEASED)?;
        Ok(query.exists(params![channel, only.map(|c| c.0)])?)
    }

    /// Gives back what a dead program of this channel had leased and not begun.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be written.
    pub fn give_back_sends(
        &mut self,
        channel: &str,
        only: Option<ChatId>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.write("give_back_sends", |tx| {
            Ok(tx.execute(
                "UPDATE sends SET status = 'queued', lease_until = NULL, status_at = ?3
                  WHERE channel = ?1 AND (?2 IS NULL OR messaging_group_id = ?2)
                    AND status IN ('queued', 'leased', 'sending', 'retry') AND status = 'leased'",
                params![channel, only.map(|c| c.0), now.0],
            )?)
        })
    }

    /// When something of `channel` is due next that is not due at `now`.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be read.
    pub fn next_send_due(&self, channel: &str, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let mut query = self.conn().prepare_cached(NEXT_DUE)?;
        let due = query.query_row(params![channel, now.0], |row| row.get::<_, Option<i64>>(0))?;
        Ok(due.map(Timestamp))
    }
}

/// The parts that may be taken now, one a chat.
fn free_heads(
    conn: &Connection,
    channel: &str,
    only: Option<ChatId>,
    now: Timestamp,
    most: usize,
) -> Result<Vec<Leased>, StoreError> {
    let mut head = conn.prepare_cached(HEAD)?;
    if let Some(chat) = only {
        return Ok(free_head(&mut head, channel, chat, now)?.into_iter().collect());
    }
    let mut heads = Vec::new();
    let mut next = conn.prepare_cached(NEXT_CHAT)?;
    let mut chat = 0_i64;
    while heads.len() < most {
        let Some(found) = next.query_row(params![channel, chat], |row| row.get::<_, Option<i64>>(0))? else { break };
        chat = found;
        heads.extend(free_head(&mut head, channel, ChatId(chat), now)?);
    }
    Ok(heads)
}

fn free_head(
    head: &mut CachedStatement<'_>,
    channel: &str,
    chat: ChatId,
    now: Timestamp,
) -> Result<Option<Leased>, StoreError> {
    let found = head.query_row(params![channel, chat.0, now.0], found).optional()?;
    Ok(found.filter(|f| f.is_free(now)).map(|f| f.leased))
}

fn take(tx: &Transaction<'_>, head: Leased, until: Timestamp, now: Timestamp) -> Result<Leased, StoreError> {
    tx.prepare_cached(TAKE)?.execute(params![head.delivery_id, head.part, until.0, now.0])?;
    Ok(Leased { lease_until: until, ..head })
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let lease_until = maybe_time(row, "lease_until")?;
    Ok(Found {
        leased: Leased {
            delivery_id: row.get("delivery_id")?,
            part: row.get("part")?,
            channel: row.get("channel")?,
            chat: ChatId(row.get("messaging_group_id")?),
            thread_id: row.get("thread_id")?,
            session_id: row.get("session_id")?,
            source_id: row.get("source_id")?,
            in_reply_to: row.get("in_reply_to")?,
            kind: word(row, "kind")?,
            content: row.get("content")?,
            attempts: row.get("attempts")?,
            created_at: time(row, "created_at")?,
            lease_until: lease_until.unwrap_or(Timestamp(0)),
        },
        status: word(row, "status")?,
        lease_until,
        next_attempt_at: maybe_time(row, "next_attempt_at")?,
        status_at: time(row, "status_at")?,
    })
}
