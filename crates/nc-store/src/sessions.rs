//! Sessions: where an agent and a chat meet, and which of them wait for a run.

mod life;

use nc_model::retry::LONGEST_RETRY;
use nc_model::{Cause, ChatId, GroupId, Seq, SessionStatus, TargetKind, Timestamp};
use rusqlite::{OptionalExtension, Row};

use crate::row::{time, word};
use crate::{Store, StoreError};

pub use life::Figures;
pub(crate) use life::{begin_conversation, close_with_key, find_or_make};

/// A session, and the chat that it speaks with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Its agent group.
    pub group: GroupId,
    /// Where it stands.
    pub status: SessionStatus,
    /// The chat; none for a session that has none.
    pub chat: Option<ChatAddress>,
    /// The thread of the chat.
    pub thread: Option<String>,
    /// The highest `seq` of the agent's that was accepted.
    pub outbound_seen: i64,
    /// The boot in which `inbound.db` was last known to be whole.
    pub inbound_boot_id: Option<String>,
}

/// A chat, as the wires call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatAddress {
    /// The chat.
    pub id: ChatId,
    /// Its channel: the program and its instance.
    pub channel: String,
    /// What the platform calls it.
    pub platform_id: String,
}

/// One name that an agent may write to, as its mailbox shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Projected {
    /// The agent's own name for it.
    pub name: String,
    /// What people call it.
    pub display_name: Option<String>,
    /// A chat or another agent.
    pub kind: TargetKind,
    /// The chat's channel.
    pub channel: Option<String>,
    /// What the platform calls the chat.
    pub platform_id: Option<String>,
    /// The other agent's group.
    pub agent_group: Option<GroupId>,
}

/// A session with work and no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The session.
    pub session: String,
    /// Why it wants a run.
    pub cause: Cause,
    /// Since when it waits: when what it does first arrived, or when that is to be tried again.
    pub since: Timestamp,
    /// What it does first, among what arrived in the same millisecond: the message.
    pub first: Seq,
}

/// The sessions that want a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Those whose time has come, the one that waits longest first.
    pub due: Vec<Waiting>,
    /// When the next of the others is due.
    pub next: Option<Timestamp>,
}

const ONE: &str = "SELECT s.id, s.agent_group_id, s.status, s.thread_id, s.outbound_seen, s.inbound_boot_id, \
                   m.id AS chat, m.channel, m.platform_id \
                   FROM sessions s LEFT JOIN messaging_groups m ON m.id = s.messaging_group_id WHERE s.id = ?1";
const COUNT: &str = "SELECT count(*) FROM sessions WHERE status <> 'closed'";
const BOOT: &str = "UPDATE sessions SET inbound_boot_id = ?2 WHERE id = ?1";
const DESTINATIONS: &str = "SELECT d.local_name, ifnull(m.name, g.name) AS display_name, d.target_kind, m.channel, \
                            m.platform_id, g.id AS agent_group FROM destinations d \
                            LEFT JOIN messaging_groups m ON d.target_kind = 'chat' AND m.id = d.target_id \
                            LEFT JOIN agent_groups g ON d.target_kind = 'agent' AND g.id = d.target_id \
                            WHERE d.agent_group_id = ?1 AND (m.id IS NOT NULL OR g.id IS NOT NULL) ORDER BY d.local_name";

/// Every session with open work and a group, a closed one too: what it has taken it ends. By jumping from one to the next in the index of open rows: a session with a thousand
/// open messages costs as much as one with a single one.
const WITH_WORK: &str = "WITH RECURSIVE \
     m (id) AS (SELECT min(session_id) FROM routings WHERE decision = 'work' AND outcome IS NULL \
        UNION ALL SELECT (SELECT min(session_id) FROM routings WHERE decision = 'work' AND outcome IS NULL \
            AND session_id > m.id) FROM m WHERE m.id IS NOT NULL), \
     i (id) AS (SELECT min(session_id) FROM session_inbox WHERE trigger = 1 AND ended_at IS NULL \
        UNION ALL SELECT (SELECT min(session_id) FROM session_inbox WHERE trigger = 1 AND ended_at IS NULL \
            AND session_id > i.id) FROM i WHERE i.id IS NOT NULL) \
     SELECT s.id FROM sessions s JOIN agent_groups g ON g.id = s.agent_group_id \
        WHERE s.id IN (SELECT id FROM m UNION SELECT id FROM i) AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.session_id = s.id AND r.judged_at IS NULL)";
