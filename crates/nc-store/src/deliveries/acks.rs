//! What agents say of what they were given: taken, done, failed.

use nc_model::{ChatId, Decision, GroupId, RoutingId, RoutingOutcome, Seq, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{NewDelivery, OutboundLook, TakenIn, count};
use crate::notices::deliver_text;
use crate::row::{maybe_time, maybe_word, word};
use crate::{EndedMessage, StoreError};

/// What a person is told whose message an agent gave up without a word.
const GIVEN_UP: &str = "I could not deal with your message, and I do not know why. Please try again.";

/// What an agent says of something that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentAck {
    /// The id of the row in its mailbox.
    pub id: String,
    /// What it says.
    pub word: AckWord,
}

/// How far an agent is with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckWord {
    /// It has begun.
    Taken,
    /// It had begun before it wrote what comes now, and its end comes in a later look.
    Ending,
    /// It is done.
    Done,
    /// It gave up.
    Failed,
}

pub(super) const ROUTING: &str = "SELECT r.id, r.message_seq, r.decision, r.outcome, r.given_at, r.run_id, m.messaging_group_id, m.thread_id, \
                                  c.channel FROM routings r JOIN messages m ON m.seq = r.message_seq \
                                  JOIN messaging_groups c ON c.id = m.messaging_group_id \
                                  WHERE r.message_seq = ?1 AND ifnull(r.agent_group_id, 0) = ?2 AND r.session_id = ?3";
pub(super) const GIVE: &str = "UPDATE routings SET given_at = ifnull(given_at, ?2), run_id = ?3 WHERE id = ?1";
// What answers this very message comes first, then what was sent first.
pub(super) const ANSWER: &str = "SELECT id FROM deliveries WHERE session_id = ?1 AND messaging_group_id = ?2 \
                                 AND created_at >= ?3 AND kind <> 'typing' \
                                 ORDER BY in_reply_to IS NOT ?4, created_at, id LIMIT 1";
pub(super) const END: &str = "UPDATE routings SET outcome = ?2, outcome_at = ?3, answer_delivery_id = ?4, \
                              notice_delivery_id = ?5, next_attempt_at = NULL \
                              WHERE id = ?1 AND (outcome IS NULL OR (outcome = 'no_reply' AND ?2 = 'answered'))";
pub(super) const GIVE_INBOX: &str =
    "UPDATE session_inbox SET given_at = ?3 WHERE id = ?1 AND session_id = ?2 AND given_at IS NULL";
pub(super) const END_INBOX: &str = "UPDATE session_inbox SET given_at = ifnull(given_at, ?3), ended_at = ?3 \
                                    WHERE id = ?1 AND session_id = ?2 AND ended_at IS NULL";

/// A decision that an agent speaks of.
struct Routing {
    id: RoutingId,
    seq: Seq,
    decision: Decision,
    outcome: Option<RoutingOutcome>,
    given_at: Option<Timestamp>,
    run: Option<String>,
    chat: ChatId,
    thread: Option<String>,
    channel: String,
}

/// How a message ends.
struct Ending {
    outcome: RoutingOutcome,
    answer: Option<String>,
    notice: Option<String>,
}

/// Says of what ends in this look, and was never said to have begun, that it begins before anything is sent.
pub(super) fn begin_what_ends(
    tx: &Transaction<'_>,
    look: &OutboundLook,
    at: Timestamp,
    taken: &mut TakenIn,
) -> Result<(), StoreError> {
    for ack in look.acks.iter().filter(|ack| ack.word != AckWord::Taken) {
        give(tx, look, &ack.id, at, taken)?;
    }
    Ok(())
}

/// Says of what begins in this look that it has begun.
pub(super) fn begin(
    tx: &Transaction<'_>,
    look: &OutboundLook,
    at: Timestamp,
    taken: &mut TakenIn,
) -> Result<(), StoreError> {
    for ack in look.acks.iter().filter(|ack| ack.word == AckWord::Taken) {
        give(tx, look, &ack.id, at, taken)?;
    }
    Ok(())
}

fn give(
    tx: &Transaction<'_>,
    look: &OutboundLook,
    id: &str,
    at: Timestamp,
    taken: &mut TakenIn,
) -> Result<(), StoreError> {
    let Some(key) = message_of(id, look.group) else {
        tx.prepare_cached(GIVE_INBOX)?.execute(params![id, look.session, at.0])?;
        return Ok(());
    };
    let Some(routing) = routing(tx, look, key)? else { return Ok(()) };
    let is_news = routing.given_at.is_none() || routing.run.as_deref() != Some(&look.run);
    if is_news && routing.outcome.is_none() {
        tx.prepare_cached(GIVE)?.execute(params![routing.id.0, at.0, look.run])?;
        taken.begun.insert(routing.channel);
    }
    Ok(())
}

/// Ends what the agent is done with or gave up.
pub(super) fn end(
    tx: &Transaction<'_>,
    look: &OutboundLook,
    at: Timestamp,
    taken: &mut TakenIn,
) -> Result<(), StoreError> {
    for ack in look.acks.iter().filter(|ack| matches!(ack.word, AckWord::Done | AckWord::Failed)) {
        match message_of(&ack.id, look.group) {
            Some(key) => end_message(tx, look, key, ack, at, taken)?,
            None => end_inbox(tx, look, &ack.id, at, taken)?,
        }
    }
    Ok(())
}

