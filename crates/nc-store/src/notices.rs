//! What a person must be told.
//!
//! Any program says it once; it is open until the router has made a delivery of it in every chat that it is for. While
//! a notice of the same cause and audience is open, saying it again changes nothing.

use nc_model::{Audience, ChatId, Timestamp};
use rusqlite::{Row, Transaction, named_params};

use crate::row::word;
use crate::{Store, StoreError, new_id, now};

/// How many open notices one look takes.
const OPEN_AT_ONCE: u32 = 100;

/// Something that a person must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotice {
    /// Who is told: the chat, or the owners where there is none.
    pub chat: Option<ChatId>,
    /// The unit or program that says it.
    pub unit: String,
    /// What is said.
    pub text: String,
    /// Why, as a key: what has the same cause is said once while it is open.
    pub cause: String,
}

/// A notice that nobody was told yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id.
    pub id: String,
    /// Who is told.
    pub audience: Audience,
    /// The chat, where it is for one.
    pub chat: Option<ChatId>,
    /// What is said.
    pub text: String,
    /// Why, as a key.
    pub cause: String,
    /// When it was said.
    pub created_at: Timestamp,
}

/// A chat where an owner can be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reachable {
    /// The chat.
    pub chat: ChatId,
    /// Its channel.
    pub channel: String,
}

const SAY: &str = "INSERT OR IGNORE INTO notices (id, audience, messaging_group_id, unit, text, cause, created_at) VALUES \
                   (:id, :audience, :chat, :unit, :text, :cause, :at)";
// Those of a chat first: they can always be told, and notices to owners whom nobody can reach must not stand in their way.
const OPEN: &str = "SELECT id, audience, messaging_group_id, text, cause, created_at FROM notices \
                    WHERE taken_at IS NULL AND cause > '' ORDER BY audience, created_at, id LIMIT ?1";
// A terminal's chat bears the name of the user who sits at it, so it needs no `user_dms` row.
const OWNERS_CHATS: &str = "SELECT m.id AS id, m.channel AS channel FROM user_roles r JOIN user_dms d ON d.user_id = r.user_id \
                              JOIN messaging_groups m ON m.id = d.messaging_group_id WHERE r.role = 'owner' \
                            UNION SELECT m.id, m.channel FROM user_roles r JOIN messaging_groups m \
                              ON m.channel = 'terminal' AND m.platform_id = substr(r.user_id, 10) \
                             WHERE r.role = 'owner' AND r.user_id GLOB 'terminal:?*' ORDER BY 1";
const CHAT: &str = "SELECT id, channel FROM messaging_groups WHERE id = ?1";
const TAKE: &str = "UPDATE notices SET taken_at = ?2 WHERE id = ?1 AND taken_at IS NULL";
const REMEMBER: &str = "INSERT OR IGNORE INTO router_state (key, value) VALUES ('told:' || ?1, ?2)";
const DELIVER: &str = "INSERT OR IGNORE INTO deliveries (id, source_id, channel, messaging_group_id, thread_id, kind, content, \
                       created_at) SELECT :id, :source, m.channel, m.id, :thread, 'text', json_object('text', :text), :at \
                       FROM messaging_groups m WHERE m.id = :chat";
const QUEUE: &str = "INSERT INTO sends (delivery_id, channel, messaging_group_id, status_at) \
                     SELECT id, channel, messaging_group_id, created_at FROM deliveries WHERE id = ?1";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[("notices: open", OPEN), ("notices: chat", CHAT), ("notices: take", TAKE)];

impl Store {
    /// Says `notice`; false where one of the same cause and audience is open, which changes nothing. Ring the router.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written, or the text or the cause is empty.
    pub fn say_notice(&mut self, notice: &NewNotice) -> Result<bool, StoreError> {
        self.write("say_notice", |tx| say(tx, notice))
    }