// ?3 is the latest time that a retry can have: what is later was written before the clock was set back, and is due.
const DUE_MESSAGE: &str = "SELECT max(m.received_at, ifnull(r.next_attempt_at, 0)) AS since, m.seq FROM routings r \
                           JOIN messages m ON m.seq = r.message_seq WHERE r.session_id = ?1 \
                           AND r.decision = 'work' AND r.outcome IS NULL AND r.placed_at IS NOT NULL \
                           AND ifnull(r.next_attempt_at, 0) NOT BETWEEN ?2 + 1 AND ?3 ORDER BY r.message_seq LIMIT 1";
const NEXT_MESSAGE: &str = "SELECT min(next_attempt_at) FROM routings WHERE session_id = ?1 AND decision = 'work' \
                            AND outcome IS NULL AND placed_at IS NOT NULL AND next_attempt_at BETWEEN ?2 + 1 AND ?3";
// Answers to tools and reports of deliveries are for a tool that waits: without a run there is none. Of a closed session
// nobody needs to know how its words fared.
const DUE_INBOX: &str = "SELECT max(created_at, ifnull(not_before, 0)) AS since, kind FROM session_inbox \
                         WHERE session_id = ?1 AND trigger = 1 AND ended_at IS NULL AND placed_at IS NOT NULL \
                         AND kind IN ('task', 'notice', 'agent') AND ifnull(not_before, 0) NOT BETWEEN ?2 + 1 AND ?3 \
                         AND (kind <> 'notice' OR NOT EXISTS (SELECT 1 FROM sessions s \
                             WHERE s.id = session_inbox.session_id AND s.status = 'closed')) \
                         ORDER BY created_at LIMIT 1";
const NEXT_INBOX: &str = "SELECT min(not_before) FROM session_inbox WHERE session_id = ?1 AND trigger = 1 \
                          AND ended_at IS NULL AND placed_at IS NOT NULL \
                          AND kind IN ('task', 'notice', 'agent') AND not_before BETWEEN ?2 + 1 AND ?3";
const IDLE_SINCE: &str = "SELECT max(r.started_at, \
        ifnull((SELECT max(outcome_at) FROM routings WHERE run_id = r.id), 0), \
        ifnull((SELECT max(ended_at) FROM session_inbox WHERE session_id = r.session_id AND ended_at >= r.started_at), 0)) \
     FROM runs r WHERE r.id = ?1 AND r.ended_at IS NULL AND r.leave_at IS NULL \
        AND NOT EXISTS (SELECT 1 FROM routings o WHERE o.session_id = r.session_id AND o.decision = 'work' \
            AND o.outcome IS NULL) \
        AND NOT EXISTS (SELECT 1 FROM session_inbox o WHERE o.session_id = r.session_id AND o.trigger = 1 \
            AND o.ended_at IS NULL \
            AND (o.kind IN ('task', 'notice', 'agent') OR (o.kind = 'prompt' AND o.source = r.id)))";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("sessions: find", life::FIND),
    ("sessions: in conversation", life::IN_CONVERSATION),
    ("sessions: figures", life::FIGURES),
    ("sessions: last provider", life::LAST_PROVIDER),
    ("sessions: one", ONE),
    ("sessions: destinations", DESTINATIONS),
    ("sessions: with open work", WITH_WORK),
    ("sessions: idle since", IDLE_SINCE),
    ("sessions: due message", DUE_MESSAGE),
    ("sessions: next message", NEXT_MESSAGE),
    ("sessions: due inbox row", DUE_INBOX),
    ("sessions: next inbox row", NEXT_INBOX),
];

