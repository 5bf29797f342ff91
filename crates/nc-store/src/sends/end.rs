//! How the sending of a part ends, and who is told when the whole delivery has ended.

use nc_model::{SendLevel, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::Leased;
use crate::notices::{NewNotice, say};
use crate::{Store, StoreError, new_id};

/// `unknown` may still become `sent`: whoever sent it may learn of it after somebody else gave it up.
pub(super) const END: &str = "UPDATE sends
      SET status = ?3, status_at = ?4, lease_until = NULL, next_attempt_at = ?5, platform_message_id = ?6, level = ?7, error = ?8
    WHERE delivery_id = ?1 AND part = ?2
      AND (status IN ('leased', 'sending') OR (status = 'unknown' AND ?3 = 'sent'))";

pub(super) const OPEN_PARTS: &str = "SELECT count(*) FROM sends
    WHERE delivery_id = ?1 AND status IN ('queued', 'leased', 'sending', 'retry')";

/// The parts of an ended delivery, worst first, of which nobody was told.
pub(super) const TO_REPORT: &str = "SELECT d.session_id, d.source_id, d.kind, s.status, s.error,
           (SELECT platform_message_id FROM sends WHERE delivery_id = ?1 AND platform_message_id IS NOT NULL
             ORDER BY part LIMIT 1) AS platform_message_id,
           (SELECT ifnull(name, platform_id) FROM messaging_groups WHERE id = d.messaging_group_id) AS chat
      FROM deliveries d JOIN sends s ON s.delivery_id = d.id
     WHERE d.id = ?1 AND s.reported_at IS NULL
     ORDER BY CASE s.status WHEN 'dead' THEN 0 WHEN 'unknown' THEN 1 ELSE 2 END, s.part LIMIT 1";

/// How sending one part ended, or that it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendEnd {
    /// The platform has it.
    Sent {
        /// The platform's own name for it, where it gave one.
        platform_message_id: Option<String>,
        /// How far it is known to have come.
        level: SendLevel,
    },
    /// The platform did not take it; it is tried again.
    Retry {
        /// Why.
        error: String,
        /// When.
        at: Timestamp,
    },
    /// Nobody can know whether the platform has it, and it is not sent again.
    Unknown {
        /// Why.
        error: String,
    },
    /// It cannot succeed. What follows of the same delivery is given up with it.
    Dead {
        /// Why.
        error: String,
    },
}

impl SendEnd {
    fn status(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "sent",
            Self::Retry { .. } => "retry",
            Self::Unknown { .. } => "unknown",
            Self::Dead { .. } => "dead",
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            Self::Sent { .. } => None,
            Self::Retry { error, .. } | Self::Unknown { error } | Self::Dead { error } => Some(error),
        }
    }
}

/// Who was told of the end of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// A session has something new to be told, or an owner: the router is to be rung.
    pub router: bool,
}

/// What came of ending a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The row took the end; who was told.
    Yes(Reported),
    /// The part was not this channel's any more, and nothing changed.
    NotOurs,
}

/// What a session is told of a delivery that ended: the content of a `session_inbox` row of kind `delivery`, which
/// becomes a row of the mailbox's table `delivered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// The id of the agent's row.
    pub message_out_id: String,
    /// The platform's name for what was sent.
    pub platform_message_id: Option<String>,
    /// `delivered`, also where nobody can know (a notice says so then), or `failed`.
    pub status: String,
}

impl Store {
    /// Commits how sending `leased` ended. Where it was the last open part of the delivery, the session is told in the
    /// same transaction, and of a failure the agent and the owners.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be written.
    pub fn end_send(&mut self, leased: &Leased, end: &SendEnd, now: Timestamp) -> Result<Ended, StoreError> {
        self.write("end_send", |tx| {
            if !end_part(tx, leased, end, now)? {
                return Ok(Ended::NotOurs);
            }
            if let SendEnd::Dead { error } = end {
                give_up_later_parts(tx, leased, error, now)?;
            }
            let open: i64 = tx.prepare_cached(OPEN_PARTS)?.query_row([&leased.delivery_id], |row| row.get(0))?;
            let reported = if open == 0 { report(tx, leased, now)? } else { Reported::default() };
            Ok(Ended::Yes(reported))
        })
    }
}

