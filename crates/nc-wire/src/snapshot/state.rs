//! The other tables of `outbound.db`: acknowledgements, what the agent keeps for itself, and what it is doing.

use nc_model::Timestamp;
use nc_model::limits::{MAX_ID_BYTES, MAX_NEW_NOTES, MAX_TEXT_BYTES};

use super::fields::Fields;
use super::table::{Rows, Table};
use super::{RowError, Snapshot, SnapshotError};
use crate::json::FieldError;
use crate::mailbox::AckStatus;

const PROCESSING_ACK: Table = Table {
    name: "processing_ack",
    key: "message_id",
    order: "_rowid_",
    columns: &["message_id", "status", "status_changed"],
    most_new: MAX_NEW_NOTES,
};

const SESSION_STATE: Table = Table {
    name: "session_state",
    key: "key",
    order: "_rowid_",
    columns: &["key", "value", "updated_at"],
    most_new: MAX_NEW_NOTES,
};

const CONTAINER_STATE: Table = Table {
    name: "container_state",
    // It has one row, whose id is a number; the tool's name serves as well and is never asked for.
    key: "current_tool",
    order: "_rowid_",
    columns: &["current_tool", "tool_declared_timeout_ms", "tool_started_at", "updated_at"],
    most_new: MAX_NEW_NOTES,
};

/// A row of `processing_ack`: how far the agent is with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The message.
    pub message_id: String,
    /// How far it is.
    pub status: AckStatus,
    /// Since when, by the agent's word.
    pub status_changed: Timestamp,
}

/// A row of `session_state`: what the agent keeps for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What it is called.
    pub key: String,
    /// What it is; any text.
    pub value: String,
}

/// The row of `container_state`: the tool in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerState {
    /// The tool, absent where none runs.
    pub current_tool: Option<String>,
    /// How long it said that it may take, in milliseconds.
    pub declared_timeout_ms: Option<u64>,
    /// Since when it runs.
    pub started_at: Option<Timestamp>,
}

impl Snapshot {
    /// Hands out the acknowledgements of messages that `known` does not know, oldest first, up to the limits of the look.
    ///
    /// `known` should know the messages that have ended, and the keys of rows that were refused: a container may keep its
    /// acknowledgements for ever.
    ///
    /// # Errors
    /// [`SnapshotError`] where the table is no plain table, or the copy cannot be read. No table is no rows.
    pub fn acks(&self, known: impl FnMut(&str) -> bool) -> Result<Rows<Ack>, SnapshotError> {
        self.take(&PROCESSING_ACK, known, read_ack)
    }

    /// Hands out what the agent keeps under keys that begin with `prefix`, up to the limits of the look.
    ///
    /// # Errors
    /// [`SnapshotError`] where the table is no plain table, or the copy cannot be read. No table is no rows.
    pub fn session_state(&self, prefix: &str) -> Result<Rows<State>, SnapshotError> {
        self.take(&SESSION_STATE, |key| !key.starts_with(prefix), read_state)
    }

    /// What tool is in flight; absent where the agent says nothing of it.
    ///
    /// # Errors
    /// [`SnapshotError`] where the table is no plain table, or the copy cannot be read. No table is no rows.
    pub fn container_state(&self) -> Result<Option<Result<ContainerState, RowError>>, SnapshotError> {
        Ok(self.take(&CONTAINER_STATE, |_| false, read_container_state)?.rows.into_iter().next())
    }
}

fn read_ack(fields: &Fields<'_>) -> Result<Ack, FieldError> {
    let word = fields.need_text("status", MAX_ID_BYTES)?;
    let unknown = |_| FieldError::new("status", "processing, completed or failed", "another word");
    Ok(Ack {
        message_id: fields.id("message_id")?,
        status: word.parse().map_err(unknown)?,
        status_changed: fields.need_time("status_changed")?,
    })
}

fn read_state(fields: &Fields<'_>) -> Result<State, FieldError> {
    Ok(State { key: fields.id("key")?, value: fields.need_text("value", MAX_TEXT_BYTES)?.to_owned() })
}

fn read_container_state(fields: &Fields<'_>) -> Result<ContainerState, FieldError> {
    let timeout = fields.integer("tool_declared_timeout_ms")?;
    let negative = |_| FieldError::new("tool_declared_timeout_ms", "a number from 0", "a negative one");
    Ok(ContainerState {
        current_tool: fields.text("current_tool", MAX_ID_BYTES)?.map(str::to_owned),
        declared_timeout_ms: timeout.map(u64::try_from).transpose().map_err(negative)?,
        started_at: fields.time("tool_started_at")?,
    })
}
