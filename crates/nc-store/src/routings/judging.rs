//! What becomes of the work that a run left undone.
//!
//! A run is judged once, after nc-ipcd has looked at its mailbox for the last time: an answer that still lay there would
//! be given twice otherwise. The rule is the router's; this module reads what it needs and writes down what it decided.

use std::collections::BTreeMap;

use nc_model::{ChatId, GroupId, InboxKind, RoutingId, RoutingOutcome, RunOutcome, Seq, Timestamp};
use rusqlite::{Row, Transaction};

use crate::by_hand::end_prompt;
use crate::notices::deliver_text;
use crate::row::{maybe_time, maybe_word, time, word};
use crate::{EndedMessage, Store, StoreError, new_id};

/// A run that has ended and was collected, and is not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnjudgedRun {
    /// The run.
    pub id: String,
    /// Its session.
    pub session: String,
    /// The agent group.
    pub group: GroupId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The failure, in words.
    pub error: Option<String>,
    /// Whether it was asked to leave.
    pub asked_to_leave: bool,
}

/// A message whose work is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWork {
    /// The decision.
    pub routing: RoutingId,
    /// The run that took it last.
    pub run: Option<String>,
    /// When it was put into the mailbox.
    pub placed_at: Option<Timestamp>,
    /// How often a run failed at it.
    pub attempts: u32,
    /// When it is to be tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// What the agent sent to the message's chat after it had taken the message.
    pub answer: Option<String>,
}

/// A row of a session's inbox whose work is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInbox {
    /// The row.
    pub id: String,
    /// What it is.
    pub kind: InboxKind,
    /// When it was put into the mailbox.
    pub placed_at: Option<Timestamp>,
    /// When an agent took it.
    pub given_at: Option<Timestamp>,
    /// When it is due.
    pub not_before: Option<Timestamp>,
    /// How many runs of the session have been judged since it was placed.
    pub runs: u32,
}

/// What a session has left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Messages, the oldest first.
    pub work: Vec<OpenWork>,
    /// Rows of the inbox that wake an agent, the oldest first.
    pub inbox: Vec<OpenInbox>,
}

/// What becomes of one open message or row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The agent had answered it.
    Answered {
        /// With this delivery; none for a row of the inbox.
        delivery: Option<String>,
    },
    /// It failed and is tried again.
    Again {
        /// The failures so far.
        attempts: u32,
        /// When.
        at: Timestamp,
    },
    /// It did not fail, and waits with what did.
    Wait {
        /// Until when.
        at: Timestamp,
    },
    /// It is given up, and the person is told.
    Failed,
}

/// The judgement on a session's open work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The session.
    pub session: String,
    /// The run that is judged; none where no run began at all.
    pub run: Option<String>,
    /// What becomes of messages; those not named stay as they are.
    pub work: Vec<(RoutingId, Judgement)>,
    /// What becomes of rows of the inbox; those not named stay as they are.
    pub inbox: Vec<(String, Judgement)>,
    /// What the person is told of what is given up.
    pub words: String,
    /// When.
    pub at: Timestamp,
}

/// What came of a settlement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The channels that have something new to send.
    pub channels: Vec<String>,
    /// How many messages and rows are given up.
    pub failed: u32,
    /// The messages that ended.
    pub messages: Vec<EndedMessage>,
}

/// What an agent can take from the inbox and finish; the other kinds are answers for a tool that waits.
macro_rules! wakes {
    () => {
        "i.trigger = 1 AND i.ended_at IS NULL AND i.kind IN ('task', 'notice', 'agent')"
    };
}

// `session_id > ''` makes SQLite search the partial index instead of reading the table.
pub(super) const UNJUDGED: &str = "SELECT r.id, r.session_id, s.agent_group_id, r.started_at, r.ended_at, r.outcome, r.error, \
                                   r.leave_at FROM runs r JOIN sessions s ON s.id = r.session_id \
                                   WHERE r.judged_at IS NULL AND r.session_id > '' AND r.collected_at IS NOT NULL \
                                   ORDER BY r.ended_at, r.id";
pub(super) const WORK: &str = "SELECT r.id, r.run_id, r.placed_at, r.attempts, r.next_attempt_at, \
        (SELECT d.id FROM deliveries d WHERE d.messaging_group_id = m.messaging_group_id AND d.created_at >= r.given_at \
            AND d.session_id = r.session_id AND d.kind <> 'typing' ORDER BY d.created_at LIMIT 1) AS answer \
     FROM routings r JOIN messages m ON m.seq = r.message_seq \
     WHERE r.session_id = ?1 AND r.decision = 'work' AND r.outcome IS NULL ORDER BY r.message_seq";
pub(super) const INBOX: &str = concat!(
    "SELECT i.id, i.kind, i.placed_at, i.given_at, i.not_before, (SELECT count(*) FROM runs n WHERE n.session_id = i.session_id \
     AND n.started_at >= i.placed_at AND n.judged_at IS NOT NULL) AS runs FROM session_inbox i WHERE i.session_id = ?1 AND ",
    wakes!(),
    " ORDER BY i.created_at"
);
pub(super) const TOOK: &str = "SELECT EXISTS (SELECT 1 FROM routings WHERE run_id = ?1) \
     OR EXISTS (SELECT 1 FROM session_inbox i WHERE i.session_id = ?2 AND i.given_at BETWEEN ?3 AND ?4)";