fn end_part(tx: &Transaction<'_>, leased: &Leased, end: &SendEnd, now: Timestamp) -> Result<bool, StoreError> {
    let (id, level) = match end {
        SendEnd::Sent { platform_message_id, level } => (platform_message_id.as_deref(), Some(level.as_str())),
        _ => (None, None),
    };
    let next = if let SendEnd::Retry { at, .. } = end { Some(at.0) } else { None };
    let values = params![leased.delivery_id, leased.part, end.status(), now.0, next, id, level, end.error()];
    Ok(tx.prepare_cached(END)?.execute(values)? == 1)
}

fn give_up_later_parts(tx: &Transaction<'_>, leased: &Leased, error: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE sends SET status = 'dead', status_at = ?3, lease_until = NULL, next_attempt_at = NULL, error = ?4
          WHERE delivery_id = ?1 AND part > ?2 AND status IN ('queued', 'leased', 'sending', 'retry')",
        params![leased.delivery_id, leased.part, now.0, format!("an earlier part could not be sent: {error}")],
    )?;
    Ok(())
}

/// A delivery all of whose parts have ended.
struct Outcome {
    session: Option<String>,
    report: DeliveryReport,
    status: String,
    kind: String,
    chat: String,
    error: String,
}

fn report(tx: &Transaction<'_>, leased: &Leased, now: Timestamp) -> Result<Reported, StoreError> {
    let outcome = tx.prepare_cached(TO_REPORT)?.query_row([&leased.delivery_id], |row| {
        let status: String = row.get("status")?;
        Ok(Outcome {
            session: row.get("session_id")?,
            report: DeliveryReport {
                message_out_id: row.get("source_id")?,
                platform_message_id: row.get("platform_message_id")?,
                status: if status == "dead" { "failed" } else { "delivered" }.to_owned(),
            },
            status,
            kind: row.get("kind")?,
            chat: row.get("chat")?,
            error: row.get::<_, Option<String>>("error")?.unwrap_or_default(),
        })
    });
    let Some(outcome) = outcome.optional()? else { return Ok(Reported::default()) };
    tx.execute("UPDATE sends SET reported_at = ?2 WHERE delivery_id = ?1", params![leased.delivery_id, now.0])?;
    let Some(session) = &outcome.session else { return Ok(Reported::default()) };
    let delivery = tell(tx, session, "delivery", &to_json(&outcome.report), false, &leased.delivery_id, now)?;
    if outcome.status != "sent" {
        tell_of_failure(tx, session, leased, &outcome, now)?;
    }
    Ok(Reported { router: delivery })
}

/// The agent is woken for what is dead; of what nobody can know it learns with its next work, or it might send again.
fn tell_of_failure(
    tx: &Transaction<'_>,
    session: &str,
    leased: &Leased,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), StoreError> {
    let dead = outcome.status == "dead";
    let (chat, error, kind) = (&outcome.chat, &outcome.error, &outcome.kind);
    let text = if dead {
        format!("Your {kind} (row {}) to {chat:?} could not be delivered: {error}", outcome.report.message_out_id)
    } else {
        format!(
            "Nobody can know whether your {kind} (row {}) to {chat:?} arrived: {error}. It is not sent again by itself.",
            outcome.report.message_out_id
        )
    };
    let content = serde_json::json!({ "text": text, "sender": "system", "senderId": "system" }).to_string();
    tell(tx, session, "notice", &content, dead, &format!("{}:notice", leased.delivery_id), now)?;
    if dead {
        let text = format!("A message to {chat:?} ({}) could not be delivered: {error}", leased.channel);
        let unit = format!("channel {}", leased.channel);
        let cause = format!("dead delivery to chat {}", leased.chat);
        say(tx, &NewNotice { chat: None, unit, text, cause })?;
    }
    Ok(())
}

fn tell(
    tx: &Transaction<'_>,
    session: &str,
    kind: &str,
    content: &str,
    trigger: bool,
    source: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO session_inbox (id, session_id, kind, content, trigger, source, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    Ok(insert.execute(params![new_id(), session, kind, content, trigger, source, now.0])? == 1)
}

fn to_json(report: &DeliveryReport) -> String {
    serde_json::json!(report).to_string()
}
