//! Handing decided messages, and what else a session is to be told, to its `inbound.db`.

use nc_model::{Decision, GroupId, MessageKind, RoutingId, RoutingOutcome, Seq, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction};

use crate::row::{maybe_time, maybe_word, time, word};
use crate::{Store, StoreError, now};

/// How many messages of context that nobody took go into a mailbox that is made anew. A guess: more than an agent reads.
const CONTEXT_AT_MOST: u32 = 200;

/// A message that belongs into a session's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToPlace {
    /// The decision.
    pub routing: RoutingId,
    /// The agent group.
    pub group: GroupId,
    /// As work or as context.
    pub decision: Decision,
    /// The message.
    pub seq: Seq,
    /// The channel of its chat.
    pub channel: String,
    /// What the platform calls the chat.
    pub platform_id: String,
    /// The thread.
    pub thread: Option<String>,
    /// Who wrote it.
    pub sender_id: Option<String>,
    /// The name of who wrote it.
    pub sender_name: Option<String>,
    /// What was written.
    pub text: Option<String>,
    /// The files, JSON.
    pub attachments: Option<String>,
    /// What it answers, changes, takes back or reacts to.
    pub reply_to: Option<Quoted>,
    /// The account that we use wrote it.
    pub from_me: bool,
    /// What it is.
    pub kind: MessageKind,
    /// When it was written.
    pub sent_at: Timestamp,
}

/// The message that a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// What the platform calls it.
    pub platform_message_id: String,
    /// The message, where we have it; what the assistant itself sent is not among the messages.
    pub seq: Option<Seq>,
    /// The name of who wrote it.
    pub sender_name: Option<String>,
    /// What was written.
    pub text: Option<String>,
}

/// How something in a mailbox ended, as far as the agent is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The agent took it and is done with it.
    Completed,
    /// It is not tried again.
    Failed,
}

/// Every session with something unplaced, by jumping from one to the next in the indexes of unplaced rows.
pub(super) const SESSIONS: &str = "WITH RECURSIVE \
     m (id) AS (SELECT min(session_id) FROM routings WHERE decision IN ('work', 'context') AND placed_at IS NULL \
        UNION ALL SELECT (SELECT min(session_id) FROM routings WHERE decision IN ('work', 'context') \
            AND placed_at IS NULL AND session_id > m.id) FROM m WHERE m.id IS NOT NULL), \
     i (id) AS (SELECT min(session_id) FROM session_inbox WHERE placed_at IS NULL \
        UNION ALL SELECT (SELECT min(session_id) FROM session_inbox WHERE placed_at IS NULL AND session_id > i.id) \
            FROM i WHERE i.id IS NOT NULL) \
     SELECT id FROM m WHERE id IS NOT NULL UNION SELECT id FROM i WHERE id IS NOT NULL";

macro_rules! to_place {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.agent_group_id, r.decision, m.seq, c.channel, c.platform_id, m.thread_id, m.sender_id, \
             m.sender_name, m.text, m.attachments, m.from_me, m.kind, m.sent_at, \
             ifnull(m.target_message_id, m.reply_to) AS about, q.seq AS quoted, \
             q.sender_name AS quoted_sender, q.text AS quoted_text FROM routings r \
             JOIN messages m ON m.seq = r.message_seq JOIN messaging_groups c ON c.id = m.messaging_group_id \
             LEFT JOIN messages q ON q.seq = (SELECT min(a.seq) FROM messages a WHERE a.messaging_group_id = c.id \
             AND a.platform_message_id = ifnull(m.target_message_id, m.reply_to)) ",
            $rest
        )
    };
}

// A run by hand whose words are not sent would answer nobody: what people wrote waits until it is over.
pub(super) const UNPLACED: &str = to_place!(
    "WHERE r.session_id = ?1 AND r.decision IN ('work', 'context') AND r.placed_at IS NULL \
     AND NOT EXISTS (SELECT 1 FROM runs h WHERE h.session_id = ?1 AND h.ended_at IS NULL AND h.to_chat = 0) \
     ORDER BY r.id LIMIT ?2"
);
pub(super) const OPEN: &str = to_place!(
    "WHERE r.session_id = ?1 AND r.decision = 'work' AND r.outcome IS NULL AND r.placed_at IS NOT NULL \
     AND r.message_seq > ?3 ORDER BY r.message_seq LIMIT ?2"
);
pub(super) const CONTEXT: &str = to_place!(
    "WHERE r.session_id = ?1 AND r.message_seq > ifnull((SELECT g.message_seq FROM routings g WHERE g.session_id = ?1 \
     AND g.given_at IS NOT NULL ORDER BY g.message_seq DESC LIMIT 1), 0) AND r.decision = 'context' \
     AND r.placed_at IS NOT NULL AND r.given_at IS NULL ORDER BY r.message_seq DESC LIMIT ?2"
);
const PLACED: &str = "UPDATE routings SET placed_at = ?2 WHERE id = ?1 AND placed_at IS NULL";
const INBOX_PLACED: &str = "UPDATE session_inbox SET placed_at = ?2 WHERE id = ?1 AND placed_at IS NULL";
pub(super) const CLOSED_MESSAGE: &str = "SELECT outcome, given_at, decision FROM routings \
                                         WHERE message_seq = ?1 AND ifnull(agent_group_id, 0) = ?2";

