//! Users by page, and who is a member of what.

use nc_model::{FolderName, GroupId, Role, Timestamp};
use rusqlite::{Row, named_params, params};

use crate::people::{User, user_from_row};
use crate::row::{time, word};
use crate::{Store, StoreError};

pub(super) const USERS: &str = "SELECT u.* FROM users u WHERE u.id > :after
      AND (:role IS NULL OR EXISTS (SELECT 1 FROM user_roles r WHERE r.user_id = u.id AND r.role = :role))
    ORDER BY u.id LIMIT :limit";
pub(super) const MEMBERS: &str =
    "SELECT m.user_id, u.display_name, g.id AS agent_group, g.folder, m.added_by, m.added_at
      FROM agent_group_members m JOIN users u ON u.id = m.user_id JOIN agent_groups g ON g.id = m.agent_group_id
     WHERE m.agent_group_id = ?1 AND m.user_id > ?2 ORDER BY m.user_id LIMIT ?3";
pub(super) const MEMBERSHIPS: &str =
    "SELECT m.user_id, u.display_name, g.id AS agent_group, g.folder, m.added_by, m.added_at
      FROM agent_group_members m JOIN users u ON u.id = m.user_id JOIN agent_groups g ON g.id = m.agent_group_id
     WHERE m.user_id = ?1 ORDER BY g.folder";

/// Which users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Only who has this role somewhere.
    pub role: Option<Role>,
    /// Only those after this id; empty is from the first.
    pub after: String,
}

/// Somebody who is a member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: String,
    /// What the platform calls them.
    pub name: Option<String>,
    /// Of which group.
    pub group: GroupId,
    /// The group's folder.
    pub folder: FolderName,
    /// Who made them one.
    pub added_by: Option<String>,
    /// When.
    pub added_at: Timestamp,
}

impl Store {
    /// At most `limit` users that `filter` lets through, by id.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn users_listed(&self, filter: &UserFilter, limit: u32) -> Result<Vec<User>, StoreError> {
        let role = filter.role.map(Role::as_str);
        let mut query = self.conn().prepare_cached(USERS)?;
        let given = named_params! { ":after": filter.after, ":role": role, ":limit": limit };
        Ok(query.query_map(given, user_from_row)?.collect::<Result<_, _>>()?)
    }

    /// At most `limit` members of a group after the user `after`, by id.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn members_of(&self, group: GroupId, after: &str, limit: u32) -> Result<Vec<Member>, StoreError> {
        let mut query = self.conn().prepare_cached(MEMBERS)?;
        Ok(query.query_map(params![group.0, after, limit], member)?.collect::<Result<_, _>>()?)
    }

    /// The groups that a user is a member of, by folder.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn memberships_of(&self, user: &str) -> Result<Vec<Member>, StoreError> {
        let mut query = self.conn().prepare_cached(MEMBERSHIPS)?;
        Ok(query.query_map([user], member)?.collect::<Result<_, _>>()?)
    }
}

fn member(row: &Row<'_>) -> rusqlite::Result<Member> {
    Ok(Member {
        user: row.get("user_id")?,
        name: row.get("display_name")?,
        group: GroupId(row.get("agent_group")?),
        folder: word(row, "folder")?,
        added_by: row.get("added_by")?,
        added_at: time(row, "added_at")?,
    })
}
