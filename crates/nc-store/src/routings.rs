//! What the router decided on each message, and what came of it.
//!
//! A decision is committed before anything is handed to a session (`placed_at` is null until then), so that whatever is
//! killed, the next start finds what is left to do by query.

mod judging;
mod placing;

use std::collections::BTreeSet;

use nc_model::{
    ChatId, Decision, EngageMode, GroupId, IgnoredMessagePolicy, MessageKind, SenderScope, Seq, SessionMode, Timestamp,
    UnknownSenderPolicy,
};
use rusqlite::{Row, Transaction, named_params};

use crate::notices::{NewNotice, say_once};
use crate::row::word;
use crate::sessions::find_or_make;
use crate::{Store, StoreError, now};

pub use judging::{Judgement, OpenInbox, OpenWork, Settled, Settlement, Undone, UnjudgedRun};
pub use placing::{Closed, Quoted, ToPlace};

/// How much text one batch of messages holds at most, in bytes. A guess: a batch of ordinary messages is 20 kB, and an
/// idle router stays below 10 MiB.
const MAX_BATCH_BYTES: usize = 2 * 1024 * 1024;

/// A message that nothing was decided on yet, as far as deciding needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column")]
pub struct Unrouted {
    /// Its number.
    pub seq: Seq,
    /// Its chat.
    pub chat: ChatId,
    /// The chat's channel.
    pub channel: String,
    /// What the platform calls the chat.
    pub platform_id: String,
    /// Whether several people are in the chat.
    pub is_group: bool,
    /// Whose messages the chat takes.
    pub policy: UnknownSenderPolicy,
    /// What it is.
    pub kind: MessageKind,
    /// The account that we use wrote it.
    pub from_me: bool,
    /// A program wrote it.
    pub is_bot: bool,
    /// The platform says that it mentions us.
    pub is_mention: bool,
    /// What was written.
    pub text: Option<String>,
    /// Who wrote it, as the platform says.
    pub sender_id: Option<String>,
    /// The name of who wrote it.
    pub sender_name: Option<String>,
}

/// An agent group that listens to a chat, and the rules of its wiring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The wiring.
    pub wiring: i64,
    /// The group.
    pub group: GroupId,
    /// The group's name.
    pub group_name: String,
    /// Whether it is the main group.
    pub is_main: bool,
    /// Which session a message belongs to.
    pub session_mode: SessionMode,
    /// What makes the agent answer.
    pub engage_mode: EngageMode,
    /// The wiring's own pattern.
    pub engage_pattern: Option<String>,
    /// Whose messages it takes.
    pub sender_scope: SenderScope,
    /// What becomes of what does not engage the agent.
    pub ignored_message_policy: IgnoredMessagePolicy,
    /// The order among wirings, the highest first.
    pub priority: i64,
}

/// What was decided on one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The message.
    pub seq: Seq,
    /// Its chat.
    pub chat: ChatId,
    /// The groups that take it.
    pub taken: Vec<Taken>,
    /// Why nobody takes it; looked at only where `taken` is empty.
    pub left: Left,
    /// What a person must be told of the rules that decided; each cause is told once, ever.
    pub notices: Vec<NewNotice>,
    /// The sender, where it is to be counted among those that were turned away.
    pub stranger: Option<Stranger>,
}

/// A group takes a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The group.
    pub group: GroupId,
    /// As work or as context.
    pub decision: Decision,
    /// The rule that decided.
    pub rule: String,
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

const UNROUTED: &str = "SELECT m.seq, m.messaging_group_id, c.channel, c.platform_id, c.is_group, c.unknown_sender_policy, \
                        m.kind, m.from_me, m.is_bot, m.is_mention, m.text, m.sender_id, m.sender_name \
                        FROM messages m JOIN messaging_groups c ON c.id = m.messaging_group_id \
                        WHERE m.seq > (SELECT CAST(value AS INTEGER) FROM router_state WHERE key = 'routed_seq') \
                        ORDER BY m.seq LIMIT ?1";
const LISTENERS: &str = "SELECT w.id, w.agent_group_id, g.name, g.is_main, w.session_mode, w.engage_mode, w.engage_pattern, \
                         w.sender_scope, w.ignored_message_policy, w.priority \
                         FROM wirings w JOIN agent_groups g ON g.id = w.agent_group_id \
                         WHERE w.messaging_group_id = ?1 ORDER BY w.priority DESC, w.id";
const DECIDE: &str = "INSERT INTO routings (message_seq, agent_group_id, session_id, decision, rule, decided_at) \
                      VALUES (:seq, :group, :session, :decision, :rule, :at) ON CONFLICT DO NOTHING";