impl Store {
    /// The sessions for which something is not yet in their mailbox.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn sessions_to_place(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.conn().prepare_cached(SESSIONS)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// The first messages that are not yet in the mailbox of `session`, in the order of their arrival.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn messages_to_place(&self, session: &str, limit: u32) -> Result<Vec<ToPlace>, StoreError> {
        let mut query = self.conn().prepare_cached(UNPLACED)?;
        Ok(query.query_map((session, limit), to_place)?.collect::<Result<_, _>>()?)
    }

    /// The placed messages of `session` after `after` whose work is not done.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn open_messages(&self, session: &str, after: Seq, limit: u32) -> Result<Vec<ToPlace>, StoreError> {
        let mut query = self.conn().prepare_cached(OPEN)?;
        Ok(query.query_map((session, limit, after.0), to_place)?.collect::<Result<_, _>>()?)
    }

    /// The newest placed messages of context that no agent of `session` has taken, the oldest first; at most 200.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn untaken_context(&self, session: &str) -> Result<Vec<ToPlace>, StoreError> {
        let mut query = self.conn().prepare_cached(CONTEXT)?;
        let mut rows = query.query_map((session, CONTEXT_AT_MOST), to_place)?.collect::<Result<Vec<_>, _>>()?;
        rows.reverse();
        Ok(rows)
    }

    /// Says that these decisions and rows are in their mailboxes.
    ///
    /// This one commit does not wait for the disk: a power cut can only undo it, and then they are placed again, which
    /// changes nothing. Whatever follows from them is committed after it, and waits for both.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn placed(&mut self, routings: &[RoutingId], inbox: &[String]) -> Result<(), StoreError> {
        self.conn().pragma_update(None, "synchronous", "NORMAL")?;
        let marked = self.mark_placed(routings, inbox);
        self.conn().pragma_update(None, "synchronous", "FULL")?;
        marked
    }

    fn mark_placed(&mut self, routings: &[RoutingId], inbox: &[String]) -> Result<(), StoreError> {
        let at = now().0;
        self.write("mark_placed", |tx: &Transaction<'_>| {
            for routing in routings {
                tx.prepare_cached(PLACED)?.execute((routing.0, at))?;
            }
            for row in inbox {
                tx.prepare_cached(INBOX_PLACED)?.execute((row, at))?;
            }
            Ok(())
        })
    }

    /// How the message `seq` ended for `group`; none while it is open, or where the two have nothing to do with each other.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn message_closed(&self, seq: Seq, group: GroupId) -> Result<Option<Closed>, StoreError> {
        let mut query = self.conn().prepare_cached(CLOSED_MESSAGE)?;
        Ok(query.query_row((seq.0, group.0), closed).optional()?.flatten())
    }
}

fn closed(row: &Row<'_>) -> rusqlite::Result<Option<Closed>> {
    let outcome: Option<RoutingOutcome> = maybe_word(row, "outcome")?;
    let decision: Decision = word(row, "decision")?;
    let given = maybe_time(row, "given_at")?.is_some();
    Ok(match outcome {
        Some(RoutingOutcome::Failed) => Some(Closed::Failed),
        Some(_) => Some(Closed::Completed),
        None => (decision == Decision::Context && given).then_some(Closed::Completed),
    })
}

fn to_place(row: &Row<'_>) -> rusqlite::Result<ToPlace> {
    Ok(ToPlace {
        routing: RoutingId(row.get("id")?),
        group: GroupId(row.get("agent_group_id")?),
        decision: word(row, "decision")?,
        seq: Seq(row.get("seq")?),
        channel: row.get("channel")?,
        platform_id: row.get("platform_id")?,
        thread: row.get("thread_id")?,
        sender_id: row.get("sender_id")?,
        sender_name: row.get("sender_name")?,
        text: row.get("text")?,
        attachments: row.get("attachments")?,
        reply_to: quoted(row)?,
        from_me: row.get("from_me")?,
        kind: word(row, "kind")?,
        sent_at: time(row, "sent_at")?,
    })
}

fn quoted(row: &Row<'_>) -> rusqlite::Result<Option<Quoted>> {
    let Some(platform_message_id) = row.get("about")? else { return Ok(None) };
    Ok(Some(Quoted {
        platform_message_id,
        seq: row.get::<_, Option<i64>>("quoted")?.map(Seq),
        sender_name: row.get("quoted_sender")?,
        text: row.get("quoted_text")?,
    }))
}
