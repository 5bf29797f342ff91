//! What people wrote, in the order in which it arrived.

use nc_model::{ChatId, MessageKind, Seq, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::people::know_user;
use crate::row::{time, word};
use crate::{Store, StoreError, now};

/// The most messages in one transaction. STORE.md: other writers wait meanwhile.
pub const MAX_BATCH: usize = 100;

const WIRED: &str = "SELECT is_group, EXISTS (SELECT 1 FROM wirings WHERE messaging_group_id = ?1) AS wired
    FROM messaging_groups WHERE id = ?1";
const KNOWN: &str = "SELECT seq FROM messages WHERE messaging_group_id = ?1 AND platform_event_id = ?2";
const INSERT: &str = "INSERT INTO messages (messaging_group_id, platform_event_id, platform_message_id, target_message_id,
        thread_id, sender_id, sender_name, from_me, is_bot, is_mention, text, attachments, reply_to, kind, sent_at, received_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
const TOUCH: &str =
    "UPDATE messaging_groups SET last_message_at = ?2 WHERE id = ?1 AND ifnull(last_message_at, -1) < ?2";
const BY_SEQ: &str = "SELECT * FROM messages WHERE seq = ?1";
const AFTER: &str = "SELECT * FROM messages WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const OF_CHAT: &str = "SELECT * FROM messages WHERE messaging_group_id = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
const BY_PLATFORM_ID: &str = "SELECT * FROM messages WHERE messaging_group_id = ?1 AND platform_message_id = ?2
    ORDER BY seq LIMIT 1";
const NEWEST: &str = "SELECT ifnull(max(seq), 0) FROM messages";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("whether a chat is wired", WIRED),
    ("message known", KNOWN),
    ("message recorded", INSERT),
    ("chat touched", TOUCH),
    ("message by seq", BY_SEQ),
    ("messages after", AFTER),
    ("messages of a chat", OF_CHAT),
    ("message by platform id", BY_PLATFORM_ID),
    ("newest message", NEWEST),
];

/// A message as a channel hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Where it was written.
    pub chat: ChatId,
    /// The platform's id of the event: the same event twice is stored once.
    pub event_id: String,
    /// The platform's id of the message, which edits and reactions name.
    pub platform_message_id: Option<String>,
    /// The message that this one edits, deletes or reacts to, by its platform id.
    pub target_message_id: Option<String>,
    /// The thread of the chat.
    pub thread_id: Option<String>,
    /// Who wrote: `<channel kind>:<handle>`.
    pub sender_id: Option<String>,
    /// What the sender is called.
    pub sender_name: Option<String>,
    /// Whether it was written from the assistant's own account.
    pub from_me: bool,
    /// Whether a program wrote it.
    pub is_bot: bool,
    /// Whether the platform says that it mentions the assistant.
    pub is_mention: bool,
    /// What was written.
    pub text: Option<String>,
    /// The files, as a JSON array.
    pub attachments: Option<serde_json::Value>,
    /// The message that it answers, by its platform id.
    pub reply_to: Option<String>,
    /// What it is.
    pub kind: MessageKind,
    /// When the platform says that it was written.
    pub sent_at: Timestamp,
}

impl NewMessage {
    /// A plain message of now; the other fields are set on it.
    #[must_use]
    pub fn new(chat: ChatId, event_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            chat,
            event_id: event_id.into(),
            platform_message_id: None,
            target_message_id: None,
            thread_id: None,
            sender_id: None,
            sender_name: None,
            from_me: false,
            is_bot: false,
            is_mention: false,
            text: Some(text.into()),
            attachments: None,
            reply_to: None,
            kind: MessageKind::Message,
            sent_at: now(),
        }
    }
}

/// What became of a message that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored now.
    New(Seq),
    /// It was stored before; nothing changed.
    Known(Seq),
}

impl Recorded {
    /// The message's place in the order of arrival.
    #[must_use]
    pub fn seq(self) -> Seq {
        match self {
            Self::New(seq) | Self::Known(seq) => seq,
        }
    }
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[expect(missing_docs, reason = "the fields are those of NewMessage, plus seq and received_at")]
pub struct Message {
    pub seq: Seq,
    pub chat: ChatId,
    pub event_id: String,
    pub platform_message_id: Option<String>,
    pub target_message_id: Option<String>,
    pub thread_id: Option<String>,
    pub sender_id: Option<String>,
    pub sender_name: Option<String>,
    pub from_me: bool,
    pub is_bot: bool,
    pub is_mention: bool,
    /// Null where the chat had no wiring, or the message was refused.
    pub text: Option<String>,
    /// A JSON array, as text.
    pub attachments: Option<String>,
    pub reply_to: Option<String>,
    pub kind: MessageKind,
    pub sent_at: Timestamp,
    pub received_at: Timestamp,
}

impl Store {
    /// Stores one message; see [`Store::record_batch`].
    ///
    /// # Errors
    /// Those of [`Store::record_batch`].
    pub fn record(&mut self, message: &NewMessage) -> Result<Recorded, StoreError> {
        self.write("record", |tx| record_one(tx, message, now()))
    }

    /// Stores up to [`MAX_BATCH`] messages in one transaction, in this order: all of them or none.
    ///
    /// One that is known by its chat and event id changes nothing. Of a chat without a wiring only who, where and when
    /// is kept, unless it is a direct chat or a mention. A sender becomes a user where the text is kept.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] for a larger batch, [`StoreError::NoSuch`] for an unknown chat, [`StoreError::BadValue`]
    /// for an empty event id or a sender id that is not `<channel kind>:<handle>`.
    pub fn record_batch(&mut self, messages: &[NewMessage]) -> Result<Vec<Recorded>, StoreError> {
        if messages.len() > MAX_BATCH {
            return Err(StoreError::TooMany { given: messages.len(), most: MAX_BATCH });
        }
        let received = now();
        self.write("record_batch", |tx| messages.iter().map(|message| record_one(tx, message, received)).collect())
    }

