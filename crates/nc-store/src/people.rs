//! Users, and what they may do.

use nc_model::{ChatId, GroupId, Role, Timestamp};

pub use nc_model::Standing;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::row::{time, word};
use crate::{Store, StoreError, now};

const KNOW: &str = "INSERT INTO users (id, display_name, created_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name
     WHERE excluded.display_name IS NOT NULL AND display_name IS NOT excluded.display_name";
const BY_ID: &str = "SELECT * FROM users WHERE id = ?1";
const PAGE: &str = "SELECT * FROM users WHERE id > ?1 ORDER BY id LIMIT ?2";
const STANDING: &str = "SELECT role, agent_group_id FROM user_roles WHERE user_id = ?1";
const IS_MEMBER: &str = "SELECT EXISTS (SELECT 1 FROM agent_group_members WHERE user_id = ?1 AND agent_group_id = ?2)";
const ROLES: &str = "SELECT * FROM user_roles WHERE user_id = ?1 ORDER BY role, agent_group_id";
const OWNERS: &str =
    "SELECT user_id FROM user_roles WHERE agent_group_id IS NULL AND role = 'owner' ORDER BY granted_at, user_id";
const OWNER_CHATS: &str =
    "SELECT DISTINCT d.messaging_group_id FROM user_roles r JOIN user_dms d ON d.user_id = r.user_id
    WHERE r.agent_group_id IS NULL AND r.role = 'owner' ORDER BY d.messaging_group_id";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("user by id", BY_ID),
    ("page of users", PAGE),
    ("standing of a user", STANDING),
    ("whether a user is a member", IS_MEMBER),
    ("roles of a user", ROLES),
    ("owners", OWNERS),
    ("chats of the owners", OWNER_CHATS),
];

/// Somebody who writes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct User {
    /// `<channel kind>:<handle>`.
    pub id: String,
    /// What the platform calls them.
    pub display_name: Option<String>,
    /// When they were first seen.
    pub created_at: Timestamp,
}

/// A role that a user has.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RoleGrant {
    /// Who has it.
    pub user_id: String,
    /// Which it is.
    pub role: Role,
    /// Where; `None` is everywhere.
    pub group: Option<GroupId>,
    /// Who gave it; `None` is the installation itself.
    pub granted_by: Option<String>,
    /// When.
    pub granted_at: Timestamp,
}

impl Store {
    /// Makes the user or brings the name up to date.
    ///
    /// # Errors
    /// [`StoreError::BadValue`] where the id is not `<channel kind>:<handle>`.
    pub fn upsert_user(&mut self, id: &str, display_name: Option<&str>) -> Result<(), StoreError> {
        self.write("upsert_user", |tx| know_user(tx, id, display_name))
    }

