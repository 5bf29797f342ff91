//! What the router decided on each message, and what came of it.
//!
//! A decision is committed before anything is handed to a session (`placed_at` is null until then), so that whatever is
//! killed, the next start finds what is left to do by query.

mod deciding;
mod judging;
mod placing;

use nc_model::{
    ChatId, EngageMode, FolderName, GroupId, IgnoredMessagePolicy, MessageKind, SenderScope, Seq, SessionMode,
    UnknownSenderPolicy,
};
use rusqlite::Row;

use crate::row::word;
use crate::{Store, StoreError};

pub use deciding::{Decided, How, Left, Stranger, Taken, Written};
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
    /// The thread.
    pub thread: Option<String>,
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
    /// The group's folder.
    pub folder: FolderName,
    /// What drives the group's model, where the group says so.
    pub provider: Option<String>,
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

const UNROUTED: &str = "SELECT m.seq, m.messaging_group_id, c.channel, c.platform_id, c.is_group, c.unknown_sender_policy, \
                        m.kind, m.from_me, m.is_bot, m.is_mention, m.thread_id, m.text, m.sender_id, m.sender_name \
                        FROM messages m JOIN messaging_groups c ON c.id = m.messaging_group_id \
                        WHERE m.seq > (SELECT CAST(value AS INTEGER) FROM router_state WHERE key = 'routed_seq') \
                        ORDER BY m.seq LIMIT ?1";
const LISTENERS: &str = "SELECT w.id, w.agent_group_id, g.name, g.folder, g.provider, g.is_main, w.session_mode, w.engage_mode, w.engage_pattern, \
                         w.sender_scope, w.ignored_message_policy, w.priority \
                         FROM wirings w JOIN agent_groups g ON g.id = w.agent_group_id \
                         WHERE w.messaging_group_id = ?1 ORDER BY w.priority DESC, w.id";
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
    ("routings: moved on", deciding::ROUTED),
    ("routings: approval of a sender", deciding::ADMISSION),
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
        thread: row.get("thread_id")?,
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
        folder: word(row, "folder")?,
        provider: row.get("provider")?,
        is_main: row.get("is_main")?,
        session_mode: word(row, "session_mode")?,
        engage_mode: word(row, "engage_mode")?,
        engage_pattern: row.get("engage_pattern")?,
        sender_scope: word(row, "sender_scope")?,
        ignored_message_policy: word(row, "ignored_message_policy")?,
        priority: row.get("priority")?,
    })
}
