//! The sessions' `in/` directories: made, filled, brought up to date before each run.
//!
//! Only this program writes there. `inbound.db` is a projection of the store: whatever of it is lost is written again, and
//! a file from an earlier boot, which was never waited for on its way to the disk, is made anew before it is used.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nc_config::{Installation, SessionDir};
use nc_model::{RoutingId, Seq, TargetKind};
use nc_store::{Closed, InboxRow, Projected, Session, Store, StoreError, ToPlace};
use nc_wire::Verdict;
use nc_wire::mailbox::host::{Contents, Inbound, MailboxError};
use nc_wire::mailbox::{Destination, DestinationKind, InRow, InStatus, Routing};
use nix::fcntl::{Flock, FlockArg};
use tracing::{info, warn};

use crate::content::{BY_HAND, Piece, chat_row, inbox_piece, message_of, row_id};
use crate::files;
use crate::place::{lock_file, make_place};
use crate::way;

/// `inbound.db` is read by the sandbox's user; `in/`, which no stranger enters, keeps the host's users out.
const FILE_MODE: u32 = 0o644;

/// How many rows go into a mailbox at once. STORE.md's size of a batch.
const BATCH: u32 = 100;

/// How many settled rows stay in a mailbox, for an agent that refers to an earlier message. A guess.
const KEPT: u32 = 1000;

/// Why a mailbox could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    /// The store, and not the mailbox.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// A directory, the lock or a file that somebody sent.
    #[error("{operation} {path:?}")]
    Place {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It has to be made anew, and somebody uses it.
    #[error("make {path:?} anew: a run of the session still uses it")]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl MailError {
    /// What went wrong with a directory or file of a session.
    pub(crate) fn place<'a>(operation: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Self + 'a {
        move |source| Self::Place { operation, path: path.to_owned(), source }
    }

    /// Whether a reader in the sandbox stood in the way.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Mailbox(MailboxError::Busy { .. }))
    }
}

/// What was put into a mailbox, to be marked as placed.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) routings: Vec<RoutingId>,
    pub(crate) inbox: Vec<String>,
    /// Whether more may wait.
    pub(crate) more: bool,
}

/// What is known of a mailbox that this process has opened.
#[derive(Debug)]
struct Known {
    inbound: Inbound,
    /// What it shows of the store's wirings.
    shown: Option<(Vec<Projected>, Routing)>,
    /// Whether everything that the store holds open is known to be in it.
    whole: bool,
}

/// The mailboxes of an installation.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    installation: Installation,
    boot: String,
    known: HashMap<String, Known>,
}

impl Mailboxes {
    /// The mailboxes of `installation` in this boot.
    pub(crate) fn new(installation: Installation) -> Self {
        // Where no boot has a name, none is told from another, and a file counts as whole.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        Self { installation, boot, known: HashMap::new() }
    }

    /// Where the session's directory is.
    pub(crate) fn dir(&self, session: &Session) -> SessionDir {
        self.installation.session_dir(session.group, &session.id)
    }

    /// Rolls back what a killed router left in the mailbox of a session whose agent is running: the agent cannot.
    pub(crate) fn settle(&self, session: &Session) -> Result<(), MailError> {
        Inbound::open(&self.dir(session).inbound_db)?;
        Ok(())
    }

    /// Puts the next messages and rows into the mailbox that are not yet there. They are still to be marked as placed.
    /// `again` says that this failed before, which needs no second line for each message.
    pub(crate) fn place(&mut self, store: &mut Store, session: &Session, again: bool) -> Result<Done, MailError> {
        let messages = store.messages_to_place(&session.id, BATCH)?;
        let inbox = store.inbox_to_place(&session.id, BATCH)?;
        let full = usize::try_from(BATCH).is_ok_and(|most| messages.len() >= most || inbox.len() >= most);
        if messages.is_empty() && inbox.is_empty() {
            // What is there waits for a run by hand to begin, which needs a mailbox in order, or to end.
            self.refresh(store, session)?;
        } else {
            let inbound = self.open(store, session)?;
            if !again {
                way::placed(store, session, &messages);
            }
            let written = self.append(&inbound, session, &messages, &inbox);
            self.noted(session, written)?;
        }
        Ok(Done {
            routings: messages.iter().map(|m| m.routing).collect(),
            inbox: inbox.into_iter().map(|row| row.id).collect(),
            more: full,
        })
    }

