//! Writing decisions down: one transaction for a batch, with everything that follows from it in the store.

use std::collections::BTreeSet;

use nc_model::{ChatId, Decision, GroupId, Seq, SessionKey, Timestamp};
use rusqlite::{OptionalExtension, Transaction, named_params};

use crate::notices::{NewNotice, deliver_text, say_once};
use crate::sessions::{begin_conversation, close_with_key, find_or_make};
use crate::{Store, StoreError, new_id, now};

/// What was decided on one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The message.
    pub seq: Seq,
    /// Its chat.
    pub chat: ChatId,
    /// Its thread.
    pub thread: Option<String>,
    /// The groups that take it, or may after an approval.
    pub taken: Vec<Taken>,
    /// Why nobody takes it; looked at only where `taken` is empty.
    pub left: Left,
    /// What a person must be told of the rules that decided; each cause is told once, ever.
    pub notices: Vec<NewNotice>,
    /// The sender, where it is to be counted among those that were turned away.
    pub stranger: Option<Stranger>,
    /// Whether its text and files are to be forgotten, since the sender was refused.
    pub forgets: bool,
}

impl Decided {
    /// A message of no thread, with nothing else to be done about it.
    #[must_use]
    pub fn new(seq: Seq, chat: ChatId, taken: Vec<Taken>, left: Left) -> Self {
        Self { seq, chat, thread: None, taken, left, notices: Vec::new(), stranger: None, forgets: false }
    }
}

/// A group takes a message, or may after an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The group.
    pub group: GroupId,
    /// The rule that decided.
    pub rule: String,
    /// How.
    pub how: How,
}

impl Taken {
    /// Work in the session of the whole chat.
    #[must_use]
    pub fn work(group: GroupId, rule: &str, chat: ChatId) -> Self {
        let session = SessionKey { chat: Some(chat), thread: None };
        Self { group, rule: rule.to_owned(), how: How::Work { session, begins_conversation: false } }
    }

    /// Context in the session of the whole chat.
    #[must_use]
    pub fn context(group: GroupId, rule: &str, chat: ChatId) -> Self {
        let session = SessionKey { chat: Some(chat), thread: None };
        Self { group, rule: rule.to_owned(), how: How::Context { session } }
    }
}

/// How a group takes a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Its agent is to answer.
    Work {
        /// In this session.
        session: SessionKey,
        /// Whether what comes in this thread from now on calls the agent too.
        begins_conversation: bool,
    },
    /// Its agent is to know it.
    Context {
        /// In this session.
        session: SessionKey,
    },
    /// The router answers in its place.
    Command {
        /// With these words.
        answer: String,
        /// And ends this session.
        closes: Option<SessionKey>,
    },
    /// It waits until somebody has let the sender in.
    Held {
        /// Who wrote.
        user: String,
        /// What they are called.
        name: Option<String>,
    },
}

impl How {
    /// The decision that is stored.
    #[must_use]
    pub fn decision(&self) -> Decision {
        match self {
            Self::Work { .. } => Decision::Work,
            Self::Context { .. } => Decision::Context,
            Self::Command { .. } => Decision::Command,
            Self::Held { .. } => Decision::Held,
        }
    }
}

/// Nobody takes a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Ignored or dropped.
    pub decision: Decision,
    /// The rule that decided.
    pub rule: String,
}

/// A sender that was turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The channel of the chat.
    pub channel: String,
    /// What the platform calls the chat.
    pub platform_id: String,
    /// Who wrote, where the platform says it.
    pub user: Option<String>,
    /// The name of who wrote.
    pub name: Option<String>,
    /// The rule that turned it away.
    pub reason: String,
}

/// What a batch of decisions brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The sessions that were made.
    pub made: BTreeSet<String>,
    /// How many sessions were closed.
    pub closed: u32,
    /// The channels that have something new to send.
    pub channels: BTreeSet<String>,
}