    /// The user with this id.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn user(&self, id: &str) -> Result<Option<User>, StoreError> {
        Ok(self.conn().prepare_cached(BY_ID)?.query_row([id], user_from_row).optional()?)
    }

    /// At most `limit` users after the id `after` (empty: from the first), by id.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn users_page(&self, after: &str, limit: u32) -> Result<Vec<User>, StoreError> {
        let mut statement = self.conn().prepare_cached(PAGE)?;
        let rows = statement.query_map(params![after, limit], user_from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What the user is to the group; nothing where either is unknown.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn standing(&self, user: &str, group: GroupId) -> Result<Standing, StoreError> {
        let conn = self.conn();
        let member: bool = conn.prepare_cached(IS_MEMBER)?.query_row(params![user, group.0], |row| row.get(0))?;
        let mut statement = conn.prepare_cached(STANDING)?;
        let role = |row: &Row<'_>| Ok((word(row, "role")?, row.get::<_, Option<i64>>("agent_group_id")?.map(GroupId)));
        let roles = statement.query_map([user], role)?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Standing::of(group, roles, member.then_some(group)))
    }

    /// The roles of a user.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn roles_of(&self, user: &str) -> Result<Vec<RoleGrant>, StoreError> {
        let mut statement = self.conn().prepare_cached(ROLES)?;
        let rows = statement.query_map([user], role_from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The ids of all owners, who has been one longest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn owners(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.conn().prepare_cached(OWNERS)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every chat in which an owner can be reached alone.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn owner_chats(&self) -> Result<Vec<ChatId>, StoreError> {
        let mut statement = self.conn().prepare_cached(OWNER_CHATS)?;
        let rows = statement.query_map([], |row| row.get(0).map(ChatId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Gives a role; who has it keeps it. An owner's `group` must be `None`.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] for an unknown user, [`StoreError::BadValue`] for an owner of one group.
    pub fn grant_role(
        &mut self,
        user: &str,
        role: Role,
        group: Option<GroupId>,
        by: Option<&str>,
    ) -> Result<(), StoreError> {
        self.write("grant_role", |tx| grant(tx, user, role, group, by))
    }

    /// Takes a role; false where the user does not have it.
    ///
    /// # Errors
    /// [`StoreError::LastOwner`] where nobody would own the installation.
    pub fn revoke_role(&mut self, user: &str, role: Role, group: Option<GroupId>) -> Result<bool, StoreError> {
        let sql = "DELETE FROM user_roles WHERE user_id = ?1 AND role = ?2 AND ifnull(agent_group_id, 0) = ?3";
        self.write("revoke_role", |tx| {
            let gone = tx.prepare_cached(sql)?.execute(params![user, role.as_str(), group.map_or(0, |g| g.0)])?;
            let left: bool =
                tx.query_row("SELECT EXISTS (SELECT 1 FROM user_roles WHERE role = 'owner')", [], |r| r.get(0))?;
            match gone {
                0 => Ok(false),
                _ if role == Role::Owner && !left => Err(StoreError::LastOwner { user: user.to_owned(), role }),
                _ => Ok(true),
            }
        })
    }

    /// Makes the user a member of the group; who is one stays one.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] for an unknown user.
    pub fn add_member(&mut self, user: &str, group: GroupId, by: Option<&str>) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO agent_group_members (user_id, agent_group_id, added_by, added_at) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO NOTHING";
        self.write("add_member", |tx| {
            require_user(tx, user)?;
            tx.prepare_cached(sql)?.execute(params![user, group.0, by, now().0])?;
            Ok(())
        })
    }

    /// Ends a membership; false where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn remove_member(&mut self, user: &str, group: GroupId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM agent_group_members WHERE user_id = ?1 AND agent_group_id = ?2";
        self.write("remove_member", |tx| Ok(tx.prepare_cached(sql)?.execute(params![user, group.0])? > 0))
    }

    /// Remembers in which chat of a channel a user is reached alone.
    ///
    /// # Errors
    /// [`StoreError`] where user or chat are unknown.
    pub fn set_direct_chat(&mut self, user: &str, channel: &str, chat: ChatId) -> Result<(), StoreError> {
        self.write("set_direct_chat", |tx| know_direct_chat(tx, user, channel, chat))
    }
}

/// Makes the user or brings the name up to date, inside a transaction.
pub(crate) fn know_user(tx: &Connection, id: &str, display_name: Option<&str>) -> Result<(), StoreError> {
    match id.split_once(':') {
        Some((kind, handle)) if !kind.is_empty() && !handle.is_empty() => {}
        _ => {
            return Err(StoreError::bad_value(
                "user id",
                id,
                "write <channel kind>:<handle>, for example slack:U024BE7LH",
            ));
        }
    }
    tx.prepare_cached(KNOW)?.execute(params![id, display_name, now().0])?;
    Ok(())
}

/// Gives a role, inside a transaction.
pub(crate) fn grant(
    tx: &Connection,
    user: &str,
    role: Role,
    group: Option<GroupId>,
    by: Option<&str>,
) -> Result<(), StoreError> {
    if role == Role::Owner && group.is_some() {
        return Err(StoreError::bad_value("role", role.as_str(), "an owner is one everywhere: name no group"));
    }
    require_user(tx, user)?;
    let sql =
        "INSERT INTO user_roles (user_id, role, agent_group_id, granted_by, granted_at) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![user, role.as_str(), group.map(|g| g.0), by, now().0])?;
    Ok(())
}

/// Remembers in which chat a user is reached alone, inside a transaction.
pub(crate) fn know_direct_chat(tx: &Connection, user: &str, channel: &str, chat: ChatId) -> Result<(), StoreError> {
    let sql = "INSERT INTO user_dms (user_id, channel, messaging_group_id, resolved_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET messaging_group_id = excluded.messaging_group_id, resolved_at = excluded.resolved_at";
    tx.prepare_cached(sql)?.execute(params![user, channel, chat.0, now().0])?;
    Ok(())
}

fn require_user(tx: &Connection, user: &str) -> Result<(), StoreError> {
    if !tx.prepare_cached(BY_ID)?.exists([user])? {
        return Err(StoreError::no_such("user", user));
    }
    Ok(())
}

/// A whole row of `users`.
pub(crate) fn user_from_row(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User { id: row.get("id")?, display_name: row.get("display_name")?, created_at: time(row, "created_at")? })
}

fn role_from_row(row: &Row<'_>) -> rusqlite::Result<RoleGrant> {
    Ok(RoleGrant {
        user_id: row.get("user_id")?,
        role: word(row, "role")?,
        group: row.get::<_, Option<i64>>("agent_group_id")?.map(GroupId),
        granted_by: row.get("granted_by")?,
        granted_at: time(row, "granted_at")?,
    })
}