fn end_inbox(
    tx: &Transaction<'_>,
    look: &OutboundLook,
    id: &str,
    at: Timestamp,
    taken: &mut TakenIn,
) -> Result<(), StoreError> {
    let ended = tx.prepare_cached(END_INBOX)?.execute(params![id, look.session, at.0])?;
    taken.ended += count(ended);
    taken.router |= ended > 0;
    Ok(())
}

fn end_message(
    tx: &Transaction<'_>,
    look: &OutboundLook,
    key: Seq,
    ack: &AgentAck,
    at: Timestamp,
    taken: &mut TakenIn,
) -> Result<(), StoreError> {
    let Some(routing) = routing(tx, look, key)? else { return Ok(()) };
    if routing.decision != Decision::Work || routing.outcome.is_some() {
        return Ok(());
    }
    let since = routing.given_at.unwrap_or(at);
    let said = answer(tx, look, &routing, since, &ack.id)?;
    let ending = match (ack.word, said) {
        // Its own words are the notice.
        (AckWord::Failed, Some(said)) => Ending { outcome: RoutingOutcome::Failed, answer: None, notice: Some(said) },
        (AckWord::Failed, None) => {
            Ending { outcome: RoutingOutcome::Failed, answer: None, notice: notice(tx, &routing)? }
        }
        (_, Some(said)) => Ending { outcome: RoutingOutcome::Answered, answer: Some(said), notice: None },
        (_, None) => Ending { outcome: RoutingOutcome::NoReply, answer: None, notice: None },
    };
    finish(tx, routing, &ending, at, taken)
}

/// Ends what a delivery of this look answers by its id, where the agent never says a word of what it was given: such
/// containers exist, and others say first that they are done and answer then.
pub(super) fn end_by_answer(
    tx: &Transaction<'_>,
    look: &OutboundLook,
    sent: &[&NewDelivery],
    at: Timestamp,
    taken: &mut TakenIn,
) -> Result<(), StoreError> {
    for delivery in sent {
        let Some(id) = delivery.in_reply_to.as_deref() else { continue };
        let Some(key) = message_of(id, look.group) else { continue };
        let Some(routing) = routing(tx, look, key)? else { continue };
        let silent = routing.outcome.is_none() && routing.given_at.is_none();
        let late = routing.outcome == Some(RoutingOutcome::NoReply);
        if routing.decision != Decision::Work || routing.chat != delivery.chat || !(silent || late) {
            continue;
        }
        if silent {
            tx.prepare_cached(GIVE)?.execute(params![routing.id.0, at.0, look.run])?;
        }
        let said = answer(tx, look, &routing, routing.given_at.unwrap_or(at), id)?;
        finish(tx, routing, &Ending { outcome: RoutingOutcome::Answered, answer: said, notice: None }, at, taken)?;
    }
    Ok(())
}

fn finish(
    tx: &Transaction<'_>,
    routing: Routing,
    ending: &Ending,
    at: Timestamp,
    taken: &mut TakenIn,
) -> Result<(), StoreError> {
    let Ending { outcome, answer, notice } = ending;
    let ended = tx.prepare_cached(END)?.execute(params![routing.id.0, outcome.as_str(), at.0, answer, notice])?;
    if ended > 0 {
        taken.ended += 1;
        taken.router = true;
        let delivery = answer.clone().or_else(|| notice.clone());
        taken.messages.push(EndedMessage { seq: routing.seq, outcome: *outcome, delivery });
        taken.channels.insert(routing.channel);
    }
    Ok(())
}

/// What the agent sent to the chat of a message since `since`.
fn answer(
    tx: &Transaction<'_>,
    look: &OutboundLook,
    routing: &Routing,
    since: Timestamp,
    id: &str,
) -> Result<Option<String>, StoreError> {
    let key = params![look.session, routing.chat.0, since.0, id];
    Ok(tx.prepare_cached(ANSWER)?.query_row(key, |row| row.get(0)).optional()?)
}

fn notice(tx: &Transaction<'_>, routing: &Routing) -> Result<Option<String>, StoreError> {
    let source = format!("gave-up:{}", routing.id);
    deliver_text(tx, &source, routing.chat, routing.thread.as_deref(), GIVEN_UP)
}

/// The message of a mailbox row's id; none for a row that is no message of `group`'s.
fn message_of(id: &str, group: GroupId) -> Option<Seq> {
    let (seq, of) = id.split_once(':')?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    (number(of)? == group.0).then_some(Seq(number(seq)?))
}

fn routing(tx: &Transaction<'_>, look: &OutboundLook, key: Seq) -> Result<Option<Routing>, StoreError> {
    let key = params![key.0, look.group.0, look.session];
    Ok(tx.prepare_cached(ROUTING)?.query_row(key, read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Routing> {
    Ok(Routing {
        id: RoutingId(row.get("id")?),
        seq: Seq(row.get("message_seq")?),
        decision: word(row, "decision")?,
        outcome: maybe_word(row, "outcome")?,
        given_at: maybe_time(row, "given_at")?,
        run: row.get("run_id")?,
        chat: ChatId(row.get("messaging_group_id")?),
        thread: row.get("thread_id")?,
        channel: row.get("channel")?,
    })
}
