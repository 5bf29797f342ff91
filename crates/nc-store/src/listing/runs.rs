//! Runs by page, the newest first.

use nc_model::{Cause, ChatId, FolderName, GroupId, RunOutcome, Timestamp};
use rusqlite::{OptionalExtension, Row, ToSql, named_params, params};

use super::last_of;
use crate::row::{maybe_time, maybe_word, time, word};
use crate::sessions::ChatAddress;
use crate::{Store, StoreError};

macro_rules! run_query {
    ($rest:literal) => {
        concat!(
            "SELECT r.*, s.agent_group_id, g.folder, s.messaging_group_id, m.channel, m.platform_id, s.thread_id \
             FROM runs r CROSS JOIN sessions s ON s.id = r.session_id LEFT JOIN agent_groups g ON g.id = s.agent_group_id \
             LEFT JOIN messaging_groups m ON m.id = s.messaging_group_id ",
            $rest,
        )
    };
}

/// What every list of runs may be narrowed by, and its order.
macro_rules! narrowed {
    () => {
        "AND (:outcome IS NULL OR r.outcome = :outcome) AND (NOT :live OR r.ended_at IS NULL) \
         AND r.started_at >= :since AND r.started_at <= :until AND (r.started_at < :until OR r.id < :before) \
         ORDER BY r.started_at DESC, r.id DESC LIMIT :limit"
    };
}

pub(super) const ALL: &str = concat!(run_query!("WHERE true "), narrowed!());
pub(super) const OF_SESSION: &str = concat!(run_query!("WHERE r.session_id = :session "), narrowed!());
// From the group's sessions to their runs: a group of few runs is not looked for among everybody's.
pub(super) const OF_GROUP: &str = concat!(
    "SELECT r.*, s.agent_group_id, g.folder, s.messaging_group_id, m.channel, m.platform_id, s.thread_id \
     FROM sessions s CROSS JOIN runs r ON r.session_id = s.id LEFT JOIN agent_groups g ON g.id = s.agent_group_id \
     LEFT JOIN messaging_groups m ON m.id = s.messaging_group_id WHERE s.id > '' AND s.agent_group_id = :group ",
    narrowed!()
);
pub(super) const LIKE: &str = run_query!("WHERE r.id >= ?1 AND r.id <= ?2 ORDER BY r.id LIMIT 2");
const STARTED: &str = "SELECT started_at FROM runs WHERE id = ?1";

/// How a run stands, to choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It has not ended.
    Live,
    /// It ended so.
    Ended(RunOutcome),
}

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only of this group; not looked at where there is a session.
    pub group: Option<GroupId>,
    /// Only of this session.
    pub session: Option<String>,
    /// Only those that stand so.
    pub state: Option<RunState>,
    /// Only those that began then or later.
    pub since: Option<Timestamp>,
    /// Only those that began before this one.
    pub before: Option<String>,
}

/// A run with everything that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: String,
    /// Its session.
    pub session: String,
    /// The session's group.
    pub group: GroupId,
    /// The group's folder; none where the group was removed.
    pub folder: Option<FolderName>,
    /// The session's chat.
    pub chat: Option<ChatAddress>,
    /// The session's thread.
    pub thread: Option<String>,
    /// Why it was asked for.
    pub cause: Cause,
    /// Whether answers go to the chat.
    pub to_chat: bool,
    /// The engine.
    pub runtime: Option<String>,
    /// The runner's instance.
    pub instance: Option<String>,
    /// The runner's process id.
    pub pid: Option<i64>,
    /// What the engine calls the sandbox.
    pub sandbox_id: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When the agent first said something.
    pub first_output_at: Option<Timestamp>,
    /// Milliseconds to the model's first token.
    pub first_token_ms: Option<i64>,
    /// Turns of the model.
    pub turns: Option<i64>,
    /// When it was asked to leave.
    pub leave_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When `outbound.db` was looked at for the last time.
    pub collected_at: Option<Timestamp>,
    /// When the router decided what becomes of what it left.
    pub judged_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// The failure, in words.
    pub error: Option<String>,
    /// How the agent's process ended, in words.
    pub exit_detail: Option<String>,
    /// CPU time of everything in the sandbox, in milliseconds.
    pub cpu_ms: Option<i64>,
    /// The most memory that it used, in bytes.
    pub peak_rss: Option<i64>,
    /// Tokens read.
    pub input_tokens: Option<i64>,
    /// Tokens written.
    pub output_tokens: Option<i64>,
    /// Price in US dollars.
    pub cost_usd: Option<f64>,
    /// What tools were used, JSON: by name, how often and for how many milliseconds.
    pub tools: Option<String>,
}