const ROUTED: &str = "UPDATE router_state SET value = ?1 WHERE key = 'routed_seq' AND CAST(value AS INTEGER) < ?1";
const TURNED_AWAY: &str = "INSERT INTO dropped_senders (channel, platform_id, user_id, sender_name, reason, first_seen, last_seen) \
                           VALUES (:channel, :platform_id, :user, :name, :reason, :at, :at) \
                           ON CONFLICT (channel, platform_id, user_id) DO UPDATE SET count = count + 1, last_seen = :at, \
                           reason = :reason, sender_name = ifnull(:name, sender_name)";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("routings: messages not yet routed", UNROUTED),
    ("routings: listeners of a chat", LISTENERS),
    ("routings: messages to place", placing::UNPLACED),
    ("routings: sessions to place in", placing::SESSIONS),
    ("routings: open messages", placing::OPEN),
    ("routings: context not yet given", placing::CONTEXT),
    ("routings: whether a message is closed", placing::CLOSED_MESSAGE),
    ("routings: runs to judge", judging::UNJUDGED),
    ("routings: undone work", judging::WORK),
    ("routings: undone rows of the inbox", judging::INBOX),
    ("routings: what a run took", judging::TOOK),
    ("routings: moved on", ROUTED),
];

impl Store {
    /// The next messages that nothing was decided on, in the order of their arrival: at most `limit`, and fewer where
    /// their texts are long.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn unrouted(&self, limit: u32) -> Result<Vec<Unrouted>, StoreError> {
        let mut query = self.conn().prepare_cached(UNROUTED)?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        for message in query.query_map([limit], unrouted)? {
            let message = message?;
            bytes += message.text.as_ref().map_or(0, String::len);
            batch.push(message);
            if bytes > MAX_BATCH_BYTES {
                break;
            }
        }
        Ok(batch)
    }

    /// The groups that listen to `chat`, the highest priority first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn listeners(&self, chat: ChatId) -> Result<Vec<Listener>, StoreError> {
        let mut query = self.conn().prepare_cached(LISTENERS)?;
        Ok(query.query_map([chat.0], listener)?.collect::<Result<_, _>>()?)
    }

    /// Writes down a batch of decisions, in the order of the messages, makes the sessions that are missing, and moves
    /// `routed_seq` on, all in one transaction; returns the sessions that it made. Deciding a message again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn decide(&mut self, batch: &[Decided]) -> Result<BTreeSet<String>, StoreError> {
        let at = now();
        self.write(|tx| {
            let mut made = BTreeSet::new();
            for decided in batch {
                decide(tx, decided, at, &mut made)?;
            }
            if let Some(last) = batch.last() {
                tx.prepare_cached(ROUTED)?.execute([last.seq.0])?;
            }
            Ok(made)
        })
    }
}

fn decide(
    tx: &Transaction<'_>,
    decided: &Decided,
    at: Timestamp,
    made: &mut BTreeSet<String>,
) -> Result<(), StoreError> {
    let write = |group: Option<GroupId>, session: Option<&str>, decision: Decision, rule: &str| {
        tx.prepare_cached(DECIDE)?.execute(named_params! {
            ":seq": decided.seq.0, ":group": group.map(|g| g.0), ":session": session, ":decision": decision.as_str(),
            ":rule": rule, ":at": at.0,
        })
    };
    for taken in &decided.taken {
        let (session, new) = find_or_make(tx, taken.group, Some(decided.chat), None, at)?;
        write(Some(taken.group), Some(&session), taken.decision, &taken.rule)?;
        if new {
            made.insert(session);
        }
    }
    if decided.taken.is_empty() {
        write(None, None, decided.left.decision, &decided.left.rule)?;
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
    Ok(())
}

fn unrouted(row: &Row<'_>) -> rusqlite::Result<Unrouted> {
    Ok(Unrouted {
        seq: Seq(row.get("seq")?),
        chat: ChatId(row.get("messaging_group_id")?),
        channel: row.get("channel")?,
        platform_id: row.get("platform_id")?,
        is_group: row.get("is_group")?,
        policy: word(row, "unknown_sender_policy")?,
        kind: word(row, "kind")?,
        from_me: row.get("from_me")?,
        is_bot: row.get("is_bot")?,
        is_mention: row.get("is_mention")?,
        text: row.get("text")?,
        sender_id: row.get("sender_id")?,
        sender_name: row.get("sender_name")?,
    })
}

fn listener(row: &Row<'_>) -> rusqlite::Result<Listener> {
    Ok(Listener {
        wiring: row.get("id")?,
        group: GroupId(row.get("agent_group_id")?),
        group_name: row.get("name")?,
        is_main: row.get("is_main")?,
        session_mode: word(row, "session_mode")?,
        engage_mode: word(row, "engage_mode")?,
        engage_pattern: row.get("engage_pattern")?,
        sender_scope: word(row, "sender_scope")?,
        ignored_message_policy: word(row, "ignored_message_policy")?,
        priority: row.get("priority")?,
    })
}
