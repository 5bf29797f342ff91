//! Runs that a person starts by hand: their session, their prompt, and what must be over before.
//!
//! A prompt is written before its run begins, under the id that the run will have, and the router puts it into the
//! mailbox only while that run lives. So no other run of the session takes it, whatever is killed, and nobody starts a
//! run for it. While a run lives whose words are printed and not sent, nothing that people wrote is put into its mailbox:
//! the answers would reach nobody.

use nc_model::{ChatId, GroupId, InboxKind, SessionKey, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, named_params, params};

use crate::runs::Begun;
use crate::sessions::find_or_make;
use crate::{Store, StoreError, new_id, now};

/// A prompt that no run took up for so long is nobody's any more: whoever wrote it waits a minute at most for its run. In
/// milliseconds.
const FORGOTTEN_MS: i64 = 10 * 60 * 1000;

// The first wiring is the chat that the group has listened to longest.
const FIRST_WIRING: &str =
    "SELECT messaging_group_id, session_mode FROM wirings WHERE agent_group_id = ?1 ORDER BY id LIMIT 1";
const WRITE: &str = "INSERT INTO session_inbox (id, session_id, kind, content, trigger, source, created_at) \
                     VALUES (:id, :session, :kind, :content, 1, :run, :at)";
const FORGET: &str = "UPDATE session_inbox SET placed_at = ?2, ended_at = ?2 WHERE session_id = ?1 AND kind = 'prompt' \
                      AND placed_at IS NULL AND ended_at IS NULL AND created_at < ?3";
const END: &str = "UPDATE session_inbox SET placed_at = ifnull(placed_at, ?3), ended_at = ?3 \
                   WHERE session_id = ?1 AND source = ?2 AND kind = 'prompt' AND ended_at IS NULL";
const WAITING: &str = "SELECT (SELECT count(*) FROM routings WHERE session_id = ?1 AND decision = 'work' AND outcome IS NULL) \
                       + (SELECT count(*) FROM session_inbox WHERE session_id = ?1 AND trigger = 1 AND ended_at IS NULL \
                          AND kind IN ('task', 'agent'))";
const UNCOLLECTED: &str =
    "SELECT id FROM runs WHERE session_id = ?1 AND collected_at IS NULL AND session_id > '' LIMIT 1";

/// The queries of this module that run for each run.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("by hand: first wiring", FIRST_WIRING),
    ("by hand: forget", FORGET),
    ("by hand: end", END),
    ("by hand: what waits", WAITING),
    ("by hand: uncollected run", UNCOLLECTED),
];

impl Store {
    /// The chat that a group has listened to longest, where its agent's own session belongs.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn first_chat(&self, group: GroupId) -> Result<Option<ChatId>, StoreError> {
        Ok(first_chat(self.conn(), group)?.map(|(chat, _)| chat))
    }

    /// The group's own session, made where there is none: that of the chat which it has listened to longest, outside of
    /// threads; the one of all its chats where they share one; and one without a chat where it listens to none.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn own_session(&mut self, group: GroupId) -> Result<String, StoreError> {
        self.write("own_session", |tx| {
            let key = first_chat(tx, group)?.map(|(_, key)| key).unwrap_or_default();
            Ok(find_or_make(tx, group, &key, now())?.0)
        })
    }

    /// A session of the group's that nothing else belongs to.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn fresh_session(&mut self, group: GroupId) -> Result<String, StoreError> {
        let key = SessionKey { chat: None, thread: Some(new_id()) };
        self.write("fresh_session", |tx| Ok(find_or_make(tx, group, &key, now())?.0))
    }

    /// Writes a prompt for the run `run`, which is to begin, and returns its id. Ring the router afterwards.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn prompt_by_hand(&mut self, session: &str, run: &str, content: &str) -> Result<String, StoreError> {
        let (id, at) = (new_id(), now());
        self.write("prompt_by_hand", |tx| {
            tx.prepare_cached(FORGET)?.execute(params![session, at.0, at.0 - FORGOTTEN_MS])?;
            tx.prepare_cached(WRITE)?.execute(named_params! {
                ":id": id, ":session": session, ":kind": InboxKind::Prompt.as_str(), ":content": content, ":run": run,
                ":at": at.0,
            })?;
            Ok(id)
        })
    }

    /// Says that nothing more is to come of the prompt of a run; false where that was said before.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn end_prompt(&mut self, session: &str, run: &str) -> Result<bool, StoreError> {
        self.write("end_prompt", |tx| end_prompt(tx, session, run, now()))
    }
}

impl Store {
    /// Why a run by hand may not begin now: the live run, one that is not taken in, or how much waits. `None` where it may.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn hindrance_by_hand(&self, session: &str, to_chat: bool) -> Result<Option<Begun>, StoreError> {
        if let Some(live) = self.live_run(session)? {
            return Ok(Some(Begun::Live(live.id)));
        }
        self.read(|conn| hindrance(conn, session, to_chat))
    }
}

fn first_chat(conn: &Connection, group: GroupId) -> Result<Option<(ChatId, SessionKey)>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| {
        let chat = ChatId(row.get("messaging_group_id")?);
        Ok((chat, SessionKey::of(crate::row::word(row, "session_mode")?, chat, None)))
    };
    Ok(conn.prepare_cached(FIRST_WIRING)?.query_row([group.0], read).optional()?)
}

/// Says that nothing more is to come of the prompt of a run, inside a transaction.
pub(crate) fn end_prompt(tx: &Transaction<'_>, session: &str, run: &str, at: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.prepare_cached(END)?.execute(params![session, run, at.0])? > 0)
}

/// Why a run by hand may not begin now, inside the transaction that would begin it. `to_chat` says whether its words are
/// sent.
pub(crate) fn hindrance(tx: &Connection, session: &str, to_chat: bool) -> Result<Option<Begun>, StoreError> {
    // What an earlier run wrote is taken in by the rules of that run, so it must be taken in before.
    let earlier = tx.prepare_cached(UNCOLLECTED)?.query_row([session], |row| row.get(0)).optional()?;
    if let Some(run) = earlier {
        return Ok(Some(Begun::Uncollected(run)));
    }
    if to_chat {
        return Ok(None);
    }
    let waiting: i64 = tx.prepare_cached(WAITING)?.query_row([session], |row| row.get(0))?;
    Ok(u64::try_from(waiting).ok().filter(|waiting| *waiting > 0).map(Begun::Waiting))
}
