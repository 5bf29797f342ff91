//! Where the account does not balance.

use std::fmt;
use std::time::Duration;

use nc_model::{Decision, RoutingOutcome, SendStatus, Timestamp};

use super::{MAX_NAMED, deliveries, messages};

/// After this long something that the router does at once is missing. A guess, well above a slow start.
const PLACED_WITHIN: Duration = Duration::from_secs(300);

/// A row that contradicts the promise that every message and delivery ends in exactly one visible way.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Imbalance {
    /// The table.
    pub table: &'static str,
    /// The row's key, as text.
    pub row: String,
    /// What is wrong with it.
    pub fault: &'static str,
    /// What else one needs to know to find it.
    pub detail: String,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table, self.row, self.fault)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

/// Collects what is wrong.
#[derive(Debug)]
pub(super) struct Check {
    now: Timestamp,
    found: Vec<Imbalance>,
}

/// What is wrong with a routing by itself.
type RoutingRule = (&'static str, fn(&messages::Routed, Timestamp) -> bool);

/// Each fault of a single routing. The schema's own checks are here too: a file may have been edited by hand.
const ROUTING_FAULTS: &[RoutingRule] = &[
    ("it has an outcome and no time of it, or a time and no outcome", |r, _| {
        r.outcome.is_some() != r.outcome_at.is_some()
    }),
    ("it has an outcome, and its decision is not work", |r, _| {
        r.outcome.is_some() && !matches!(r.decision, Decision::Work | Decision::Command | Decision::Held)
    }),
    ("it is an agent's, and the decision is that nobody takes the message", |r, _| r.group.is_some() && is_nobodys(r)),
    ("it is nobody's, and the decision needs an agent", |r, _| r.group.is_none() && !is_nobodys(r)),
    ("it failed, and nobody was told", |r, _| {
        r.outcome == Some(RoutingOutcome::Failed) && !(r.notice.id.is_some() && r.notice.is_there)
    }),
    ("it was answered, and no delivery says how", |r, _| {
        r.outcome == Some(RoutingOutcome::Answered) && r.answer.id.is_none()
    }),
    ("it names an answer that is not there", |r, _| r.answer.id.is_some() && !r.answer.is_there),
    ("it names a notice that is not there", |r, _| r.notice.id.is_some() && !r.notice.is_there),
    ("it was taken by an agent and never placed", |r, _| r.given_at.is_some() && r.placed_at.is_none()),
    ("it was decided long ago and is not placed", |r, now| {
        let waits =
            matches!(r.decision, Decision::Work | Decision::Context) && r.placed_at.is_none() && r.outcome.is_none();
        waits && u128::from(now.ms_since(r.decided_at)) > PLACED_WITHIN.as_millis()
    }),
    ("it is open in a session that is gone", |r, _| {
        r.decision == Decision::Work && r.outcome.is_none() && r.session_status.is_none()
    }),
    ("it waits for an approval, and names none", |r, _| r.decision == Decision::Held && r.approval_id.is_none()),
    ("it is a command that nobody answered", |r, _| r.decision == Decision::Command && r.outcome.is_none()),
];

fn is_nobodys(routed: &messages::Routed) -> bool {
    matches!(routed.decision, Decision::Ignored | Decision::Dropped)
}

impl Check {
    pub(super) fn at(now: Timestamp) -> Self {
        Self { now, found: Vec::new() }
    }

    pub(super) fn found(self) -> Vec<Imbalance> {
        self.found
    }

    fn add(&mut self, table: &'static str, row: impl fmt::Display, fault: &'static str, detail: String) {
        if self.found.len() < MAX_NAMED {
            self.found.push(Imbalance { table, row: row.to_string(), fault, detail });
        }
    }

    pub(super) fn message(&mut self, message: &messages::Walked) {
        let nobodys = message.routings.iter().filter(|r| r.group.is_none()).count();
        let routed_seq = format!("routed_seq is {}", message.routed_seq);
        let was_routed = message.seq <= message.routed_seq;
        if was_routed && message.routings.is_empty() {
            self.add("messages", message.seq, "it was routed, and no routing says how", routed_seq.clone());
        }
        if !was_routed && !message.routings.is_empty() {
            self.add("messages", message.seq, "it has a routing, and routing has not come to it", routed_seq);
        }
        if nobodys > 1 {
            self.add(
                "messages",
                message.seq,
                "nobody took it more than once",
                format!("{nobodys} routings of no group"),
            );
        }
        if nobodys > 0 && nobodys < message.routings.len() {
            self.add("messages", message.seq, "an agent took it, and nobody took it", String::new());
        }
        for routed in &message.routings {
            self.routing(message, routed);
        }
    }

    fn routing(&mut self, message: &messages::Walked, routed: &messages::Routed) {
        for (fault, applies) in ROUTING_FAULTS {
            if applies(routed, self.now) {
                let session = routed.session_id.as_deref().unwrap_or("none");
                let detail =
                    format!("message {}, {} by {:?}, session {session}", message.seq, routed.decision, routed.rule);
                self.add("routings", routed.id, fault, detail);
            }
        }
    }

    pub(super) fn delivery(&mut self, delivery: &deliveries::Walked) {
        let detail = || {
            let session = delivery.session_id.as_deref().unwrap_or("none");
            format!("session {session}, source {:?}, channel {:?}", delivery.source_id, delivery.channel)
        };
        if delivery.parts.is_empty() {
            self.add("deliveries", &delivery.id, "it has no row in sends, so nobody sends it", detail());
        }
        let is_gapless = delivery.parts.iter().zip(0..).all(|(part, n)| part.number == n);
        if !is_gapless {
            self.add("deliveries", &delivery.id, "a part of it is missing", detail());
        }
        for part in &delivery.parts {
            let key = format!("{}/{}", delivery.id, part.number);
            if part.strays {
                self.add("sends", &key, "its channel or chat is not its delivery's", detail());
            }
            if part.status == SendStatus::Sent && part.times_sent > 1 {
                self.add("sends", &key, "it was sent more than once", detail());
            }
        }
    }
}
