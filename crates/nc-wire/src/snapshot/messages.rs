//! The rows of `messages_out`.

use nc_model::Timestamp;
use nc_model::limits::{MAX_ID_BYTES, MAX_NEW_ROWS, MAX_ROW_BYTES, MAX_SEQ};

use super::fields::Fields;
use super::table::{Rows, Table};
use super::{Snapshot, SnapshotError};
use crate::content::Outgoing;
use crate::json::FieldError;
use crate::mailbox::OutKind;

/// The longest address of a chat or thread, in bytes. A guess, above every platform's.
const MAX_ADDRESS: usize = 2048;

/// The longest recurrence, in bytes. A guess: six fields of cron.
const MAX_RECURRENCE: usize = 256;

const MESSAGES_OUT: Table = Table {
    name: "messages_out",
    key: "id",
    order: "seq",
    columns: &[
        "id",
        "seq",
        "in_reply_to",
        "timestamp",
        "deliver_after",
        "recurrence",
        "kind",
        "platform_id",
        "channel_type",
        "thread_id",
        "content",
    ],
    most_new: MAX_NEW_ROWS,
};

/// A row of `messages_out`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct OutRow {
    /// Its key; whether it is also a safe name for a directory says [`crate::files::is_plain_name`].
    pub id: String,
    /// The number that the agent knows it by: odd, from 1 to 2^53.
    pub seq: i64,
    /// The message that it answers.
    pub in_reply_to: Option<String>,
    /// When the agent wrote it, by the agent's word.
    pub timestamp: Timestamp,
    /// Not to be delivered before.
    pub deliver_after: Option<Timestamp>,
    /// When to deliver it again.
    pub recurrence: Option<String>,
    /// What it is.
    pub kind: OutKind,
    /// The chat at its platform, or the agent group.
    pub platform_id: Option<String>,
    /// The channel, or `agent`.
    pub channel_type: Option<String>,
    /// The thread in the chat.
    pub thread_id: Option<String>,
    /// What it says.
    pub content: Outgoing,
}

impl Snapshot {
    /// Hands out the rows that `known` does not know by their key, in the order of their numbers, up to the limits of the look.
    ///
    /// `known` is asked once for each row, with its id, or with the key of a [`super::RowError`] for one without a readable id. It
    /// should know what was accepted and what was refused before, so that nothing is refused for ever. It has to be quick, as a set
    /// in memory is: the time that it takes counts as SQLite's.
    ///
    /// # Errors
    /// [`SnapshotError`] where the table is no plain table, or the copy cannot be read. No table is no rows.
    pub fn messages_out(&self, known: impl FnMut(&str) -> bool) -> Result<Rows<OutRow>, SnapshotError> {
        self.take(&MESSAGES_OUT, known, read)
    }
}

fn read(fields: &Fields<'_>) -> Result<OutRow, FieldError> {
    let kind = read_kind(fields)?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok(OutRow {
        id: fields.id("id")?,
        seq: read_seq(fields)?,
        in_reply_to: owned(fields.text("in_reply_to", MAX_ADDRESS)?),
        timestamp: fields.need_time("timestamp")?,
        deliver_after: fields.time("deliver_after")?,
        recurrence: owned(fields.text("recurrence", MAX_RECURRENCE)?),
        kind,
        platform_id: owned(fields.text("platform_id", MAX_ADDRESS)?),
        channel_type: owned(fields.text("channel_type", MAX_ADDRESS)?),
        thread_id: owned(fields.text("thread_id", MAX_ADDRESS)?),
        content: Outgoing::read(kind, fields.need_text("content", ROW)?)?,
    })
}

/// A row's limit as a length.
#[expect(clippy::cast_possible_truncation, reason = "1 MiB fits")]
const ROW: usize = MAX_ROW_BYTES as usize;

fn read_kind(fields: &Fields<'_>) -> Result<OutKind, FieldError> {
    let word = fields.need_text("kind", MAX_ID_BYTES)?;
    word.parse().map_err(|_unknown| FieldError::new("kind", "chat, chat-sdk or system", "another word"))
}

/// Even numbers are the host's, and one beyond 2^53 is not kept exact by every reader of JSON.
fn read_seq(fields: &Fields<'_>) -> Result<i64, FieldError> {
    let want = || format!("an odd number from 1 to {MAX_SEQ}");
    match fields.integer("seq")? {
        Some(seq) if (1..=MAX_SEQ).contains(&seq) && seq % 2 == 1 => Ok(seq),
        Some(seq) => Err(FieldError::new("seq", want(), seq.to_string())),
        None => Err(FieldError::new("seq", want(), "nothing")),
    }
}