    /// The message at this place in the order of arrival.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] where there is none.
    pub fn message(&self, seq: Seq) -> Result<Message, StoreError> {
        let found = self.conn().prepare_cached(BY_SEQ)?.query_row([seq.0], message_from_row).optional()?;
        found.ok_or_else(|| StoreError::no_such("message", &seq))
    }

    /// At most `limit` messages that arrived after `seq`, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn messages_after(&self, seq: Seq, limit: u32) -> Result<Vec<Message>, StoreError> {
        let mut statement = self.conn().prepare_cached(AFTER)?;
        let rows = statement.query_map(params![seq.0, limit], message_from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// At most `limit` messages of a chat from before `before` (`None`: from the end), the newest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn messages_of_chat(&self, chat: ChatId, before: Option<Seq>, limit: u32) -> Result<Vec<Message>, StoreError> {
        let mut statement = self.conn().prepare_cached(OF_CHAT)?;
        let before = before.map_or(i64::MAX, |seq| seq.0);
        let rows = statement.query_map(params![chat.0, before, limit], message_from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The message that a chat's platform knows by this id; where events share the id, the first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn message_by_platform_id(&self, chat: ChatId, id: &str) -> Result<Option<Message>, StoreError> {
        let mut statement = self.conn().prepare_cached(BY_PLATFORM_ID)?;
        Ok(statement.query_row(params![chat.0, id], message_from_row).optional()?)
    }

    /// The last message's place in the order of arrival, 0 where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn newest_seq(&self) -> Result<Seq, StoreError> {
        Ok(self.conn().prepare_cached(NEWEST)?.query_row([], |row| row.get(0).map(Seq))?)
    }

    /// Forgets text and files of a message that was refused or whose approval expired; who, where and when stays.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] where there is no such message.
    pub fn clear_message(&mut self, seq: Seq) -> Result<(), StoreError> {
        let sql = "UPDATE messages SET text = NULL, attachments = NULL WHERE seq = ?1";
        self.write("clear_message", |tx| match tx.prepare_cached(sql)?.execute([seq.0])? {
            0 => Err(StoreError::no_such("message", &seq)),
            _ => Ok(()),
        })
    }
}

fn record_one(tx: &Connection, message: &NewMessage, received: Timestamp) -> Result<Recorded, StoreError> {
    if message.event_id.is_empty() {
        return Err(StoreError::bad_value("event id of a message", "", "it may not be empty"));
    }
    let keeps_text = keeps_text(tx, message)?;
    let mut known = tx.prepare_cached(KNOWN)?;
    if let Some(seq) = known.query_row(params![message.chat.0, message.event_id], |row| row.get(0)).optional()? {
        return Ok(Recorded::Known(Seq(seq)));
    }
    if let (Some(sender), true) = (&message.sender_id, keeps_text) {
        know_user(tx, sender, message.sender_name.as_deref())?;
    }
    let seq = insert(tx, message, keeps_text, received)?;
    // A platform's clock may be ahead of ours, and no chat was written to in the future.
    tx.prepare_cached(TOUCH)?.execute(params![message.chat.0, message.sent_at.min(received).0])?;
    Ok(Recorded::New(seq))
}

/// Whether text and files of the message are kept: its chat is wired or direct, or the message mentions the assistant.
fn keeps_text(tx: &Connection, message: &NewMessage) -> Result<bool, StoreError> {
    let look = |row: &Row<'_>| Ok((row.get::<_, bool>("is_group")?, row.get::<_, bool>("wired")?));
    let found = tx.prepare_cached(WIRED)?.query_row([message.chat.0], look).optional()?;
    let (is_group, wired) = found.ok_or_else(|| StoreError::no_such("chat", &message.chat))?;
    Ok(wired || !is_group || message.is_mention)
}

fn insert(tx: &Connection, m: &NewMessage, keeps_text: bool, received: Timestamp) -> Result<Seq, StoreError> {
    let text = m.text.as_ref().filter(|_| keeps_text);
    let attachments = m.attachments.as_ref().filter(|_| keeps_text).map(ToString::to_string);
    tx.prepare_cached(INSERT)?.execute(params![
        m.chat.0,
        m.event_id,
        m.platform_message_id,
        m.target_message_id,
        m.thread_id,
        m.sender_id,
        m.sender_name,
        m.from_me,
        m.is_bot,
        m.is_mention,
        text,
        attachments,
        m.reply_to,
        m.kind.as_str(),
        m.sent_at.0,
        received.0,
    ])?;
    Ok(Seq(tx.last_insert_rowid()))
}

/// A whole row of `messages`.
pub(crate) fn message_from_row(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        seq: Seq(row.get("seq")?),
        chat: ChatId(row.get("messaging_group_id")?),
        event_id: row.get("platform_event_id")?,
        platform_message_id: row.get("platform_message_id")?,
        target_message_id: row.get("target_message_id")?,
        thread_id: row.get("thread_id")?,
        sender_id: row.get("sender_id")?,
        sender_name: row.get("sender_name")?,
        from_me: row.get("from_me")?,
        is_bot: row.get("is_bot")?,
        is_mention: row.get("is_mention")?,
        text: row.get("text")?,
        attachments: row.get("attachments")?,
        reply_to: row.get("reply_to")?,
        kind: word(row, "kind")?,
        sent_at: time(row, "sent_at")?,
        received_at: time(row, "received_at")?,
    })
}