const JUDGED: &str = "UPDATE runs SET judged_at = ?2 WHERE id = ?1 AND judged_at IS NULL AND collected_at IS NOT NULL";
const ANSWERED: &str = "UPDATE routings SET outcome = 'answered', outcome_at = ?2, answer_delivery_id = ?3, \
                        next_attempt_at = NULL WHERE id = ?1 AND outcome IS NULL";
const AGAIN: &str = "UPDATE routings SET attempts = ?2, next_attempt_at = ?3, given_at = NULL, run_id = NULL \
                     WHERE id = ?1 AND outcome IS NULL";
const WAIT: &str =
    "UPDATE routings SET next_attempt_at = max(ifnull(next_attempt_at, 0), ?2) WHERE id = ?1 AND outcome IS NULL";
const FAILED: &str = "UPDATE routings SET outcome = 'failed', outcome_at = ?2, attempts = attempts + 1, next_attempt_at = NULL, \
                      notice_delivery_id = ?3 WHERE id = ?1 AND outcome IS NULL";
const MESSAGE: &str = "SELECT message_seq FROM routings WHERE id = ?1";
const CHAT_OF: &str = "SELECT m.messaging_group_id AS chat, c.channel, m.thread_id FROM routings r JOIN messages m ON m.seq = r.message_seq \
                       JOIN messaging_groups c ON c.id = m.messaging_group_id WHERE r.id = ?1 AND r.outcome IS NULL";
const CHAT_OF_SESSION: &str = "SELECT c.id AS chat, c.channel, s.thread_id FROM sessions s JOIN messaging_groups c ON c.id = s.messaging_group_id \
                               WHERE s.id = ?1";
const INBOX_AGAIN: &str = "UPDATE session_inbox SET not_before = max(ifnull(not_before, 0), ?2), given_at = NULL \
                           WHERE id = ?1 AND ended_at IS NULL";
const INBOX_LATER: &str =
    "UPDATE session_inbox SET not_before = max(ifnull(not_before, 0), ?2) WHERE id = ?1 AND ended_at IS NULL";
const INBOX_ENDED: &str = "UPDATE session_inbox SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL";

impl Store {
    /// The runs that have ended, were collected, and are not yet judged; the one that ended first first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn runs_to_judge(&self) -> Result<Vec<UnjudgedRun>, StoreError> {
        Ok(self.conn().prepare_cached(UNJUDGED)?.query_map([], unjudged)?.collect::<Result<_, _>>()?)
    }

    /// Whether the run took anything out of its mailbox.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn run_took_work(&self, run: &UnjudgedRun) -> Result<bool, StoreError> {
        let key = (&run.id, &run.session, run.started_at.0, run.ended_at.0);
        Ok(self.conn().prepare_cached(TOOK)?.query_row(key, |row| row.get(0))?)
    }

    /// What the session has left to do.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn undone(&self, session: &str) -> Result<Undone, StoreError> {
        self.read(|conn| {
            let work = conn.prepare_cached(WORK)?.query_map([session], open_work)?.collect::<Result<_, _>>()?;
            let inbox = conn.prepare_cached(INBOX)?.query_map([session], open_inbox)?.collect::<Result<_, _>>()?;
            Ok(Undone { work, inbox })
        })
    }

    /// Writes a judgement down, in one transaction with the notices of what is given up: one in each chat. A run that is
    /// judged already changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn settle(&mut self, settlement: &Settlement) -> Result<Settled, StoreError> {
        self.write("settle", |tx| {
            if let Some(run) = &settlement.run
                && tx.prepare_cached(JUDGED)?.execute((run, settlement.at.0))? == 0
            {
                return Ok(Settled::default());
            }
            if let Some(run) = &settlement.run {
                // Whoever asked for it by hand was told how it ended.
                end_prompt(tx, &settlement.session, run, settlement.at)?;
            }
            let mut notices = Notices::new(settlement);
            for (routing, fate) in &settlement.work {
                settle_work(tx, *routing, fate, &mut notices)?;
            }
            for (row, fate) in &settlement.inbox {
                settle_inbox(tx, row, fate, &mut notices)?;
            }
            Ok(notices.settled)
        })
    }
}

/// The notices of one settlement: one a chat, made when the first is needed.
struct Notices<'a> {
    settlement: &'a Settlement,
    key: String,
    made: BTreeMap<ChatId, Option<String>>,
    settled: Settled,
}

impl<'a> Notices<'a> {
    fn new(settlement: &'a Settlement) -> Self {
        let key = settlement.run.clone().unwrap_or_else(new_id);
        Self { settlement, key, made: BTreeMap::new(), settled: Settled::default() }
    }