impl Store {
    /// The session `id`.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn session(&self, id: &str) -> Result<Option<Session>, StoreError> {
        Ok(self.conn().prepare_cached(ONE)?.query_row([id], session).optional()?)
    }

    /// How many sessions are not closed.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn count_sessions(&self) -> Result<u64, StoreError> {
        let count: i64 = self.conn().prepare_cached(COUNT)?.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Says in which boot the session's `inbound.db` is known to be whole.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn set_inbound_boot(&mut self, session: &str, boot: &str) -> Result<(), StoreError> {
        self.write("set_inbound_boot", |tx| {
            tx.prepare_cached(BOOT)?.execute((session, boot))?;
            Ok(())
        })
    }

    /// What the agents of `group` may write to, by name. Targets that were removed are left out.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn projected_destinations(&self, group: GroupId) -> Result<Vec<Projected>, StoreError> {
        let mut query = self.conn().prepare_cached(DESTINATIONS)?;
        Ok(query.query_map([group.0], projected)?.collect::<Result<_, _>>()?)
    }

    /// The sessions that have placed work, no run, and no run whose end is not yet judged.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn run_queue(&self, now: Timestamp) -> Result<Queue, StoreError> {
        let ids: Vec<String> =
            self.conn().prepare_cached(WITH_WORK)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut queue = Queue::default();
        for id in ids {
            match self.waiting(&id, now)? {
                Some(waiting) => queue.due.push(waiting),
                None => queue.next = earlier(queue.next, self.next_due(&id, now)?),
            }
        }
        queue.due.sort_by(|a, b| (a.since, a.first, &a.session).cmp(&(b.since, b.first, &b.session)));
        Ok(queue)
    }

    /// Since when the agent of a live run has had nothing to do; none while it has, or was asked to leave.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn idle_since(&self, run: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.conn().prepare_cached(IDLE_SINCE)?.query_row([run], |row| row.get(0).map(Timestamp)).optional()?)
    }

    fn waiting(&self, session: &str, now: Timestamp) -> Result<Option<Waiting>, StoreError> {
        let conn = self.conn();
        let key = (session, now.0, latest_retry(now));
        let message = conn.prepare_cached(DUE_MESSAGE)?.query_row(key, message_work).optional()?;
        let inbox = conn.prepare_cached(DUE_INBOX)?.query_row(key, inbox_work).optional()?;
        let (since, first, cause) = match (message, inbox) {
            (Some((message, seq)), Some((inbox, _))) => (message.min(inbox), seq, Cause::Message),
            (Some((message, seq)), None) => (message, seq, Cause::Message),
            (None, Some((inbox, cause))) => (inbox, Seq(i64::MAX), cause),
            (None, None) => return Ok(None),
        };
        Ok(Some(Waiting { session: session.to_owned(), cause, since, first }))
    }

    fn next_due(&self, session: &str, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let key = (session, now.0, latest_retry(now));
        let next = |sql| self.conn().prepare_cached(sql)?.query_row(key, |row| row.get::<_, Option<i64>>(0));
        Ok(earlier(next(NEXT_MESSAGE)?.map(Timestamp), next(NEXT_INBOX)?.map(Timestamp)))
    }
}

/// The latest time that a retry which is written now can have.
fn latest_retry(now: Timestamp) -> i64 {
    now.plus_ms(i64::try_from(LONGEST_RETRY.as_millis()).unwrap_or(i64::MAX)).0
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn message_work(row: &Row<'_>) -> rusqlite::Result<(Timestamp, Seq)> {
    Ok((time(row, "since")?, Seq(row.get("seq")?)))
}

fn inbox_work(row: &Row<'_>) -> rusqlite::Result<(Timestamp, Cause)> {
    let kind: String = row.get("kind")?;
    let cause = match kind.as_str() {
        "task" => Cause::Task,
        _ => Cause::Message,
    };
    Ok((time(row, "since")?, cause))
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let chat = row.get::<_, Option<i64>>("chat")?.map(|id| {
        Ok::<_, rusqlite::Error>(ChatAddress {
            id: ChatId(id),
            channel: row.get("channel")?,
            platform_id: row.get("platform_id")?,
        })
    });
    Ok(Session {
        id: row.get("id")?,
        group: GroupId(row.get("agent_group_id")?),
        status: word(row, "status")?,
        chat: chat.transpose()?,
        thread: row.get("thread_id")?,
        outbound_seen: row.get("outbound_seen")?,
        inbound_boot_id: row.get("inbound_boot_id")?,
    })
}

fn projected(row: &Row<'_>) -> rusqlite::Result<Projected> {
    Ok(Projected {
        name: row.get("local_name")?,
        display_name: row.get("display_name")?,
        kind: word(row, "target_kind")?,
        channel: row.get("channel")?,
        platform_id: row.get("platform_id")?,
        agent_group: row.get::<_, Option<i64>>("agent_group")?.map(GroupId),
    })
}
