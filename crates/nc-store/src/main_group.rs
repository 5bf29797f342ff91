//! The main group: the first one, made by the person who sits at the machine.

use nc_model::{ChatId, Role};

use crate::chats::{NewChat, know_chat};
use crate::groups::{Group, NewGroup, insert_group};
use crate::people::{grant, know_direct_chat, know_user};
use crate::wirings::{NewWiring, insert_wiring};
use crate::{Store, StoreError};

/// A main group that is to be made, with the person who makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMainGroup<'a> {
    /// The group.
    pub group: NewGroup,
    /// Who makes it, and is an owner from then on: `<channel kind>:<handle>`.
    pub owner: &'a str,
    /// What the owner is called.
    pub owner_name: Option<&'a str>,
    /// The chat from which the owner writes to it alone.
    pub chat: NewChat<'a>,
}

/// The main group as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainGroup {
    /// The group.
    pub group: Group,
    /// The owner's chat.
    pub chat: ChatId,
    /// What the group calls that chat.
    pub local_name: String,
}

impl Store {
    /// Makes the main group, its owner, the owner's chat, the wiring and the destination: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::MainExists`], [`StoreError::FolderTaken`], [`StoreError::BadValue`].
    pub fn create_main_group(&mut self, new: &NewMainGroup<'_>) -> Result<MainGroup, StoreError> {
        self.write("create_main_group", |tx| {
            let group = insert_group(tx, &new.group, true)?;
            know_user(tx, new.owner, new.owner_name)?;
            grant(tx, new.owner, Role::Owner, None, None)?;
            let chat = know_chat(tx, &new.chat)?;
            know_direct_chat(tx, new.owner, new.chat.channel, chat)?;
            let wired = insert_wiring(tx, &NewWiring::new(chat, group.id), None)?;
            Ok(MainGroup { group, chat, local_name: wired.local_name })
        })
    }
}