    /// Brings the mailbox up to date before a run: what is open is there, what is closed is not pending, and the names
    /// that the agent may write to are those of now.
    pub(crate) fn refresh(&mut self, store: &mut Store, session: &Session) -> Result<(), MailError> {
        let inbound = self.open(store, session)?;
        let refreshed = self.bring_up_to_date(store, session, &inbound);
        self.noted(session, refreshed)
    }

    /// Shows the session's agent the names that it may write to, where they have changed.
    pub(crate) fn project(&mut self, store: &mut Store, session: &Session) -> Result<(), MailError> {
        let inbound = self.open(store, session)?;
        let projected = store.projected_destinations(session.group)?;
        let routing = routing_or_terminal(session, &projected);
        let shown = (projected, routing);
        let Some(known) = self.known.get_mut(&session.id) else { return Ok(()) };
        if known.shown.as_ref() == Some(&shown) {
            return Ok(());
        }
        inbound.replace_destinations(&destinations(&shown.0))?;
        inbound.set_routing(&shown.1)?;
        known.shown = Some(shown);
        Ok(())
    }

    fn bring_up_to_date(&mut self, store: &mut Store, session: &Session, inbound: &Inbound) -> Result<(), MailError> {
        if self.known.get(&session.id).is_some_and(|known| !known.whole) {
            let rows = self.open_rows(store, session, false)?;
            inbound.append(&rows, session.outbound_seen)?;
            if let Some(known) = self.known.get_mut(&session.id) {
                known.whole = true;
            }
        }
        close_settled(store, inbound)?;
        self.project(store, session)
    }

    /// Forgets a mailbox that failed, so that the next use looks at it again from the ground up.
    fn noted<T>(&mut self, session: &Session, result: Result<T, MailError>) -> Result<T, MailError> {
        if let Err(error) = &result {
            let damaged = matches!(error, MailError::Mailbox(e) if e.verdict() == Verdict::Refuse);
            if damaged {
                warn!(session = %session.id, "the mailbox is damaged, made anew as soon as no run uses it: {error}");
                self.known.remove(&session.id);
            } else if !error.is_busy() {
                self.known.remove(&session.id);
            }
        }
        result
    }

    fn open(&mut self, store: &mut Store, session: &Session) -> Result<Inbound, MailError> {
        if let Some(known) = self.known.get(&session.id) {
            return Ok(known.inbound.clone());
        }
        let dir = self.dir(session);
        make_place(&dir)?;
        let this_boot = session.inbound_boot_id.as_ref() == Some(&self.boot);
        let present = dir.inbound_db.exists();
        let opened = if this_boot && present { Some(Inbound::open(&dir.inbound_db)) } else { None };
        let (inbound, whole) = match opened {
            Some(Err(error)) if error.verdict() == Verdict::Keep => return Err(error.into()),
            Some(Ok(inbound)) => (inbound, false),
            _ if session.inbound_boot_id.is_none() && !present => (Inbound::create(&dir.inbound_db, FILE_MODE)?, true),
            _ => (self.rebuild(store, session, &dir)?, true),
        };
        if !this_boot {
            store.set_inbound_boot(&session.id, &self.boot)?;
        }
        self.known.insert(session.id.clone(), Known { inbound: inbound.clone(), shown: None, whole });
        Ok(inbound)
    }

    fn rebuild(&self, store: &Store, session: &Session, dir: &SessionDir) -> Result<Inbound, MailError> {
        let lock = lock_file(&dir.lock)?;
        let Ok(_held) = Flock::lock(lock, FlockArg::LockExclusiveNonblock) else {
            return Err(MailError::InUse { path: dir.inbound_db.clone() });
        };
        let rows = self.open_rows(store, session, true)?;
        let projected = store.projected_destinations(session.group)?;
        let (destinations, routing) = (destinations(&projected), routing_or_terminal(session, &projected));
        let contents =
            Contents { rows: &rows, destinations: &destinations, routing: Some(&routing), ..Contents::default() };
        let inbound = Inbound::rebuild(&dir.inbound_db, FILE_MODE, &contents, session.outbound_seen)?;
        info!(session = %session.id, rows = rows.len(), "made the mailbox anew from the store");
        Ok(inbound)
    }

