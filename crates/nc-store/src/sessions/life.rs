//! Sessions begin with the first message for them, and end when somebody clears them.
//!
//! A closed session takes no new message. What it has taken before it ends: runs of it are given until nothing is open.

use nc_model::{ChatId, GroupId, SessionKey, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use crate::{Store, StoreError, new_id, now};

/// What the runs of a session have used, as far as they said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// How many runs there were.
    pub runs: u64,
    /// How often the model answered.
    pub turns: u64,
    /// What it was given.
    pub input_tokens: u64,
    /// What it wrote.
    pub output_tokens: u64,
    /// What it cost; none where no run said so.
    pub cost_usd: Option<f64>,
}

pub(super) const FIND: &str = "SELECT id FROM sessions WHERE agent_group_id = ?1 AND ifnull(messaging_group_id, 0) = ?2 \
                               AND ifnull(thread_id, '') = ?3 AND status <> 'closed'";
const MAKE: &str = "INSERT INTO sessions (id, agent_group_id, messaging_group_id, thread_id, last_active_at, created_at) \
                    VALUES (:id, :group, :chat, :thread, :at, :at)";
const ACTIVE: &str = "UPDATE sessions SET last_active_at = ?2 WHERE id = ?1";
const CLOSE: &str = "UPDATE sessions SET status = 'closed' WHERE id = ?1 AND status <> 'closed'";
// Nobody needs to know any more how the words of a closed session fared.
const FORGET_NOTICES: &str = "UPDATE session_inbox SET ended_at = ?2, placed_at = ifnull(placed_at, ?2) \
                              WHERE session_id = ?1 AND kind = 'notice' AND trigger = 1 AND ended_at IS NULL";
const BEGIN_CONVERSATION: &str = "INSERT OR IGNORE INTO conversations (session_id, messaging_group_id, thread_id, began_at) \
                                  VALUES (?1, ?2, ifnull(?3, ''), ?4)";
pub(super) const IN_CONVERSATION: &str = "SELECT EXISTS (SELECT 1 FROM sessions s JOIN conversations c ON c.session_id = s.id \
                                          WHERE s.agent_group_id = ?1 AND ifnull(s.messaging_group_id, 0) = ?2 \
                                          AND ifnull(s.thread_id, '') = ?3 AND s.status <> 'closed' \
                                          AND c.messaging_group_id = ?4 AND c.thread_id = ifnull(?5, ''))";
pub(super) const FIGURES: &str = "SELECT count(*) AS runs, total(turns) AS turns, total(input_tokens) AS input_tokens, \
                                  total(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd \
                                  FROM runs WHERE session_id = ?1";
pub(super) const LAST_PROVIDER: &str = "SELECT provider FROM runs WHERE session_id = ?1 AND provider IS NOT NULL \
                                        ORDER BY started_at DESC LIMIT 1";

impl Store {
    /// The session of `group` with this key that takes messages.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn open_session(&self, group: GroupId, key: &SessionKey) -> Result<Option<String>, StoreError> {
        Ok(self.conn().prepare_cached(FIND)?.query_row(parts(group, key), |row| row.get(0)).optional()?)
    }

    /// Whether the session with this key goes on being called in `thread` of `chat`, since it was mentioned there.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn in_conversation(
        &self,
        group: GroupId,
        key: &SessionKey,
        chat: ChatId,
        thread: Option<&str>,
    ) -> Result<bool, StoreError> {
        let (group, of, in_thread) = parts(group, key);
        let mut query = self.conn().prepare_cached(IN_CONVERSATION)?;
        Ok(query.query_row((group, of, in_thread, chat.0, thread), |row| row.get(0))?)
    }

    /// Closes a session: the next message that would have been its own begins a new one. What it has taken it ends. False
    /// where it is closed already or not there. Ring the router, which asks its agent to leave.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn close_session(&mut self, session: &str) -> Result<bool, StoreError> {
        self.write("close_session", |tx| close(tx, session, now()))
    }

    /// What the runs of a session have used.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn figures(&self, session: &str) -> Result<Figures, StoreError> {
        Ok(self.conn().prepare_cached(FIGURES)?.query_row([session], figures)?)
    }

    /// What drove the model of the session's last run that said so.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn last_provider(&self, session: &str) -> Result<Option<String>, StoreError> {
        Ok(self.conn().prepare_cached(LAST_PROVIDER)?.query_row([session], |row| row.get(0)).optional()?)
    }
}

/// The open session of `group` with this key, made where there is none; and whether it was made.
pub(crate) fn find_or_make(
    tx: &Transaction<'_>,
    group: GroupId,
    key: &SessionKey,
    at: Timestamp,
) -> Result<(String, bool), StoreError> {
    let found: Option<String> = tx.prepare_cached(FIND)?.query_row(parts(group, key), |row| row.get(0)).optional()?;
    if let Some(id) = found {
        tx.prepare_cached(ACTIVE)?.execute((&id, at.0))?;
        return Ok((id, false));
    }
    let id = new_id();
    tx.prepare_cached(MAKE)?.execute(named_params! {
        ":id": id, ":group": group.0, ":chat": key.chat.map(|c| c.0), ":thread": key.thread, ":at": at.0,
    })?;
    Ok((id, true))
}

/// Closes the session with this key, where there is one; whether there was.
pub(crate) fn close_with_key(
    tx: &Transaction<'_>,
    group: GroupId,
    key: &SessionKey,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let found: Option<String> = tx.prepare_cached(FIND)?.query_row(parts(group, key), |row| row.get(0)).optional()?;
    found.map_or(Ok(false), |id| close(tx, &id, at))
}

/// Says that a session goes on being called in a thread of a chat.
pub(crate) fn begin_conversation(
    tx: &Transaction<'_>,
    session: &str,
    chat: ChatId,
    thread: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached(BEGIN_CONVERSATION)?.execute((session, chat.0, thread, at.0))?;
    Ok(())
}

fn close(tx: &Transaction<'_>, session: &str, at: Timestamp) -> Result<bool, StoreError> {
    let closed = tx.prepare_cached(CLOSE)?.execute([session])? > 0;
    if closed {
        tx.prepare_cached(FORGET_NOTICES)?.execute((session, at.0))?;
    }
    Ok(closed)
}

fn parts(group: GroupId, key: &SessionKey) -> (i64, i64, &str) {
    (group.0, key.chat.map_or(0, |chat| chat.0), key.thread.as_deref().unwrap_or(""))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of counts; SQLite totals as a float"
)]
fn figures(row: &Row<'_>) -> rusqlite::Result<Figures> {
    let count = |column: &str| row.get::<_, f64>(column).map(|total| total as u64);
    Ok(Figures {
        runs: row.get::<_, i64>("runs")?.cast_unsigned(),
        turns: count("turns")?,
        input_tokens: count("input_tokens")?,
        output_tokens: count("output_tokens")?,
        cost_usd: row.get("cost_usd")?,
    })
}
