//! What became of the messages.

use nc_model::{ChatId, Decision, GroupId, RoutingId, RoutingOutcome, Seq, SessionStatus, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Count, Counts, MAX_NAMED, Span};
use crate::row::{maybe_time, maybe_word, time, word};
use crate::{Store, StoreError};

pub(super) const PAGE_OF_MESSAGES: &str =
    "SELECT m.seq, m.messaging_group_id, m.received_at, r.id, r.agent_group_id, r.session_id, r.decision, r.rule,
            r.decided_at, r.placed_at, r.approval_id, r.given_at, r.run_id, r.attempts, r.outcome, r.outcome_at,
            r.answer_delivery_id, r.notice_delivery_id, s.status AS session_status,
            EXISTS (SELECT 1 FROM deliveries d WHERE d.id = r.answer_delivery_id) AS answer_is_there,
            EXISTS (SELECT 1 FROM deliveries d WHERE d.id = r.notice_delivery_id) AS notice_is_there
       FROM (SELECT seq, messaging_group_id, received_at FROM messages
              WHERE received_at < ?2 AND (received_at, seq) > (?1, ?3) ORDER BY received_at, seq LIMIT ?4) m
       LEFT JOIN routings r ON r.message_seq = m.seq
       LEFT JOIN sessions s ON s.id = r.session_id
      ORDER BY m.received_at, m.seq, r.id";

/// Where a routing stands, or a message that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// The agent took it and sent something to its chat.
    Answered,
    /// The agent took it and sent nothing.
    NoReply,
    /// It could not be done, and the person was told.
    Failed,
    /// The agent knows it when it next answers.
    Context,
    /// The router answered it.
    Command,
    /// No agent took it, by an ordinary rule.
    Ignored,
    /// No agent may take it.
    Dropped,
    /// Open: the agent has not ended it.
    Work,
    /// Open: it waits for an approval.
    Held,
    /// Open: the router has not decided on it.
    NotRouted,
}

impl MessageState {
    /// Whether something must still happen.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Work | Self::Held | Self::NotRouted)
    }

    fn of(decision: Decision, outcome: Option<RoutingOutcome>) -> Self {
        match (decision, outcome) {
            (Decision::Work, None) => Self::Work,
            (Decision::Held, None) => Self::Held,
            (_, Some(RoutingOutcome::Failed)) => Self::Failed,
            (Decision::Work | Decision::Held, Some(RoutingOutcome::Answered)) => Self::Answered,
            (Decision::Work | Decision::Held, Some(RoutingOutcome::NoReply)) => Self::NoReply,
            (Decision::Context, _) => Self::Context,
            (Decision::Command, _) => Self::Command,
            (Decision::Ignored, _) => Self::Ignored,
            (Decision::Dropped, _) => Self::Dropped,
        }
    }
}

/// What became of the messages of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MessageAccount {
    /// How many messages were accepted.
    pub accepted: u64,
    /// How many of them have ended in every routing.
    pub ended: u64,
    /// How many of them have not.
    pub open: u64,
    /// The routings by state and rule; a message with several is in several.
    pub routings: Vec<Count<MessageState>>,
    /// What is open, the oldest message first; at most [`MAX_NAMED`].
    pub open_rows: Vec<OpenMessage>,
}

/// A message that something must still happen to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OpenMessage {
    /// The message.
    pub seq: Seq,
    /// Where it was written.
    pub chat: ChatId,
    /// What it waits for.
    pub state: MessageState,
    /// Since when.
    pub since: Timestamp,
    /// The agent group that has it.
    pub group: Option<GroupId>,
    /// The session that has it.
    pub session_id: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The approval that it waits for.
    pub approval_id: Option<String>,
    /// When an agent took it.
    pub given_at: Option<Timestamp>,
    /// How often it was tried in vain.
    pub attempts: u32,
}

/// A message with its routings, as the pages give it.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) seq: Seq,
    chat: ChatId,
    received_at: Timestamp,
    /// How far routing had come when the page was read.
    pub(super) routed_seq: Seq,
    pub(super) routings: Vec<Routed>,
}

/// One routing of a message.
#[derive(Debug)]
pub(super) struct Routed {
    pub(super) id: RoutingId,
    pub(super) group: Option<GroupId>,
    pub(super) session_id: Option<String>,
    pub(super) session_status: Option<SessionStatus>,
    pub(super) decision: Decision,
    pub(super) rule: String,
    pub(super) decided_at: Timestamp,
    pub(super) placed_at: Option<Timestamp>,
    pub(super) approval_id: Option<String>,
    pub(super) given_at: Option<Timestamp>,
    pub(super) attempts: u32,
    pub(super) outcome: Option<RoutingOutcome>,
    pub(super) outcome_at: Option<Timestamp>,
    pub(super) answer: Linked,
    pub(super) notice: Linked,
}

/// A delivery that a routing names.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) id: Option<String>,
    pub(super) is_there: bool,
}