impl Store {
    /// At most `limit` runs that `filter` lets through, the newest first.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] where `before` is no run.
    pub fn runs_listed(&self, filter: &RunFilter, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        let until = filter.before.as_deref().map(|id| self.started(id)).transpose()?.unwrap_or(i64::MAX);
        let outcome = match filter.state {
            Some(RunState::Ended(outcome)) => Some(outcome.as_str()),
            _ => None,
        };
        let live = filter.state == Some(RunState::Live);
        let since = filter.since.map_or(i64::MIN, |t| t.0);
        let group = filter.group.map(|g| g.0);
        let common = named_params! {
            ":outcome": outcome, ":live": live, ":since": since, ":until": until, ":before": filter.before, ":limit": limit,
        };
        let of: (&str, &str, &dyn ToSql) = match (&filter.session, &group) {
            (Some(session), _) => (OF_SESSION, ":session", session),
            (None, Some(group)) => (OF_GROUP, ":group", group),
            (None, None) => return self.records(ALL, common),
        };
        self.records(of.0, &[common, &[(of.1, of.2)]].concat())
    }

    /// The first two runs whose id begins so: one where `beginning` names a run.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn runs_like(&self, beginning: &str) -> Result<Vec<RunRecord>, StoreError> {
        let mut query = self.conn().prepare_cached(LIKE)?;
        Ok(query.query_map(params![beginning, last_of(beginning)], record)?.collect::<Result<_, _>>()?)
    }

    fn records(&self, sql: &str, given: &[(&str, &dyn ToSql)]) -> Result<Vec<RunRecord>, StoreError> {
        Ok(self.conn().prepare_cached(sql)?.query_map(given, record)?.collect::<Result<_, _>>()?)
    }

    fn started(&self, run: &str) -> Result<i64, StoreError> {
        let found = self.conn().prepare_cached(STARTED)?.query_row([run], |row| row.get(0)).optional()?;
        found.ok_or_else(|| StoreError::no_such("run", run))
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let chat = row.get::<_, Option<i64>>("messaging_group_id")?.map(|id| {
        let (channel, platform_id) = (row.get("channel")?, row.get("platform_id")?);
        Ok::<_, rusqlite::Error>(ChatAddress { id: ChatId(id), channel, platform_id })
    });
    Ok(RunRecord {
        id: row.get("id")?,
        session: row.get("session_id")?,
        group: GroupId(row.get("agent_group_id")?),
        folder: maybe_word(row, "folder")?,
        chat: chat.transpose()?,
        thread: row.get("thread_id")?,
        cause: word(row, "cause")?,
        to_chat: row.get("to_chat")?,
        runtime: row.get("runtime")?,
        instance: row.get("instance")?,
        pid: row.get("pid")?,
        sandbox_id: row.get("sandbox_id")?,
        started_at: time(row, "started_at")?,
        first_output_at: maybe_time(row, "first_output_at")?,
        first_token_ms: row.get("first_token_ms")?,
        turns: row.get("turns")?,
        leave_at: maybe_time(row, "leave_at")?,
        ended_at: maybe_time(row, "ended_at")?,
        collected_at: maybe_time(row, "collected_at")?,
        judged_at: maybe_time(row, "judged_at")?,
        outcome: maybe_word(row, "outcome")?,
        error: row.get("error")?,
        exit_detail: row.get("exit_detail")?,
        cpu_ms: row.get("cpu_ms")?,
        peak_rss: row.get("peak_rss")?,
        input_tokens: row.get("input_tokens")?,
        output_tokens: row.get("output_tokens")?,
        cost_usd: row.get("cost_usd")?,
        tools: row.get("tools")?,
    })
}
