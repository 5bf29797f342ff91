//! What an agent may address, by its own names.

use std::collections::HashSet;

use nc_model::{ChatId, FolderName, GroupId, TargetKind, naming};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::chats::{Chat, chat_by_id};
use crate::groups::group_by_id;
use crate::row::{maybe_word, word};
use crate::{Store, StoreError};

const OF_GROUP: &str = "SELECT d.*, m.channel, m.platform_id, m.name AS chat_name, a.folder, a.name AS agent_name
    FROM destinations d
    LEFT JOIN messaging_groups m ON d.target_kind = 'chat' AND m.id = d.target_id
    LEFT JOIN agent_groups a ON d.target_kind = 'agent' AND a.id = d.target_id
   WHERE d.agent_group_id = ?1 ORDER BY d.local_name";
const BY_TARGET: &str = "SELECT local_name FROM destinations
    WHERE target_kind = ?2 AND target_id = ?3 AND agent_group_id = ?1 ORDER BY local_name LIMIT 1";
const NAMES: &str = "SELECT local_name FROM destinations WHERE agent_group_id = ?1";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] =
    &[("destinations of a group", OF_GROUP), ("destination by target", BY_TARGET), ("names of destinations", NAMES)];

/// What an agent may address.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Destination {
    /// Who may.
    pub group: GroupId,
    /// What the agent calls it.
    pub local_name: String,
    /// What it is.
    pub target: Target,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A chat.
    Chat {
        /// Its key.
        id: ChatId,
        /// Its channel.
        channel: String,
        /// The platform's name for it.
        platform_id: String,
        /// What people call it.
        name: Option<String>,
    },
    /// Another agent.
    Agent {
        /// Its key.
        id: GroupId,
        /// Its folder.
        folder: FolderName,
        /// What people call it.
        name: String,
    },
}

impl Store {
    /// Everything that a group may address, by name.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn destinations_of(&self, group: GroupId) -> Result<Vec<Destination>, StoreError> {
        let mut statement = self.conn().prepare_cached(OF_GROUP)?;
        let rows = statement.query_map([group.0], destination_from_row)?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// What the group calls this chat or agent; `None` where it may not address it.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn destination_to(&self, group: GroupId, kind: TargetKind, target: i64) -> Result<Option<String>, StoreError> {
        name_of_target(self.conn(), group, kind, target)
    }

    /// Lets a group address a chat or an agent by a name.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] where it uses the name, [`StoreError::NoSuch`] for group or target.
    pub fn add_destination(
        &mut self,
        group: GroupId,
        local_name: &str,
        kind: TargetKind,
        target: i64,
    ) -> Result<(), StoreError> {
        self.write("add_destination", |tx| {
            group_by_id(tx, group)?;
            match kind {
                TargetKind::Chat => drop(chat_by_id(tx, ChatId(target))?),
                TargetKind::Agent => drop(group_by_id(tx, GroupId(target))?),
            }
            insert(tx, group, local_name, kind, target)
        })
    }

    /// Takes a name from a group; false where it has no such name.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn remove_destination(&mut self, group: GroupId, local_name: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM destinations WHERE agent_group_id = ?1 AND local_name = ?2";
        self.write("remove_destination", |tx| Ok(tx.prepare_cached(sql)?.execute(params![group.0, local_name])? > 0))
    }
}

/// Makes sure that the group may address the chat, inside a transaction; returns the name.
pub(crate) fn destination_for_chat(
    tx: &Connection,
    group: GroupId,
    chat: &Chat,
    wanted: Option<&str>,
) -> Result<String, StoreError> {
    if let Some(present) = name_of_target(tx, group, TargetKind::Chat, chat.id.0)? {
        return Ok(present);
    }
    let name = wanted.map_or_else(|| free_name(tx, group, chat), |name| Ok(name.to_owned()))?;
    insert(tx, group, &name, TargetKind::Chat, chat.id.0)?;
    Ok(name)
}

/// A name made of the chat's that the group does not use.
fn free_name(tx: &Connection, group: GroupId, chat: &Chat) -> Result<String, StoreError> {
    let mut statement = tx.prepare_cached(NAMES)?;
    let taken = statement.query_map([group.0], |row| row.get(0))?.collect::<Result<HashSet<String>, _>>()?;
    Ok(naming::local_name(chat.name.as_deref(), &chat.platform_id, |name| taken.contains(name)))
}

/// Takes every name of a chat or agent from a group, inside a transaction.
pub(crate) fn remove_destinations_to(
    tx: &Connection,
    group: GroupId,
    kind: TargetKind,
    target: i64,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM destinations WHERE target_kind = ?2 AND target_id = ?3 AND agent_group_id = ?1";
    tx.prepare_cached(sql)?.execute(params![group.0, kind.as_str(), target])?;
    Ok(())
}

fn name_of_target(
    conn: &Connection,
    group: GroupId,
    kind: TargetKind,
    target: i64,
) -> Result<Option<String>, StoreError> {
    let mut statement = conn.prepare_cached(BY_TARGET)?;
    Ok(statement.query_row(params![group.0, kind.as_str(), target], |row| row.get(0)).optional()?)
}

fn insert(tx: &Connection, group: GroupId, name: &str, kind: TargetKind, target: i64) -> Result<(), StoreError> {
    if name.is_empty() || naming::slug(name) != name {
        return Err(StoreError::bad_value(
            "name of a destination",
            name,
            "use 1 to 40 bytes of lower-case letters and digits, with single dashes between",
        ));
    }
    let sql = "INSERT INTO destinations (agent_group_id, local_name, target_kind, target_id) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO NOTHING";
    match tx.prepare_cached(sql)?.execute(params![group.0, name, kind.as_str(), target])? {
        0 => Err(StoreError::NameTaken { name: name.to_owned() }),
        _ => Ok(()),
    }
}

/// A destination, or `None` where its target is gone.
fn destination_from_row(row: &Row<'_>) -> rusqlite::Result<Option<Destination>> {
    let id: i64 = row.get("target_id")?;
    let target = match word(row, "target_kind")? {
        TargetKind::Chat => row.get::<_, Option<String>>("channel")?.map(|channel| {
            Ok::<_, rusqlite::Error>(Target::Chat {
                id: ChatId(id),
                channel,
                platform_id: row.get("platform_id")?,
                name: row.get("chat_name")?,
            })
        }),
        TargetKind::Agent => maybe_word::<FolderName>(row, "folder")?
            .map(|folder| Ok(Target::Agent { id: GroupId(id), folder, name: row.get("agent_name")? })),
    };
    let (group, local_name) = (GroupId(row.get("agent_group_id")?), row.get("local_name")?);
    Ok(target.transpose()?.map(|target| Destination { group, local_name, target }))
}