const HOW_FAR: &str = "SELECT CAST(value AS INTEGER) FROM router_state WHERE key = 'routed_seq'";
const DECIDE: &str = "INSERT INTO routings (message_seq, agent_group_id, session_id, decision, rule, decided_at, approval_id, \
                      outcome, outcome_at, answer_delivery_id) VALUES (:seq, :group, :session, :decision, :rule, :at, \
                      :approval, :outcome, :outcome_at, :answer) ON CONFLICT DO NOTHING";
pub(super) const ROUTED: &str =
    "UPDATE router_state SET value = ?1 WHERE key = 'routed_seq' AND CAST(value AS INTEGER) < ?1";
const TURNED_AWAY: &str = "INSERT INTO dropped_senders (channel, platform_id, user_id, sender_name, reason, first_seen, last_seen) \
                           VALUES (:channel, :platform_id, :user, :name, :reason, :at, :at) \
                           ON CONFLICT (channel, platform_id, user_id) DO UPDATE SET count = count + 1, last_seen = :at, \
                           reason = :reason, sender_name = ifnull(:name, sender_name)";
const FORGET: &str = "UPDATE messages SET text = NULL, attachments = NULL \
                      WHERE seq = ?1 AND (text IS NOT NULL OR attachments IS NOT NULL)";
pub(super) const ADMISSION: &str = "SELECT id FROM pending_approvals WHERE agent_group_id = ?1 \
                                    AND json_extract(payload, '$.chat') = ?2 AND json_extract(payload, '$.user') = ?3 \
                                    AND action = 'admit_sender' AND status = 'pending'";
const ASK: &str = "INSERT INTO pending_approvals (id, agent_group_id, action, payload, title, requested_at) VALUES \
                   (:id, :group, 'admit_sender', json_object('chat', :chat, 'user', :user, 'name', :name), 'New sender', :at)";
const CHANNEL: &str = "SELECT channel FROM messaging_groups WHERE id = ?1";

impl Store {
    /// Writes down a batch of decisions, in the order of the messages, with the sessions, answers, approvals and counts
    /// that go with them, and moves `routed_seq` on, all in one transaction. A message that routing has come to already
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn decide(&mut self, batch: &[Decided]) -> Result<Written, StoreError> {
        let at = now();
        self.write("decide", |tx| {
            let mut written = Written::default();
            let routed: i64 = tx.prepare_cached(HOW_FAR)?.query_row([], |row| row.get(0))?;
            for decided in batch.iter().filter(|decided| decided.seq.0 > routed) {
                decide(tx, decided, at, &mut written)?;
            }
            if let Some(last) = batch.last() {
                tx.prepare_cached(ROUTED)?.execute([last.seq.0])?;
            }
            Ok(written)
        })
    }
}

/// A row of `routings` that is to be written.
#[derive(Default)]
struct Row<'a> {
    group: Option<GroupId>,
    session: Option<&'a str>,
    rule: &'a str,
    approval: Option<&'a str>,
    answer: Option<&'a str>,
}

fn decide(tx: &Transaction<'_>, decided: &Decided, at: Timestamp, written: &mut Written) -> Result<(), StoreError> {
    let mut answers = Answers { decided, given: Vec::new() };
    for taken in &decided.taken {
        take(tx, taken, at, &mut answers, written)?;
    }
    if decided.taken.is_empty() {
        let row = Row { rule: &decided.left.rule, ..Row::default() };
        insert(tx, decided.seq, decided.left.decision, &row, at)?;
    }
    for notice in &decided.notices {
        say_once(tx, notice)?;
    }
    if let Some(stranger) = &decided.stranger {
        tx.prepare_cached(TURNED_AWAY)?.execute(named_params! {
            ":channel": stranger.channel, ":platform_id": stranger.platform_id,
            ":user": stranger.user.as_deref().unwrap_or(""), ":name": stranger.name, ":reason": stranger.reason,
            ":at": at.0,
        })?;
    }
    if decided.forgets {
        tx.prepare_cached(FORGET)?.execute([decided.seq.0])?;
    }
    Ok(())
}