    /// Everything of the session that is placed and open, in the order of its arrival.
    fn open_rows(&self, store: &Store, session: &Session, context: bool) -> Result<Vec<InRow>, MailError> {
        let mut messages = if context { store.untaken_context(&session.id)? } else { Vec::new() };
        let mut after = Seq(0);
        loop {
            let page = store.open_messages(&session.id, after, BATCH)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            messages.extend(page);
        }
        messages.sort_by_key(|m| m.seq);
        let mut rows = self.chat_rows(session, &messages)?;
        for row in store.open_inbox(&session.id, KEPT)? {
            if let Piece::Row(row) = inbox_piece(&row, session) {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn chat_rows(&self, session: &Session, messages: &[ToPlace]) -> Result<Vec<InRow>, MailError> {
        let inbox = self.dir(session).inbox;
        let mut rows = Vec::with_capacity(messages.len());
        for message in messages {
            let id = row_id(message.seq, message.group);
            let media = self.installation.media_in(message.seq);
            let attachments =
                files::bring(message, &id, &media, &inbox).map_err(MailError::place("copy files to", &inbox))?;
            rows.push(chat_row(message, attachments));
        }
        Ok(rows)
    }

    fn append(
        &self,
        inbound: &Inbound,
        session: &Session,
        messages: &[ToPlace],
        inbox: &[InboxRow],
    ) -> Result<(), MailError> {
        let mut rows = self.chat_rows(session, messages)?;
        let mut delivered = Vec::new();
        for row in inbox {
            match inbox_piece(row, session) {
                Piece::Row(piece) => rows.push(piece),
                Piece::Delivered(piece) => delivered.push(piece),
                Piece::Unreadable(why) => {
                    warn!(session = %session.id, row = %row.id, kind = %row.kind, "not told to the agent, since it cannot be read: {why}");
                }
            }
        }
        if !rows.is_empty() {
            inbound.append(&rows, session.outbound_seen)?;
        }
        if !delivered.is_empty() {
            inbound.record_delivered(&delivered)?;
        }
        Ok(())
    }
}

/// Has no row pending that the store knows to be over: an agent's file that was renewed knows nothing of it.
fn close_settled(store: &Store, inbound: &Inbound) -> Result<(), MailError> {
    let pending = inbound.pending()?;
    let mut settled = Vec::new();
    for row in &pending {
        let closed = match message_of(&row.id) {
            Some((seq, group)) => store.message_closed(seq, group)?,
            None => store.inbox_closed(&row.id)?.then_some(Closed::Completed),
        };
        match closed {
            Some(Closed::Completed) => settled.push((row.id.as_str(), InStatus::Completed)),
            Some(Closed::Failed) => settled.push((row.id.as_str(), InStatus::Failed)),
            None => {}
        }
    }
    if !settled.is_empty() {
        inbound.set_statuses(&settled)?;
        inbound.prune(KEPT)?;
    }
    Ok(())
}

/// Where a reply goes that names nobody. An agent with neither chat nor destination speaks to whoever started it by hand.
fn routing_or_terminal(session: &Session, destinations: &[Projected]) -> Routing {
    if session.chat.is_some() || !destinations.is_empty() {
        return routing(session);
    }
    let (channel, place) = BY_HAND;
    Routing { channel_type: Some(channel.to_owned()), platform_id: Some(place.to_owned()), thread_id: None }
}

fn routing(session: &Session) -> Routing {
    Routing {
        channel_type: session.chat.as_ref().map(|c| c.channel.clone()),
        platform_id: session.chat.as_ref().map(|c| c.platform_id.clone()),
        thread_id: session.thread.clone(),
    }
}

fn destinations(projected: &[Projected]) -> Vec<Destination> {
    projected
        .iter()
        .map(|p| Destination {
            name: p.name.clone(),
            display_name: p.display_name.clone(),
            kind: match p.kind {
                TargetKind::Chat => DestinationKind::Channel,
                TargetKind::Agent => DestinationKind::Agent,
            },
            channel_type: p.channel.clone(),
            platform_id: p.platform_id.clone(),
            agent_group_id: p.agent_group.map(|g| g.to_string()),
        })
        .collect()
}
