//! Agent groups: who answers. Each has a folder, a memory and a sandbox of its own.

use nc_model::container_config::ContainerConfigError;
use nc_model::limits::MAX_NAME;
use nc_model::{ContainerConfig, FolderName, GroupId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::row::{time, word};
use crate::{Store, StoreError, now};

const BY_ID: &str = "SELECT * FROM agent_groups WHERE id = ?1";
const BY_FOLDER: &str = "SELECT * FROM agent_groups WHERE folder = ?1";
const MAIN: &str = "SELECT * FROM agent_groups WHERE is_main = 1";
const PAGE: &str = "SELECT * FROM agent_groups WHERE folder > ?1 ORDER BY folder LIMIT ?2";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] =
    &[("group by id", BY_ID), ("group by folder", BY_FOLDER), ("main group", MAIN), ("page of groups", PAGE)];

/// An agent group.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Group {
    /// Its key, which is never given again.
    pub id: GroupId,
    /// What people call it.
    pub name: String,
    /// Its folder below the groups' directory.
    pub folder: FolderName,
    /// Whether it is the main group, which may do more.
    pub is_main: bool,
    /// What drives the model; `None` is the configured one.
    pub provider: Option<String>,
    /// The model; `None` is the provider's own choice.
    pub model: Option<String>,
    /// What it says about its sandbox: a JSON object as it stands in the row, see [`Group::container`].
    pub container_config: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Group {
    /// What the group says about its sandbox.
    ///
    /// # Errors
    /// [`ContainerConfigError`] naming the field, where somebody edited the row by hand.
    pub fn container(&self) -> Result<ContainerConfig, ContainerConfigError> {
        ContainerConfig::parse(&self.container_config)
    }
}

/// A group that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGroup {
    /// What people call it.
    pub name: String,
    /// Its folder.
    pub folder: FolderName,
    /// What drives the model.
    pub provider: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// What it says about its sandbox.
    pub container: ContainerConfig,
}

impl NewGroup {
    /// A group that takes everything from the configuration.
    #[must_use]
    pub fn new(name: impl Into<String>, folder: FolderName) -> Self {
        Self { name: name.into(), folder, provider: None, model: None, container: ContainerConfig::default() }
    }
}

/// What is to change about a group; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupEdit {
    /// Its name.
    pub name: Option<String>,
    /// What drives the model; `Some(None)` is the configured one.
    pub provider: Option<Option<String>>,
    /// The model; `Some(None)` is the provider's choice.
    pub model: Option<Option<String>>,
    /// What it says about its sandbox.
    pub container: Option<ContainerConfig>,
}

impl Store {
    /// Makes a group.
    ///
    /// # Errors
    /// [`StoreError::FolderTaken`], or [`StoreError::BadValue`] for a name that is empty, too long or not one line.
    pub fn create_group(&mut self, group: &NewGroup) -> Result<Group, StoreError> {
        self.write("create_group", |tx| insert_group(tx, group, false))
    }

    /// The group with this key.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] where there is none, or no more.
    pub fn group(&self, id: GroupId) -> Result<Group, StoreError> {
        group_by_id(self.conn(), id)
    }

    /// The group in this folder.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn group_by_folder(&self, folder: &FolderName) -> Result<Option<Group>, StoreError> {
        let mut statement = self.conn().prepare_cached(BY_FOLDER)?;
        Ok(statement.query_row([folder.as_str()], group_from_row).optional()?)
    }

    /// The main group.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn main_group(&self) -> Result<Option<Group>, StoreError> {
        find_main(self.conn())
    }

    /// At most `limit` groups after the folder `after` (empty: from the first), by folder.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn groups_page(&self, after: &str, limit: u32) -> Result<Vec<Group>, StoreError> {
        let mut statement = self.conn().prepare_cached(PAGE)?;
        let rows = statement.query_map(params![after, limit], group_from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Changes a group, and returns it as it is now. Live runs keep what they started with.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] where there is no such group, [`StoreError::BadValue`] for its name.
    pub fn edit_group(&mut self, id: GroupId, edit: &GroupEdit) -> Result<Group, StoreError> {
        let sql = "UPDATE agent_groups SET name = ?2, provider = ?3, model = ?4, container_config = ?5 WHERE id = ?1";
        self.write("edit_group", |tx| {
            let old = group_by_id(tx, id)?;
            let name = edit.name.as_ref().unwrap_or(&old.name);
            check_name(name)?;
            let provider = edit.provider.as_ref().unwrap_or(&old.provider);
            let model = edit.model.as_ref().unwrap_or(&old.model);
            let container = edit.container.as_ref().map(json).transpose()?.unwrap_or(old.container_config);
            tx.prepare_cached(sql)?.execute(params![id.0, name, provider, model, container])?;
            group_by_id(tx, id)
        })
    }
}

/// Makes a group, inside a transaction.
pub(crate) fn insert_group(tx: &Connection, group: &NewGroup, is_main: bool) -> Result<Group, StoreError> {
    check_name(&group.name)?;
    if let (true, Some(main)) = (is_main, find_main(tx)?) {
        return Err(StoreError::MainExists { folder: main.folder });
    }
    if tx.prepare_cached(BY_FOLDER)?.exists([group.folder.as_str()])? {
        return Err(StoreError::FolderTaken { folder: group.folder.clone() });
    }
    let sql = "INSERT INTO agent_groups (name, folder, is_main, provider, model, container_config, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let container = json(&group.container)?;
    let given = params![group.name, group.folder.as_str(), is_main, group.provider, group.model, container, now().0];
    tx.prepare_cached(sql)?.execute(given)?;
    group_by_id(tx, GroupId(tx.last_insert_rowid()))
}

/// The group with this key, inside a transaction.
pub(crate) fn group_by_id(conn: &Connection, id: GroupId) -> Result<Group, StoreError> {
    let found = conn.prepare_cached(BY_ID)?.query_row([id.0], group_from_row).optional()?;
    found.ok_or_else(|| StoreError::no_such("group", &id))
}

fn find_main(conn: &Connection) -> Result<Option<Group>, StoreError> {
    Ok(conn.prepare_cached(MAIN)?.query_row([], group_from_row).optional()?)
}

fn check_name(name: &str) -> Result<(), StoreError> {
    if name.trim().is_empty() {
        return Err(StoreError::bad_value("name of a group", name, "it may not be empty"));
    }
    if name.len() > MAX_NAME || name.contains(char::is_control) {
        return Err(StoreError::bad_value(
            "name of a group",
            name,
            "use up to 255 bytes without line breaks and other control characters",
        ));
    }
    Ok(())
}

fn json(container: &ContainerConfig) -> Result<String, StoreError> {
    container.to_json().map_err(|source| StoreError::Container { source })
}

fn group_from_row(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group {
        id: GroupId(row.get("id")?),
        name: row.get("name")?,
        folder: word(row, "folder")?,
        is_main: row.get("is_main")?,
        provider: row.get("provider")?,
        model: row.get("model")?,
        container_config: row.get("container_config")?,
        created_at: time(row, "created_at")?,
    })
}
