//! What agents want sent, and what they say of what they were given.
//!
//! nc-ipcd looks at a session's `outbound.db`, checks each row, and hands the whole look to [`Store::take_in`]: one
//! transaction, and the same look again changes nothing. What an agent wrote is known by the id of its row: it is a
//! delivery, or a refusal that stands in `session_inbox`.

mod acks;
mod aside;
mod refusals;

use std::collections::BTreeSet;

use nc_model::{ChatId, DeliveryKind, GroupId, Timestamp};
use rusqlite::{Transaction, named_params, params};

use crate::{EndedMessage, Store, StoreError, new_id, now};

pub use self::acks::{AckWord, AgentAck};
pub use self::refusals::{Refusal, Told};

/// What one look at the `outbound.db` of a session brought, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundLook {
    /// The session.
    pub session: String,
    /// Its group.
    pub group: GroupId,
    /// The run whose agent wrote it.
    pub run: String,
    /// What the agent says of what it was given.
    pub acks: Vec<AgentAck>,
    /// What it wrote, in its order.
    pub rows: Vec<Spoken>,
    /// The highest number among the rows, 0 where there is none.
    pub highest_seq: i64,
}

/// One row of an agent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// It is to be sent.
    Send(NewDelivery),
    /// It is not.
    Refuse(Refusal),
}

/// Something that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id, where files lie under it already. Otherwise it gets one.
    pub id: Option<String>,
    /// The id of the agent's row.
    pub source_id: String,
    /// The number by which the agent knows it.
    pub source_seq: i64,
    /// The row of its mailbox that it answers.
    pub in_reply_to: Option<String>,
    /// Where it goes.
    pub chat: ChatId,
    /// The chat's channel.
    pub channel: String,
    /// The thread.
    pub thread: Option<String>,
    /// What it is.
    pub kind: DeliveryKind,
    /// What it says, JSON.
    pub content: String,
    /// Not before this time.
    pub not_before: Option<Timestamp>,
}

/// What a look changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenIn {
    /// The channels that have something to send, or somebody who waits for the end of a message.
    pub channels: BTreeSet<String>,
    /// The channels of messages that an agent has begun with.
    pub begun: BTreeSet<String>,
    /// Whether the router has something to do.
    pub router: bool,
    /// How many rows are to be sent that were not before.
    pub deliveries: u32,
    /// How many rows were refused that were not before.
    pub refusals: u32,
    /// How many messages and rows of the inbox ended.
    pub ended: u32,
    /// The messages among them.
    pub messages: Vec<EndedMessage>,
}

const INSERT: &str = "INSERT OR IGNORE INTO deliveries (id, session_id, source_id, source_seq, in_reply_to, channel, \
                      messaging_group_id, thread_id, kind, content, not_before, created_at) VALUES (:id, :session, :source, \
                      :seq, :reply, :channel, :chat, :thread, :kind, :content, :not_before, :at)";
const QUEUE: &str = "INSERT INTO sends (delivery_id, channel, messaging_group_id, status_at) VALUES (?1, ?2, ?3, ?4)";
const SEEN: &str = "UPDATE sessions SET outbound_seen = ?2 WHERE id = ?1 AND outbound_seen < ?2";
const ACTIVE: &str = "UPDATE sessions SET last_active_at = ?2 WHERE id = ?1";
// The latest time that the open messages of a session have seen: when one was given, or something was sent to its chat.
const LAST_SEEN: &str = "SELECT max(max(ifnull(r.given_at, 0), ifnull((SELECT max(d.created_at) + 1 FROM deliveries d \
                         WHERE d.messaging_group_id = m.messaging_group_id), 0))) \
                         FROM routings r JOIN messages m ON m.seq = r.message_seq \
                         WHERE r.session_id = ?1 AND r.decision = 'work' AND r.outcome IS NULL";
const KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE ifnull(session_id, '') = ?1 AND source_id = ?2) \
                     OR EXISTS (SELECT 1 FROM session_inbox WHERE session_id = ?1 AND source = 'refused:' || ?2)";