    /// Says `notice` where its cause was never said before, however long ago; false where it was, which changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written, or the text or the cause is empty.
    pub fn say_notice_once(&mut self, notice: &NewNotice) -> Result<bool, StoreError> {
        self.write("say_notice_once", |tx| say_once(tx, notice))
    }

    /// The notices that nobody was told yet: those of a chat, then those of the owners, each the oldest first; at most 100.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn open_notices(&self) -> Result<Vec<Notice>, StoreError> {
        Ok(self.conn().prepare_cached(OPEN)?.query_map([OPEN_AT_ONCE], notice)?.collect::<Result<_, _>>()?)
    }

    /// The chats where a notice is to be told: its own, or every chat where an owner can be reached. Empty where none can.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn notice_chats(&self, notice: &Notice) -> Result<Vec<Reachable>, StoreError> {
        let conn = self.conn();
        let rows = match notice.chat {
            Some(chat) => conn.prepare_cached(CHAT)?.query_map([chat.0], reachable)?.collect::<Result<_, _>>()?,
            None => conn.prepare_cached(OWNERS_CHATS)?.query_map([], reachable)?.collect::<Result<_, _>>()?,
        };
        Ok(rows)
    }

    /// Makes a delivery of `notice` in each of `chats`, and takes it; twice is as once. Ring the channels afterwards.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn tell_notice(&mut self, notice: &Notice, chats: &[Reachable]) -> Result<(), StoreError> {
        self.write("tell_notice", |tx| {
            for place in chats {
                let source = format!("notice:{}:{}", notice.id, place.chat);
                deliver_text(tx, &source, place.chat, None, &notice.text)?;
            }
            tx.prepare_cached(TAKE)?.execute((&notice.id, now().0))?;
            Ok(())
        })
    }
}

/// Says `notice` in a transaction of the caller's.
pub(crate) fn say(tx: &Transaction<'_>, notice: &NewNotice) -> Result<bool, StoreError> {
    let audience = if notice.chat.is_some() { Audience::Chat } else { Audience::Owners };
    let changed = tx.prepare_cached(SAY)?.execute(named_params! {
        ":id": new_id(), ":audience": audience.as_str(), ":chat": notice.chat.map(|c| c.0), ":unit": notice.unit,
        ":text": notice.text, ":cause": notice.cause, ":at": now().0,
    })?;
    Ok(changed > 0)
}

/// Says `notice` where its cause was never said before, however long ago.
pub(crate) fn say_once(tx: &Transaction<'_>, notice: &NewNotice) -> Result<bool, StoreError> {
    let new = tx.prepare_cached(REMEMBER)?.execute((&notice.cause, now().to_string()))? > 0;
    Ok(new && say(tx, notice)?)
}

/// Makes a delivery of `text` in `chat`, queued for its channel; its id, or none where `source` has one already or
/// there is no such chat.
pub(crate) fn deliver_text(
    tx: &Transaction<'_>,
    source: &str,
    chat: ChatId,
    thread: Option<&str>,
    text: &str,
) -> Result<Option<String>, StoreError> {
    let id = new_id();
    let made = tx.prepare_cached(DELIVER)?.execute(named_params! {
        ":id": id, ":source": source, ":thread": thread, ":text": text, ":at": now().0, ":chat": chat.0,
    })?;
    if made == 0 {
        return Ok(None);
    }
    tx.prepare_cached(QUEUE)?.execute([&id])?;
    Ok(Some(id))
}

fn notice(row: &Row<'_>) -> rusqlite::Result<Notice> {
    Ok(Notice {
        id: row.get("id")?,
        audience: word(row, "audience")?,
        chat: row.get::<_, Option<i64>>("messaging_group_id")?.map(ChatId),
        text: row.get("text")?,
        cause: row.get("cause")?,
        created_at: Timestamp(row.get("created_at")?),
    })
}

fn reachable(row: &Row<'_>) -> rusqlite::Result<Reachable> {
    Ok(Reachable { chat: ChatId(row.get("id")?), channel: row.get("channel")? })
}
