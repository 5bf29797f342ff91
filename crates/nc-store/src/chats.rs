//! Chats: where people write. One WhatsApp group, Slack channel, direct chat or terminal user each.

use nc_model::{ChatId, Timestamp, UnknownSenderPolicy};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::row::{maybe_time, time, word};
use crate::{Store, StoreError, now};

const BY_ID: &str = "SELECT * FROM messaging_groups WHERE id = ?1";
const BY_PLACE: &str = "SELECT * FROM messaging_groups WHERE channel = ?1 AND platform_id = ?2";
const PAGE: &str = "SELECT * FROM messaging_groups WHERE id > ?1 ORDER BY id LIMIT ?2";
const KNOW: &str =
    "INSERT INTO messaging_groups (channel, platform_id, name, is_group, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (channel, platform_id) DO UPDATE SET name = ifnull(excluded.name, name), is_group = excluded.is_group
     WHERE name IS NOT ifnull(excluded.name, name) OR is_group <> excluded.is_group";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[("chat by id", BY_ID), ("chat by place", BY_PLACE), ("page of chats", PAGE)];

/// A chat.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Chat {
    /// Its key.
    pub id: ChatId,
    /// The channel program and its instance, for example `slack:acme` or `terminal`.
    pub channel: String,
    /// The platform's name for it.
    pub platform_id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Whether several people are in it; a direct chat is none.
    pub is_group: bool,
    /// Who may write to its agents without being known.
    pub unknown_sender_policy: UnknownSenderPolicy,
    /// When somebody last wrote.
    pub last_message_at: Option<Timestamp>,
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// A chat as a channel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewChat<'a> {
    /// The channel program and its instance.
    pub channel: &'a str,
    /// The platform's name for it.
    pub platform_id: &'a str,
    /// What people call it; `None` where the channel does not know, and a known name stays.
    pub name: Option<&'a str>,
    /// Whether several people are in it.
    pub is_group: bool,
}

impl Store {
    /// Makes the chat or brings its name up to date, and returns its key.
    ///
    /// # Errors
    /// [`StoreError::BadValue`] where channel or platform id are empty.
    pub fn ensure_chat(&mut self, chat: &NewChat<'_>) -> Result<ChatId, StoreError> {
        self.write("ensure_chat", |tx| know_chat(tx, chat))
    }

    /// The chat with this key.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] where there is none.
    pub fn chat(&self, id: ChatId) -> Result<Chat, StoreError> {
        chat_by_id(self.conn(), id)
    }

    /// The chat that a channel knows by this name.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn find_chat(&self, channel: &str, platform_id: &str) -> Result<Option<Chat>, StoreError> {
        let mut statement = self.conn().prepare_cached(BY_PLACE)?;
        Ok(statement.query_row([channel, platform_id], chat_from_row).optional()?)
    }

    /// At most `limit` chats after the key `after`, by key.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn chats_page(&self, after: Option<ChatId>, limit: u32) -> Result<Vec<Chat>, StoreError> {
        let mut statement = self.conn().prepare_cached(PAGE)?;
        let rows = statement.query_map(params![after.map_or(0, |id| id.0), limit], chat_from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Sets who may write to the chat's agents without being known.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] where there is no such chat.
    pub fn set_unknown_sender_policy(&mut self, id: ChatId, policy: UnknownSenderPolicy) -> Result<(), StoreError> {
        self.write("set_unknown_sender_policy", |tx| {
            let sql = "UPDATE messaging_groups SET unknown_sender_policy = ?2 WHERE id = ?1";
            match tx.prepare_cached(sql)?.execute(params![id.0, policy.as_str()])? {
                0 => Err(StoreError::no_such("chat", &id)),
                _ => Ok(()),
            }
        })
    }
}

/// Makes the chat or brings its name up to date, inside a transaction.
pub(crate) fn know_chat(tx: &Connection, chat: &NewChat<'_>) -> Result<ChatId, StoreError> {
    if chat.channel.is_empty() || chat.platform_id.is_empty() {
        return Err(StoreError::bad_value("channel and platform id of a chat", "", "neither may be empty"));
    }
    let given = params![chat.channel, chat.platform_id, chat.name, chat.is_group, now().0];
    tx.prepare_cached(KNOW)?.execute(given)?;
    let mut find = tx.prepare_cached(BY_PLACE)?;
    Ok(find.query_row([chat.channel, chat.platform_id], |row| row.get("id").map(ChatId))?)
}

/// The chat with this key, inside a transaction.
pub(crate) fn chat_by_id(conn: &Connection, id: ChatId) -> Result<Chat, StoreError> {
    let found = conn.prepare_cached(BY_ID)?.query_row([id.0], chat_from_row).optional()?;
    found.ok_or_else(|| StoreError::no_such("chat", &id))
}

/// A whole row of `messaging_groups`.
pub(crate) fn chat_from_row(row: &Row<'_>) -> rusqlite::Result<Chat> {
    Ok(Chat {
        id: ChatId(row.get("id")?),
        channel: row.get("channel")?,
        platform_id: row.get("platform_id")?,
        name: row.get("name")?,
        is_group: row.get("is_group")?,
        unknown_sender_policy: word(row, "unknown_sender_policy")?,
        last_message_at: maybe_time(row, "last_message_at")?,
        created_at: time(row, "created_at")?,
    })
}
