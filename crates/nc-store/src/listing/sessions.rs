//! Sessions by page, the newest first.

use nc_model::{ChatId, FolderName, GroupId, SessionStatus, Timestamp};
use rusqlite::{Row, named_params, params};

use super::{LAST, last_of};
use crate::row::{maybe_time, maybe_word, time, word};
use crate::sessions::ChatAddress;
use crate::{Store, StoreError};

macro_rules! session_query {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.agent_group_id, g.folder, s.messaging_group_id, m.channel, m.platform_id, m.name AS chat_name, \
             s.thread_id, s.provider, s.provider_session_id, s.status, s.last_active_at, s.created_at, \
             (SELECT r.id FROM runs r WHERE r.session_id = s.id AND r.ended_at IS NULL) AS live, \
             (SELECT count(*) FROM routings o WHERE o.session_id = s.id AND o.decision = 'work' AND o.outcome IS NULL) AS open \
             FROM sessions s LEFT JOIN agent_groups g ON g.id = s.agent_group_id \
             LEFT JOIN messaging_groups m ON m.id = s.messaging_group_id ",
            $rest
        )
    };
}

pub(super) const PAGE: &str = session_query!(
    "WHERE s.id < :before AND (:group IS NULL OR s.agent_group_id = :group) \
     AND (:chat IS NULL OR s.messaging_group_id = :chat) AND (:status IS NULL OR s.status = :status) \
     ORDER BY s.id DESC LIMIT :limit"
);
pub(super) const LIKE: &str = session_query!("WHERE s.id >= ?1 AND s.id <= ?2 ORDER BY s.id LIMIT 2");

/// Which sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only of this group.
    pub group: Option<GroupId>,
    /// Only of this chat.
    pub chat: Option<ChatId>,
    /// Only where they stand so.
    pub status: Option<SessionStatus>,
    /// Only those that are older than this one.
    pub before: Option<String>,
}

/// A session with what a person wants to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its id.
    pub id: String,
    /// Its group.
    pub group: GroupId,
    /// The group's folder; none where the group was removed.
    pub folder: Option<FolderName>,
    /// Its chat.
    pub chat: Option<ChatAddress>,
    /// What people call the chat.
    pub chat_name: Option<String>,
    /// The thread.
    pub thread: Option<String>,
    /// What drives its model, where it differs from the group's.
    pub provider: Option<String>,
    /// Under which id the provider resumes it.
    pub provider_session: Option<String>,
    /// Where it stands.
    pub status: SessionStatus,
    /// When something last happened in it.
    pub last_active_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its live run.
    pub live_run: Option<String>,
    /// How many messages wait in it for the end of their work.
    pub open: i64,
}

impl Store {
    /// At most `limit` sessions that `filter` lets through, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn sessions_listed(&self, filter: &SessionFilter, limit: u32) -> Result<Vec<SessionRecord>, StoreError> {
        let mut query = self.conn().prepare_cached(PAGE)?;
        let rows = query.query_map(
            named_params! {
                ":before": filter.before.as_deref().unwrap_or(LAST), ":group": filter.group.map(|g| g.0),
                ":chat": filter.chat.map(|c| c.0), ":status": filter.status.map(SessionStatus::as_str), ":limit": limit,
            },
            record,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The first two sessions whose id begins so: one where `beginning` names a session.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn sessions_like(&self, beginning: &str) -> Result<Vec<SessionRecord>, StoreError> {
        let mut query = self.conn().prepare_cached(LIKE)?;
        Ok(query.query_map(params![beginning, last_of(beginning)], record)?.collect::<Result<_, _>>()?)
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    let chat = row.get::<_, Option<i64>>("messaging_group_id")?.map(|id| {
        let (channel, platform_id) = (row.get("channel")?, row.get("platform_id")?);
        Ok::<_, rusqlite::Error>(ChatAddress { id: ChatId(id), channel, platform_id })
    });
    Ok(SessionRecord {
        id: row.get("id")?,
        group: GroupId(row.get("agent_group_id")?),
        folder: maybe_word(row, "folder")?,
        chat: chat.transpose()?,
        chat_name: row.get("chat_name")?,
        thread: row.get("thread_id")?,
        provider: row.get("provider")?,
        provider_session: row.get("provider_session_id")?,
        status: word(row, "status")?,
        last_active_at: maybe_time(row, "last_active_at")?,
        created_at: time(row, "created_at")?,
        live_run: row.get("live")?,
        open: row.get("open")?,
    })
}