    /// Tells a chat, in the thread of the first message that is given up there.
    fn tell(&mut self, tx: &Transaction<'_>, place: Place) -> Result<Option<String>, StoreError> {
        let Place { chat, channel, thread } = place;
        if let Some(made) = self.made.get(&chat) {
            return Ok(made.clone());
        }
        let source = format!("failed:{}:{chat}", self.key);
        let delivery = deliver_text(tx, &source, chat, thread.as_deref(), &self.settlement.words)?;
        self.made.insert(chat, delivery.clone());
        self.settled.channels.push(channel);
        Ok(delivery)
    }

    fn note(
        &mut self,
        tx: &Transaction<'_>,
        routing: RoutingId,
        outcome: RoutingOutcome,
        delivery: Option<String>,
    ) -> Result<(), StoreError> {
        let seq = Seq(tx.prepare_cached(MESSAGE)?.query_row([routing.0], |row| row.get(0))?);
        self.settled.messages.push(EndedMessage { seq, outcome, delivery });
        Ok(())
    }
}

fn settle_work(
    tx: &Transaction<'_>,
    routing: RoutingId,
    fate: &Judgement,
    notices: &mut Notices<'_>,
) -> Result<(), StoreError> {
    let now = notices.settlement.at.0;
    match fate {
        Judgement::Answered { delivery } => {
            let ended = tx.prepare_cached(ANSWERED)?.execute((routing.0, now, delivery))?;
            if ended > 0 {
                notices.note(tx, routing, RoutingOutcome::Answered, delivery.clone())?;
            }
            ended
        }
        Judgement::Again { attempts, at } => tx.prepare_cached(AGAIN)?.execute((routing.0, attempts, at.0))?,
        Judgement::Wait { at } => tx.prepare_cached(WAIT)?.execute((routing.0, at.0))?,
        Judgement::Failed => {
            let mut delivery = None;
            let place = tx.prepare_cached(CHAT_OF)?.query_map([routing.0], place)?.next().transpose()?;
            if let Some(place) = place {
                delivery = notices.tell(tx, place)?;
                notices.settled.failed += 1;
            }
            let ended = tx.prepare_cached(FAILED)?.execute((routing.0, now, &delivery))?;
            if ended > 0 {
                notices.note(tx, routing, RoutingOutcome::Failed, delivery)?;
            }
            ended
        }
    };
    Ok(())
}

fn settle_inbox(
    tx: &Transaction<'_>,
    row: &str,
    fate: &Judgement,
    notices: &mut Notices<'_>,
) -> Result<(), StoreError> {
    let now = notices.settlement.at.0;
    match fate {
        Judgement::Answered { .. } => tx.prepare_cached(INBOX_ENDED)?.execute((row, now))?,
        Judgement::Again { at, .. } => tx.prepare_cached(INBOX_AGAIN)?.execute((row, at.0))?,
        Judgement::Wait { at } => tx.prepare_cached(INBOX_LATER)?.execute((row, at.0))?,
        Judgement::Failed => {
            let session = &notices.settlement.session;
            let place = tx.prepare_cached(CHAT_OF_SESSION)?.query_map([session], place)?.next().transpose()?;
            if let Some(place) = place {
                notices.tell(tx, place)?;
            }
            notices.settled.failed += 1;
            tx.prepare_cached(INBOX_ENDED)?.execute((row, now))?
        }
    };
    Ok(())
}

/// Where a person is told.
struct Place {
    chat: ChatId,
    channel: String,
    thread: Option<String>,
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { chat: ChatId(row.get("chat")?), channel: row.get("channel")?, thread: row.get("thread_id")? })
}

fn unjudged(row: &Row<'_>) -> rusqlite::Result<UnjudgedRun> {
    Ok(UnjudgedRun {
        id: row.get("id")?,
        session: row.get("session_id")?,
        group: GroupId(row.get("agent_group_id")?),
        started_at: time(row, "started_at")?,
        ended_at: time(row, "ended_at")?,
        // The table holds that what has ended has an outcome.
        outcome: maybe_word(row, "outcome")?.unwrap_or(RunOutcome::Lost),
        error: row.get("error")?,
        asked_to_leave: maybe_time(row, "leave_at")?.is_some(),
    })
}

fn open_work(row: &Row<'_>) -> rusqlite::Result<OpenWork> {
    Ok(OpenWork {
        routing: RoutingId(row.get("id")?),
        run: row.get("run_id")?,
        placed_at: maybe_time(row, "placed_at")?,
        attempts: row.get("attempts")?,
        next_attempt_at: maybe_time(row, "next_attempt_at")?,
        answer: row.get("answer")?,
    })
}

fn open_inbox(row: &Row<'_>) -> rusqlite::Result<OpenInbox> {
    Ok(OpenInbox {
        id: row.get("id")?,
        kind: word(row, "kind")?,
        placed_at: maybe_time(row, "placed_at")?,
        given_at: maybe_time(row, "given_at")?,
        not_before: maybe_time(row, "not_before")?,
        runs: row.get("runs")?,
    })
}
