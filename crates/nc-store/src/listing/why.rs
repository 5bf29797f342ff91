//! Why a message became what it became: each decision with what came of it.

use nc_model::{
    ChatId, Decision, DeliveryKind, FolderName, GroupId, RoutingOutcome, SendLevel, SendStatus, Seq, Timestamp,
};
use rusqlite::{OptionalExtension, Row};

use crate::row::{maybe_time, maybe_word, time, word};
use crate::{Store, StoreError};

pub(super) const REASONS: &str = "SELECT r.*, g.folder, g.name FROM routings r
    LEFT JOIN agent_groups g ON g.id = r.agent_group_id WHERE r.message_seq = ?1 ORDER BY r.id";
pub(super) const DELIVERY: &str =
    "SELECT d.id, d.messaging_group_id, m.channel, m.platform_id, d.kind, d.content, d.created_at
      FROM deliveries d JOIN messaging_groups m ON m.id = d.messaging_group_id WHERE d.id = ?1";
pub(super) const SENDS: &str = "SELECT * FROM sends WHERE delivery_id = ?1 ORDER BY part";

/// What was decided on a message for one group, by which rule, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The group; none where nobody took the message.
    pub group: Option<GroupId>,
    /// The group's folder; none where nobody took the message or the group was removed.
    pub folder: Option<FolderName>,
    /// What was decided.
    pub decision: Decision,
    /// By which rule.
    pub rule: String,
    /// When.
    pub decided_at: Timestamp,
    /// In which session.
    pub session: Option<String>,
    /// When it was put into the session's mailbox.
    pub placed_at: Option<Timestamp>,
    /// The approval that it waits for.
    pub approval: Option<String>,
    /// When an agent took it.
    pub given_at: Option<Timestamp>,
    /// In which run.
    pub run: Option<String>,
    /// How often a run failed at it.
    pub attempts: u32,
    /// When it is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// How work ended.
    pub outcome: Option<RoutingOutcome>,
    /// When.
    pub outcome_at: Option<Timestamp>,
    /// What the agent sent.
    pub answer: Option<SentDelivery>,
    /// What the router sent in its place.
    pub notice: Option<SentDelivery>,
}

/// Something that was to be sent, with what became of each part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentDelivery {
    /// Its id.
    pub id: String,
    /// To which chat.
    pub chat: ChatId,
    /// The chat's channel.
    pub channel: String,
    /// What the platform calls the chat.
    pub platform_id: String,
    /// What it is.
    pub kind: DeliveryKind,
    /// What it says, JSON.
    pub content: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its parts.
    pub sends: Vec<SendRecord>,
}

/// What became of one part of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRecord {
    /// Which part, from 0.
    pub part: i64,
    /// Where it stands.
    pub status: SendStatus,
    /// Since when.
    pub status_at: Timestamp,
    /// How often it failed.
    pub attempts: i64,
    /// When it is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// What the platform calls it.
    pub platform_message_id: Option<String>,
    /// How far it is known to have come.
    pub level: Option<SendLevel>,
    /// Why it failed.
    pub error: Option<String>,
}

impl Store {
    /// What was decided on the message `seq`, for each group in the order of the decisions; none where nothing was yet.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn reasons(&self, seq: Seq) -> Result<Vec<Reason>, StoreError> {
        self.read(|conn| {
            let mut query = conn.prepare_cached(REASONS)?;
            let found = query.query_map([seq.0], reason)?.collect::<Result<Vec<_>, _>>()?;
            found
                .into_iter()
                .map(|(reason, answer, notice)| {
                    let answer = answer.map(|id| delivery(conn, &id)).transpose()?.flatten();
                    let notice = notice.map(|id| delivery(conn, &id)).transpose()?.flatten();
                    Ok(Reason { answer, notice, ..reason })
                })
                .collect()
        })
    }
}

fn delivery(conn: &rusqlite::Connection, id: &str) -> Result<Option<SentDelivery>, StoreError> {
    let Some(found) = conn.prepare_cached(DELIVERY)?.query_row([id], delivery_from_row).optional()? else {
        return Ok(None);
    };
    let sends = conn.prepare_cached(SENDS)?.query_map([id], send)?.collect::<Result<_, _>>()?;
    Ok(Some(SentDelivery { sends, ..found }))
}

/// A decision, and the ids of its answer and notice.
type Found = (Reason, Option<String>, Option<String>);

fn reason(row: &Row<'_>) -> rusqlite::Result<Found> {
    let reason = Reason {
        group: row.get::<_, Option<i64>>("agent_group_id")?.map(GroupId),
        folder: maybe_word(row, "folder")?,
        decision: word(row, "decision")?,
        rule: row.get("rule")?,
        decided_at: time(row, "decided_at")?,
        session: row.get("session_id")?,
        placed_at: maybe_time(row, "placed_at")?,
        approval: row.get("approval_id")?,
        given_at: maybe_time(row, "given_at")?,
        run: row.get("run_id")?,
        attempts: row.get("attempts")?,
        next_attempt_at: maybe_time(row, "next_attempt_at")?,
        outcome: maybe_word(row, "outcome")?,
        outcome_at: maybe_time(row, "outcome_at")?,
        answer: None,
        notice: None,
    };
    Ok((reason, row.get("answer_delivery_id")?, row.get("notice_delivery_id")?))
}

fn delivery_from_row(row: &Row<'_>) -> rusqlite::Result<SentDelivery> {
    Ok(SentDelivery {
        id: row.get("id")?,
        chat: ChatId(row.get("messaging_group_id")?),
        channel: row.get("channel")?,
        platform_id: row.get("platform_id")?,
        kind: word(row, "kind")?,
        content: row.get("content")?,
        created_at: time(row, "created_at")?,
        sends: Vec::new(),
    })
}

fn send(row: &Row<'_>) -> rusqlite::Result<SendRecord> {
    Ok(SendRecord {
        part: row.get("part")?,
        status: word(row, "status")?,
        status_at: time(row, "status_at")?,
        attempts: row.get("attempts")?,
        next_attempt_at: maybe_time(row, "next_attempt_at")?,
        platform_message_id: row.get("platform_message_id")?,
        level: maybe_word(row, "level")?,
        error: row.get("error")?,
    })
}
