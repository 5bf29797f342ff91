//! What agents wrote and nobody may send.

use nc_model::{InboxKind, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{TakenIn, count};
use crate::{StoreError, new_id};

/// How many refusals wake an agent between two messages that it is given; it learns of further ones with its next work.
/// A guess: an agent whose every answer is refused would otherwise talk to itself for ever.
const MAX_WAKING: i64 = 3;

/// An agent's row that is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The id of the row, or what it goes by.
    pub source_id: String,
    /// What the agent is told.
    pub told: Told,
}

/// What an agent is told of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// This, as a message.
    Notice(String),
    /// This JSON, as the answer that a tool waits for.
    Answer(String),
    /// Nothing: it is only known from now on.
    Nothing,
}

// The source's prefix makes a range of the unique index.
pub(super) const WAKING: &str = "SELECT count(*) FROM session_inbox WHERE session_id = ?1 AND source >= 'refused:' \
                                 AND source < 'refused;' AND trigger = 1 AND created_at >= ?2";
pub(super) const NEWEST_GIVEN: &str = "SELECT given_at FROM routings WHERE session_id = ?1 AND given_at IS NOT NULL \
                                       ORDER BY message_seq DESC LIMIT 1";
const TELL: &str = "INSERT OR IGNORE INTO session_inbox (id, session_id, kind, content, trigger, source, created_at) \
                    VALUES (?1, ?2, ?3, ?4, ?5, 'refused:' || ?6, ?7)";
// It is placed and ended from the start: a mark that nobody is told of.
const MARK: &str = "INSERT OR IGNORE INTO session_inbox (id, session_id, kind, content, trigger, source, created_at, \
                    placed_at, ended_at) VALUES (?1, ?2, 'notice', '{}', 0, 'refused:' || ?3, ?4, ?4, ?4)";

/// Writes refusals down, each once for ever, and tells the agent.
pub(super) fn record(
    tx: &Transaction<'_>,
    session: &str,
    refused: &[&Refusal],
    at: Timestamp,
    taken: &mut TakenIn,
) -> Result<(), StoreError> {
    for refusal in refused {
        let source = &refusal.source_id;
        let made = match &refusal.told {
            Told::Nothing => tx.prepare_cached(MARK)?.execute(params![new_id(), session, source, at.0])?,
            Told::Answer(content) => {
                let kind = InboxKind::System.as_str();
                tx.prepare_cached(TELL)?.execute(params![new_id(), session, kind, content, false, source, at.0])?
            }
            Told::Notice(text) => {
                let (kind, content, wakes) = (InboxKind::Notice.as_str(), notice(text), may_wake(tx, session)?);
                tx.prepare_cached(TELL)?.execute(params![new_id(), session, kind, content, wakes, source, at.0])?
            }
        };
        taken.refusals += count(made);
        taken.router |= made > 0 && refusal.told != Told::Nothing;
    }
    Ok(())
}

/// What a notice to an agent says, as its mailbox holds it.
pub(super) fn notice(text: &str) -> String {
    serde_json::json!({ "text": text, "sender": "system", "senderId": "system" }).to_string()
}

fn may_wake(tx: &Transaction<'_>, session: &str) -> Result<bool, StoreError> {
    let given: Option<i64> = tx.prepare_cached(NEWEST_GIVEN)?.query_row([session], |row| row.get(0)).optional()?;
    let woken: i64 = tx.prepare_cached(WAKING)?.query_row(params![session, given.unwrap_or(0)], |row| row.get(0))?;
    Ok(woken < MAX_WAKING)
}
