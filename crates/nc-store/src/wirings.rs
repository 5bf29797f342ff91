//! Which agents listen to which chat.

use nc_model::{
    ChatId, EngageMode, FolderName, GroupId, IgnoredMessagePolicy, SenderScope, SessionMode, TargetKind, Timestamp,
    Trigger,
};
use rusqlite::{Connection, Row, params};

use crate::chats::chat_by_id;
use crate::destinations::{destination_for_chat, remove_destinations_to};
use crate::groups::group_by_id;
use crate::row::{time, word};
use crate::{Store, StoreError, now};

const OF_CHAT: &str = "SELECT w.*, a.folder, a.is_main FROM wirings w JOIN agent_groups a ON a.id = w.agent_group_id
    WHERE w.messaging_group_id = ?1 ORDER BY w.priority DESC, w.id";
const OF_GROUP: &str = "SELECT w.*, a.folder, a.is_main FROM wirings w JOIN agent_groups a ON a.id = w.agent_group_id
    WHERE w.agent_group_id = ?1 ORDER BY w.id";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[("wirings of a chat", OF_CHAT), ("wirings of a group", OF_GROUP)];

/// An agent that listens to a chat.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Wiring {
    /// The chat.
    pub chat: ChatId,
    /// The agent group.
    pub group: GroupId,
    /// The group's folder.
    pub folder: FolderName,
    /// Whether it is the main group.
    pub is_main: bool,
    /// Which session a message belongs to.
    pub session_mode: SessionMode,
    /// What makes the agent answer.
    pub engage_mode: EngageMode,
    /// The pattern; `None` is the default trigger.
    pub engage_pattern: Option<String>,
    /// Whose messages it takes.
    pub sender_scope: SenderScope,
    /// What becomes of a message that does not engage it.
    pub ignored_message_policy: IgnoredMessagePolicy,
    /// Which wiring's rule counts where nobody takes a message: the highest.
    pub priority: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A wiring that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of Wiring")]
pub struct NewWiring {
    pub chat: ChatId,
    pub group: GroupId,
    pub session_mode: SessionMode,
    pub engage_mode: EngageMode,
    pub engage_pattern: Option<String>,
    pub sender_scope: SenderScope,
    pub ignored_message_policy: IgnoredMessagePolicy,
    pub priority: i64,
}

impl NewWiring {
    /// A wiring with the defaults: one session a chat, the default trigger, everybody, context kept.
    #[must_use]
    pub fn new(chat: ChatId, group: GroupId) -> Self {
        Self {
            chat,
            group,
            session_mode: SessionMode::Shared,
            engage_mode: EngageMode::Pattern,
            engage_pattern: None,
            sender_scope: SenderScope::All,
            ignored_message_policy: IgnoredMessagePolicy::Accumulate,
            priority: 0,
        }
    }
}

/// A wiring as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wired {
    /// The chat.
    pub chat: ChatId,
    /// The group.
    pub group: GroupId,
    /// What the group calls the chat.
    pub local_name: String,
}

impl Store {
    /// Makes a wiring and, in the same transaction, its destination: under `local_name`, or a free name made of the chat's.
    ///
    /// A destination that the group has for this chat stays as it is.
    ///
    /// # Errors
    /// [`StoreError::AlreadyWired`], [`StoreError::NameTaken`], [`StoreError::Pattern`], or [`StoreError::NoSuch`] for
    /// chat or group.
    pub fn wire(&mut self, wiring: &NewWiring, local_name: Option<&str>) -> Result<Wired, StoreError> {
        self.write("wire", |tx| insert_wiring(tx, wiring, local_name))
    }

    /// Removes a wiring and the destination that goes with it; false where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn unwire(&mut self, chat: ChatId, group: GroupId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM wirings WHERE messaging_group_id = ?1 AND agent_group_id = ?2";
        self.write("unwire", |tx| {
            if tx.prepare_cached(sql)?.execute([chat.0, group.0])? == 0 {
                return Ok(false);
            }
            remove_destinations_to(tx, group, TargetKind::Chat, chat.0)?;
            Ok(true)
        })
    }

    /// The agents that listen to a chat, the highest priority first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn wirings_of_chat(&self, chat: ChatId) -> Result<Vec<Wiring>, StoreError> {
        select(self.conn(), OF_CHAT, chat.0)
    }

    /// The chats that a group listens to, the oldest wiring first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn wirings_of_group(&self, group: GroupId) -> Result<Vec<Wiring>, StoreError> {
        select(self.conn(), OF_GROUP, group.0)
    }
}

/// Makes a wiring and its destination, inside a transaction.
pub(crate) fn insert_wiring(tx: &Connection, new: &NewWiring, local_name: Option<&str>) -> Result<Wired, StoreError> {
    let chat = chat_by_id(tx, new.chat)?;
    let group = group_by_id(tx, new.group)?;
    if let Some(pattern) = &new.engage_pattern {
        Trigger::pattern(pattern).map_err(|source| StoreError::Pattern { source })?;
    }
    let sql = "INSERT INTO wirings (messaging_group_id, agent_group_id, session_mode, engage_mode, engage_pattern,
            sender_scope, ignored_message_policy, priority, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
    let made = tx.prepare_cached(sql)?.execute(params![
        new.chat.0,
        new.group.0,
        new.session_mode.as_str(),
        new.engage_mode.as_str(),
        new.engage_pattern,
        new.sender_scope.as_str(),
        new.ignored_message_policy.as_str(),
        new.priority,
        now().0,
    ])?;
    if made == 0 {
        return Err(StoreError::AlreadyWired { chat: new.chat.0, folder: group.folder });
    }
    let local_name = destination_for_chat(tx, group.id, &chat, local_name)?;
    Ok(Wired { chat: chat.id, group: group.id, local_name })
}

fn select(conn: &Connection, sql: &str, key: i64) -> Result<Vec<Wiring>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([key], wiring_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn wiring_from_row(row: &Row<'_>) -> rusqlite::Result<Wiring> {
    Ok(Wiring {
        chat: ChatId(row.get("messaging_group_id")?),
        group: GroupId(row.get("agent_group_id")?),
        folder: word(row, "folder")?,
        is_main: row.get("is_main")?,
        session_mode: word(row, "session_mode")?,
        engage_mode: word(row, "engage_mode")?,
        engage_pattern: row.get("engage_pattern")?,
        sender_scope: word(row, "sender_scope")?,
        ignored_message_policy: word(row, "ignored_message_policy")?,
        priority: row.get("priority")?,
        created_at: time(row, "created_at")?,
    })
}
