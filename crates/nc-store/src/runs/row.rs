//! Runs as their rows say it.

use nc_model::{Cause, FolderName, GroupId, RunOutcome, SessionStatus, Timestamp};
use rusqlite::Row;

use crate::row::{maybe_time, maybe_word, time, word};

/// What a runner must know to build the sandbox of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// The session.
    pub session: String,
    /// Where the session stands.
    pub status: SessionStatus,
    /// The agent group that the session belongs to.
    pub group: GroupId,
    /// The group's folder.
    pub folder: FolderName,
    /// The group's name.
    pub group_name: String,
    /// Whether it is the main group.
    pub is_main: bool,
    /// The session's provider, else the group's.
    pub provider: Option<String>,
    /// The group's model.
    pub model: Option<String>,
    /// The group's `container_config`, JSON.
    pub container_config: String,
}

/// A run that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// Its id, from [`new_id`](crate::new_id).
    pub id: String,
    /// Its session.
    pub session: String,
    /// Why it was asked for.
    pub cause: Cause,
    /// Whether answers go to the chat.
    pub to_chat: bool,
    /// The engine, e.g. `bubblewrap`.
    pub runtime: String,
    /// The runner's own instance: its unit, or its process id.
    pub instance: String,
    /// The boot that it lives in.
    pub boot_id: String,
    /// The runner's process id.
    pub pid: i64,
    /// When it begins.
    pub started_at: Timestamp,
}

/// What became of the wish to begin a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The row is written.
    Started,
    /// The session has a live run already: its id.
    Live(String),
    /// By hand only: what an earlier run wrote is not taken in yet.
    Uncollected(String),
    /// By hand only, where the words are not sent: so many messages and tasks wait for an answer of this session.
    Waiting(u64),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// When the last process was gone.
    pub ended_at: Timestamp,
    /// How.
    pub outcome: RunOutcome,
    /// The failure, in words; none where there is none.
    pub error: Option<String>,
    /// How the agent's process ended, in words.
    pub exit_detail: String,
    /// CPU time of everything in the sandbox, in milliseconds.
    pub cpu_ms: Option<i64>,
    /// The most memory that it used, in bytes.
    pub peak_rss: Option<i64>,
}

/// What the model used, as the agent says: for display only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: Option<i64>,
    /// Tokens written.
    pub output_tokens: Option<i64>,
    /// Price in US dollars.
    pub cost_usd: Option<f64>,
    /// Turns of the model.
    pub turns: Option<i64>,
    /// Milliseconds to the first token.
    pub first_token_ms: Option<i64>,
    /// What tools were used, JSON.
    pub tools: Option<String>,
}

/// A row of `runs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Its session.
    pub session: String,
    /// The agent group of the session.
    pub group: GroupId,
    /// Why it was asked for.
    pub cause: Cause,
    /// Whether answers go to the chat.
    pub to_chat: bool,
    /// The engine.
    pub runtime: Option<String>,
    /// The runner's instance.
    pub instance: Option<String>,
    /// The boot that it lives in.
    pub boot_id: Option<String>,
    /// The runner's process id.
    pub pid: Option<i64>,
    /// What the engine calls the sandbox.
    pub sandbox_id: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was asked to leave.
    pub leave_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When `outbound.db` was looked at for the last time.
    pub collected_at: Option<Timestamp>,
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
}

/// Reads a row of what a runner must know.
pub(super) fn plan(row: &Row<'_>) -> rusqlite::Result<RunPlan> {
    Ok(RunPlan {
        session: row.get("session")?,
        status: word(row, "status")?,
        group: GroupId(row.get("agent_group")?),
        folder: word(row, "folder")?,
        group_name: row.get("name")?,
        is_main: row.get("is_main")?,
        provider: row.get("provider")?,
        model: row.get("model")?,
        container_config: row.get("container_config")?,
    })
}

/// Reads a row of `runs` with its group.
pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get("id")?,
        session: row.get("session_id")?,
        group: GroupId(row.get("agent_group_id")?),
        cause: word(row, "cause")?,
        to_chat: row.get("to_chat")?,
        runtime: row.get("runtime")?,
        instance: row.get("instance")?,
        boot_id: row.get("boot_id")?,
        pid: row.get("pid")?,
        sandbox_id: row.get("sandbox_id")?,
        started_at: time(row, "started_at")?,
        leave_at: maybe_time(row, "leave_at")?,
        ended_at: maybe_time(row, "ended_at")?,
        collected_at: maybe_time(row, "collected_at")?,
        outcome: maybe_word(row, "outcome")?,
        error: row.get("error")?,
        exit_detail: row.get("exit_detail")?,
        cpu_ms: row.get("cpu_ms")?,
        peak_rss: row.get("peak_rss")?,
    })
}
