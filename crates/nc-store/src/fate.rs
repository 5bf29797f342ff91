//! What became of one message, for whoever waits for the answer to it.

use nc_model::{ChatId, Decision, RoutingOutcome, SendStatus, Seq, Timestamp};
use rusqlite::{Row, params};

use crate::row::{maybe_time, maybe_word, time, word};
use crate::{Leased, Store, StoreError};

const ROUTED: &str = "SELECT CAST(value AS INTEGER) FROM router_state WHERE key = 'routed_seq'";

const ROUTINGS: &str =
    "SELECT agent_group_id, decision, rule, session_id, given_at, outcome, outcome_at, answer_delivery_id,
           notice_delivery_id FROM routings WHERE message_seq = ?1 ORDER BY id";

const SINCE: &str =
    "SELECT d.id, d.session_id, d.source_id, d.in_reply_to, d.thread_id, d.kind, d.content, d.created_at,
           d.channel, d.messaging_group_id, s.part, s.status, s.attempts
      FROM deliveries d JOIN sends s ON s.delivery_id = d.id AND s.part = 0
     WHERE d.messaging_group_id = ?1 AND d.created_at >= ?2 ORDER BY d.created_at, d.id";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("fate: how far routing came", ROUTED),
    ("fate: routings of a message", ROUTINGS),
    ("fate: deliveries of a chat", SINCE),
];

/// What was decided on a message for one agent, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFate {
    /// The agent group; none where nobody took the message.
    pub group: Option<i64>,
    /// What was decided.
    pub decision: Decision,
    /// By which rule.
    pub rule: String,
    /// In which session.
    pub session_id: Option<String>,
    /// When an agent took it.
    pub given_at: Option<Timestamp>,
    /// How work ended; none while it has not.
    pub outcome: Option<RoutingOutcome>,
    /// When work ended.
    pub outcome_at: Option<Timestamp>,
    /// What the agent sent.
    pub answer_delivery_id: Option<String>,
    /// What the router sent in its place.
    pub notice_delivery_id: Option<String>,
}

/// What became of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Whether the router has decided on it.
    pub routed: bool,
    /// What it decided, for each agent.
    pub agents: Vec<AgentFate>,
}

impl Fate {
    /// Whether nothing more is to come of it: it was decided on, and all work that it made has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        let open = |a: &AgentFate| match a.decision {
            Decision::Work => a.outcome.is_none(),
            Decision::Held => true,
            _ => false,
        };
        self.routed && !self.agents.iter().any(open)
    }
}

impl Store {
    /// What became of the message `seq`. A message that is not there is one that is not routed.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be read.
    pub fn fate(&self, seq: Seq) -> Result<Fate, StoreError> {
        let conn = self.conn();
        let routed: i64 = conn.prepare_cached(ROUTED)?.query_row([], |row| row.get(0))?;
        let mut query = conn.prepare_cached(ROUTINGS)?;
        let agents = query.query_map([seq.0], agent_fate)?.collect::<Result<Vec<_>, _>>()?;
        Ok(Fate { routed: !agents.is_empty() || routed >= seq.0, agents })
    }

    /// What was to be sent to a chat since `since`, in that order, with the state of its first part.
    ///
    /// # Errors
    /// [`StoreError`] where the store could not be read.
    pub fn deliveries_of_chat(&self, chat: ChatId, since: Timestamp) -> Result<Vec<(Leased, SendStatus)>, StoreError> {
        let mut query = self.conn().prepare_cached(SINCE)?;
        let rows = query.query_map(params![chat.0, since.0], delivery)?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    }
}

fn agent_fate(row: &Row<'_>) -> rusqlite::Result<AgentFate> {
    Ok(AgentFate {
        group: row.get("agent_group_id")?,
        decision: word(row, "decision")?,
        rule: row.get("rule")?,
        session_id: row.get("session_id")?,
        given_at: maybe_time(row, "given_at")?,
        outcome: maybe_word(row, "outcome")?,
        outcome_at: maybe_time(row, "outcome_at")?,
        answer_delivery_id: row.get("answer_delivery_id")?,
        notice_delivery_id: row.get("notice_delivery_id")?,
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<(Leased, SendStatus)> {
    let leased = Leased {
        delivery_id: row.get("id")?,
        part: row.get("part")?,
        channel: row.get("channel")?,
        chat: ChatId(row.get("messaging_group_id")?),
        thread_id: row.get("thread_id")?,
        session_id: row.get("session_id")?,
        source_id: row.get("source_id")?,
        in_reply_to: row.get("in_reply_to")?,
        kind: word(row, "kind")?,
        content: row.get("content")?,
        attempts: row.get("attempts")?,
        created_at: time(row, "created_at")?,
        lease_until: Timestamp(0),
    };
    Ok((leased, word(row, "status")?))
}
