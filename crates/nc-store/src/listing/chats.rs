//! Chats by page.

use nc_model::{ChatId, GroupId};
use rusqlite::named_params;

use crate::chats::{Chat, chat_from_row};
use crate::{Store, StoreError};

pub(super) const PAGE: &str = "SELECT m.* FROM messaging_groups m WHERE m.id > :after
      AND (:channel IS NULL OR m.channel = :channel)
      AND (:group IS NULL OR EXISTS (SELECT 1 FROM wirings w
            WHERE w.messaging_group_id = m.id AND w.agent_group_id = :group))
      AND (NOT :unwired OR NOT EXISTS (SELECT 1 FROM wirings w WHERE w.messaging_group_id = m.id))
    ORDER BY m.id LIMIT :limit";

/// Which chats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatFilter {
    /// Only of this channel.
    pub channel: Option<String>,
    /// Only those that this group listens to.
    pub group: Option<GroupId>,
    /// Only those that nobody listens to.
    pub unwired: bool,
    /// Only those after this one.
    pub after: Option<ChatId>,
}

impl Store {
    /// At most `limit` chats that `filter` lets through, by key.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn chats_listed(&self, filter: &ChatFilter, limit: u32) -> Result<Vec<Chat>, StoreError> {
        let mut query = self.conn().prepare_cached(PAGE)?;
        let rows = query.query_map(
            named_params! {
                ":after": filter.after.map_or(0, |id| id.0), ":channel": filter.channel,
                ":group": filter.group.map(|g| g.0), ":unwired": filter.unwired, ":limit": limit,
            },
            chat_from_row,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