const STANDS: &str = "SELECT count(*), count(*) FILTER (WHERE status IN ('queued', 'leased', 'sending', 'retry')) \
                      FROM sends WHERE delivery_id = ?1";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("deliveries: whether a row is known", KNOWN),
    ("deliveries: last seen", LAST_SEEN),
    ("deliveries: whether one has ended", STANDS),
    ("deliveries: highest number", SEEN),
    ("deliveries: routing of an ack", acks::ROUTING),
    ("deliveries: answer to a message", acks::ANSWER),
    ("deliveries: begun", acks::GIVE),
    ("deliveries: ended", acks::END),
    ("deliveries: inbox begun", acks::GIVE_INBOX),
    ("deliveries: inbox ended", acks::END_INBOX),
    ("deliveries: refusals that wake", refusals::WAKING),
    ("deliveries: newest message given", refusals::NEWEST_GIVEN),
];

impl Store {
    /// Whether the agent's row `id` was taken or refused before.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn knows_outbound_row(&self, session: &str, id: &str) -> Result<bool, StoreError> {
        Ok(self.conn().prepare_cached(KNOWN)?.query_row([session, id], |row| row.get(0))?)
    }

    /// Whether nothing more is to be done for a delivery; none where there is no such delivery.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn has_delivery_ended(&self, delivery: &str) -> Result<Option<bool>, StoreError> {
        let (parts, open): (i64, i64) =
            self.conn().prepare_cached(STANDS)?.query_row([delivery], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((parts > 0).then_some(open == 0))
    }

    /// Takes in a look at a mailbox, in one transaction. Ring the channels and the router that it names afterwards.
    ///
    /// A message is answered where the agent sent anything to its chat between taking it and ending it. What a look
    /// brings at once has no order but this: what ends in it ends after what is sent in it, and what begins in it begins
    /// after that.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written; then nothing is changed.
    pub fn take_in(&mut self, look: &OutboundLook) -> Result<TakenIn, StoreError> {
        self.write("take_in", |tx| {
            let mut taken = TakenIn::default();
            let at = time_of(tx, &look.session)?;
            acks::begin_what_ends(tx, look, at, &mut taken)?;
            let (mut sent, mut refused) = (Vec::new(), Vec::new());
            for row in &look.rows {
                match row {
                    Spoken::Send(delivery) => {
                        if insert(tx, &look.session, delivery, at)? {
                            sent.push(delivery);
                        }
                    }
                    Spoken::Refuse(refusal) => refused.push(refusal),
                }
            }
            taken.channels.extend(sent.iter().map(|delivery| delivery.channel.clone()));
            taken.deliveries = count(sent.len());
            acks::end(tx, look, at, &mut taken)?;
            acks::begin(tx, look, if sent.is_empty() { at } else { at.plus_ms(1) }, &mut taken)?;
            acks::end_by_answer(tx, look, &sent, at, &mut taken)?;
            refusals::record(tx, &look.session, &refused, at, &mut taken)?;
            tx.prepare_cached(SEEN)?.execute((&look.session, look.highest_seq))?;
            if taken.deliveries > 0 {
                tx.prepare_cached(ACTIVE)?.execute((&look.session, at.0))?;
            }
            Ok(taken)
        })
    }
}

/// The time of a look: now, but not before anything open was given, and after all that was sent to its chat before, whatever
/// the clock does: what was sent before a clock was set back would else answer what is given after it.
fn time_of(tx: &Transaction<'_>, session: &str) -> Result<Timestamp, StoreError> {
    let seen: Option<i64> = tx.prepare_cached(LAST_SEEN)?.query_row([session], |row| row.get(0))?;
    Ok(now().max(Timestamp(seen.unwrap_or(i64::MIN))))
}

/// Makes a delivery, queued for its channel; false where its row has one already.
fn insert(tx: &Transaction<'_>, session: &str, delivery: &NewDelivery, at: Timestamp) -> Result<bool, StoreError> {
    let id = delivery.id.clone().unwrap_or_else(new_id);
    let made = tx.prepare_cached(INSERT)?.execute(named_params! {
        ":id": id, ":session": session, ":source": delivery.source_id, ":seq": delivery.source_seq,
        ":reply": delivery.in_reply_to, ":channel": delivery.channel, ":chat": delivery.chat.0,
        ":thread": delivery.thread, ":kind": delivery.kind.as_str(), ":content": delivery.content,
        ":not_before": delivery.not_before.map(|t| t.0), ":at": at.0,
    })?;
    if made > 0 {
        tx.prepare_cached(QUEUE)?.execute(params![id, delivery.channel, delivery.chat.0, at.0])?;
    }
    Ok(made > 0)
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}