fn take<'a>(
    tx: &Transaction<'_>,
    taken: &'a Taken,
    at: Timestamp,
    answers: &mut Answers<'a>,
    written: &mut Written,
) -> Result<(), StoreError> {
    let decided = answers.decided;
    let row = Row { group: Some(taken.group), rule: &taken.rule, ..Row::default() };
    let decision = taken.how.decision();
    match &taken.how {
        How::Work { session, .. } | How::Context { session } => {
            let (id, new) = find_or_make(tx, taken.group, session, at)?;
            if matches!(taken.how, How::Work { begins_conversation: true, .. }) {
                begin_conversation(tx, &id, decided.chat, decided.thread.as_deref(), at)?;
            }
            insert(tx, decided.seq, decision, &Row { session: Some(&id), ..row }, at)?;
            if new {
                written.made.insert(id);
            }
        }
        How::Command { answer, closes } => {
            if let Some(key) = closes {
                written.closed += u32::from(close_with_key(tx, taken.group, key, at)?);
            }
            let delivery = answers.give(tx, taken.group, answer, written)?;
            insert(tx, decided.seq, decision, &Row { answer: delivery.as_deref(), ..row }, at)?;
        }
        How::Held { user, name } => {
            let approval = ask(tx, taken.group, decided.chat, (user, name.as_deref()), at)?;
            insert(tx, decided.seq, decision, &Row { approval: Some(&approval), ..row }, at)?;
        }
    }
    Ok(())
}

fn insert(tx: &Transaction<'_>, seq: Seq, decision: Decision, row: &Row<'_>, at: Timestamp) -> Result<(), StoreError> {
    let answered = row.answer.is_some();
    tx.prepare_cached(DECIDE)?.execute(named_params! {
        ":seq": seq.0, ":group": row.group.map(|g| g.0), ":session": row.session, ":decision": decision.as_str(),
        ":rule": row.rule, ":at": at.0, ":approval": row.approval, ":outcome": answered.then_some("answered"),
        ":outcome_at": answered.then_some(at.0), ":answer": row.answer,
    })?;
    Ok(())
}

/// What the router says to one message, each text once: several agents may listen, and say the same.
struct Answers<'a> {
    decided: &'a Decided,
    given: Vec<(&'a str, Option<String>)>,
}

impl<'a> Answers<'a> {
    fn give(
        &mut self,
        tx: &Transaction<'_>,
        group: GroupId,
        text: &'a str,
        written: &mut Written,
    ) -> Result<Option<String>, StoreError> {
        if let Some((_, delivery)) = self.given.iter().find(|(said, _)| *said == text) {
            return Ok(delivery.clone());
        }
        let Decided { seq, chat, thread, .. } = self.decided;
        let delivery = deliver_text(tx, &format!("command:{seq}:{group}"), *chat, thread.as_deref(), text)?;
        written.channels.insert(tx.prepare_cached(CHANNEL)?.query_row([chat.0], |row| row.get(0))?);
        self.given.push((text, delivery.clone()));
        Ok(delivery)
    }
}

/// The approval that would let a sender in: the one that is open, or a new one.
fn ask(
    tx: &Transaction<'_>,
    group: GroupId,
    chat: ChatId,
    (user, name): (&str, Option<&str>),
    at: Timestamp,
) -> Result<String, StoreError> {
    let open = tx.prepare_cached(ADMISSION)?.query_row((group.0, chat.0, user), |row| row.get(0)).optional()?;
    if let Some(id) = open {
        return Ok(id);
    }
    let id = new_id();
    tx.prepare_cached(ASK)?.execute(named_params! {
        ":id": id, ":group": group.0, ":chat": chat.0, ":user": user, ":name": name, ":at": at.0,
    })?;
    Ok(id)
}