impl Routed {
    fn state(&self) -> MessageState {
        MessageState::of(self.decision, self.outcome)
    }
}

/// Calls `visit` with every message of the span, in the order in which they were received.
pub(super) fn walk(store: &Store, span: Span, page: u32, visit: &mut dyn FnMut(&Walked)) -> Result<(), StoreError> {
    // No seq is below 1, so the first page begins with the first message of `since`.
    let mut after = (span.since, Seq(i64::MIN));
    loop {
        let messages = store.read(|conn| read_page(conn, span, after, page))?;
        messages.iter().for_each(&mut *visit);
        match messages.last() {
            Some(last) if messages.len() == page as usize => after = (last.received_at, last.seq),
            _ => return Ok(()),
        }
    }
}

fn read_page(conn: &Connection, span: Span, after: (Timestamp, Seq), page: u32) -> Result<Vec<Walked>, StoreError> {
    let how_far = "SELECT CAST(value AS INTEGER) FROM router_state WHERE key = 'routed_seq'";
    let routed_seq = Seq(conn.prepare_cached(how_far)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0));
    let mut statement = conn.prepare_cached(PAGE_OF_MESSAGES)?;
    let mut rows = statement.query(params![after.0.0, span.until.0, after.1.0, page])?;
    let mut messages: Vec<Walked> = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = Seq(row.get("seq")?);
        if messages.last().is_none_or(|last| last.seq != seq) {
            let (chat, received_at) = (ChatId(row.get("messaging_group_id")?), time(row, "received_at")?);
            messages.push(Walked { seq, chat, received_at, routed_seq, routings: Vec::new() });
        }
        if let (Some(message), Some(routed)) = (messages.last_mut(), routed(row)?) {
            message.routings.push(routed);
        }
    }
    Ok(messages)
}

/// The routing of a row, or `None` where the message has none.
fn routed(row: &Row<'_>) -> rusqlite::Result<Option<Routed>> {
    let Some(id) = row.get::<_, Option<i64>>("id")? else { return Ok(None) };
    Ok(Some(Routed {
        id: RoutingId(id),
        group: row.get::<_, Option<i64>>("agent_group_id")?.map(GroupId),
        session_id: row.get("session_id")?,
        session_status: maybe_word(row, "session_status")?,
        decision: word(row, "decision")?,
        rule: row.get("rule")?,
        decided_at: time(row, "decided_at")?,
        placed_at: maybe_time(row, "placed_at")?,
        approval_id: row.get("approval_id")?,
        given_at: maybe_time(row, "given_at")?,
        attempts: row.get("attempts")?,
        outcome: maybe_word(row, "outcome")?,
        outcome_at: maybe_time(row, "outcome_at")?,
        answer: Linked { id: row.get("answer_delivery_id")?, is_there: row.get("answer_is_there")? },
        notice: Linked { id: row.get("notice_delivery_id")?, is_there: row.get("notice_is_there")? },
    }))
}

/// Adds messages up.
#[derive(Debug, Default)]
pub(super) struct Tally {
    account: MessageAccount,
    counts: Counts<MessageState>,
}

impl Tally {
    pub(super) fn add(&mut self, message: &Walked) {
        self.account.accepted += 1;
        let mut is_open = message.routings.is_empty();
        if is_open {
            self.add_open(OpenMessage::not_routed(message));
            self.counts.add(MessageState::NotRouted, None, Some(message.received_at));
        }
        for routed in &message.routings {
            let state = routed.state();
            if state.is_open() {
                is_open = true;
                self.add_open(OpenMessage::routed(message, routed));
            }
            self.counts.add(state, Some(&routed.rule), state.is_open().then_some(routed.decided_at));
        }
        let side = if is_open { &mut self.account.open } else { &mut self.account.ended };
        *side += 1;
    }

    fn add_open(&mut self, open: OpenMessage) {
        if self.account.open_rows.len() < MAX_NAMED {
            self.account.open_rows.push(open);
        }
    }

    pub(super) fn account(self) -> MessageAccount {
        MessageAccount { routings: self.counts.into_counts(), ..self.account }
    }
}

impl OpenMessage {
    fn not_routed(message: &Walked) -> Self {
        Self {
            seq: message.seq,
            chat: message.chat,
            state: MessageState::NotRouted,
            since: message.received_at,
            group: None,
            session_id: None,
            rule: None,
            approval_id: None,
            given_at: None,
            attempts: 0,
        }
    }

    fn routed(message: &Walked, routed: &Routed) -> Self {
        Self {
            state: routed.state(),
            since: routed.decided_at,
            group: routed.group,
            session_id: routed.session_id.clone(),
            rule: Some(routed.rule.clone()),
            approval_id: routed.approval_id.clone(),
            given_at: routed.given_at,
            attempts: routed.attempts,
            ..Self::not_routed(message)
        }
    }
}
