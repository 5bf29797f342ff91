//! One pass: everything that the store has to do, then when the next thing is due.

use std::time::{Duration, Instant};

use nc_model::Timestamp;
use nc_store::{NewNotice, Session, Store, StoreError, now};
use tracing::{info, warn};

use crate::batch::{Batch, closes};
use crate::desk::{Desk, Trouble};
use crate::mailboxes::MailError;
use crate::tell::{ring_channel, tell_notices};
use crate::way;

/// A batch, and the pause after it in which others may write. STORE.md.
const BATCH: u32 = 100;
const BATCH_TIME: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(2);

/// While messages come faster than they are decided, how long after the last time the mailboxes are filled and runs asked
/// for. A guess: nobody notices it, and a mailbox that gets ten messages at once costs little more than for one.
const FILL_EVERY: Duration = Duration::from_millis(100);

/// What a batch of decisions came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Routed {
    /// There was no message.
    Nothing,
    /// All that were there.
    Some,
    /// As many as go into a batch, and more wait.
    Backlog,
}

/// The earliest of what is due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Due(Option<Instant>);

impl Due {
    pub(crate) fn at(&mut self, when: Instant) {
        self.0 = Some(self.0.map_or(when, |at| at.min(when)));
    }

    pub(crate) fn maybe(&mut self, when: Option<Instant>) {
        if let Some(when) = when {
            self.at(when);
        }
    }

    pub(crate) fn at_time(&mut self, when: Option<Timestamp>) {
        if let Some(when) = when {
            self.at(Instant::now() + Duration::from_millis(when.ms_since(now())));
        }
    }
}

impl Desk {
    /// Does everything that is there, a batch of new messages at most, and returns when the next thing is due. In a backlog
    /// most passes only decide.
    pub(crate) fn pass(&mut self) -> Result<Option<Instant>, StoreError> {
        let mut due = Due::default();
        self.take_heard()?;
        self.find_lost()?;
        self.judge_ended()?;
        let more_messages = match self.route()? {
            // Others may write meanwhile, and each mailbox is filled once for many messages.
            Routed::Backlog if self.filled_at.is_some_and(|at| at.elapsed() < FILL_EVERY) => {
                return Ok(Some(Instant::now() + PAUSE));
            }
            Routed::Nothing => false,
            Routed::Some | Routed::Backlog => true,
        };
        let more_to_place = self.place(&mut due)?;
        let live = self.store.live_runs()?;
        self.watch_unconnected(&live)?;
        self.project(&live)?;
        self.dismiss(&live)?;
        self.start_runs(&live, &mut due)?;
        tell_notices(&mut self.store, &self.loaded.installation)?;
        self.filled_at = Some(Instant::now());
        due.maybe(self.orphans.next());
        if more_messages || more_to_place {
            due.at(Instant::now() + PAUSE);
        }
        self.status.troubled = self.troubled.len();
        Ok(due.0)
    }

    /// Routes everything that is there: for a single pass that is not followed by another.
    pub(crate) fn route_all(&mut self) -> Result<(), StoreError> {
        while self.route()? != Routed::Nothing {}
        Ok(())
    }

    /// Decides the next batch of messages.
    fn route(&mut self) -> Result<Routed, StoreError> {
        let begun = Instant::now();
        let unrouted = self.store.unrouted(BATCH)?;
        let mut batch = Batch::new(&self.store, &mut self.rules, &self.loaded.installation);
        let mut decided = Vec::new();
        for message in &unrouted {
            let one = batch.decide(message)?;
            // What comes after the end of a session belongs to another, which the store must know of first.
            let ends = closes(&one);
            way::decided(message, &one);
            decided.push(one);
            if ends || begun.elapsed() > BATCH_TIME {
                break;
            }
        }
        if decided.is_empty() {
            return Ok(Routed::Nothing);
        }
        let backlog = unrouted.len() >= BATCH as usize || decided.len() < unrouted.len();
        let written = self.store.decide(&decided)?;
        self.status.sessions += written.made.len() as u64;
        self.status.sessions = self.status.sessions.saturating_sub(written.closed.into());
        for channel in &written.channels {
            ring_channel(&self.loaded.installation, channel);
        }
        Ok(if backlog { Routed::Backlog } else { Routed::Some })
    }

    /// Fills the mailboxes of all sessions for which something waits; true where more may wait.
    fn place(&mut self, due: &mut Due) -> Result<bool, StoreError> {
        let (mut routings, mut inbox, mut more) = (Vec::new(), Vec::new(), false);
        for id in self.store.sessions_to_place()? {
            if let Some(until) = self.troubled.get(&id).map(Trouble::until).filter(|until| *until > Instant::now()) {
                due.at(until);
                continue;
            }
            let Some(session) = self.session(&id)? else { continue };
            match self.mailboxes.place(&mut self.store, &session, self.troubled.contains_key(&id)) {
                Ok(mut done) => {
                    self.recovered(&id);
                    routings.append(&mut done.routings);
                    inbox.append(&mut done.inbox);
                    more |= done.more;
                }
                Err(error) => self.in_trouble(&session, error, due)?,
            }
            if routings.len() + inbox.len() >= BATCH as usize {
                self.store.placed(&std::mem::take(&mut routings), &std::mem::take(&mut inbox))?;
            }
        }
        if !routings.is_empty() || !inbox.is_empty() {
            self.store.placed(&routings, &inbox)?;
        }
        Ok(more)
    }

    /// Puts everything that waits for one session into its mailbox.
    pub(crate) fn place_session_whole(&mut self, session: &Session) -> Result<(), MailError> {
        loop {
            let done = self.mailboxes.place(&mut self.store, session, false)?;
            self.store.placed(&done.routings, &done.inbox)?;
            if !done.more {
                return self.mailboxes.refresh(&mut self.store, session);
            }
        }
    }

    pub(crate) fn recovered(&mut self, session: &str) {
        if self.troubled.remove(session).is_some() {
            info!(session, "the mailbox can be written again");
        }
    }

    /// A mailbox cannot be written: said once, tried again later, and nobody else waits for it.
    pub(crate) fn in_trouble(&mut self, session: &Session, error: MailError, due: &mut Due) -> Result<(), StoreError> {
        if let MailError::Store(error) = error {
            return Err(error);
        }
        let at = Instant::now();
        if !self.troubled.contains_key(&session.id) {
            let error = chain(&error);
            warn!(
                session = session.id,
                "a mailbox cannot be written, tried again after 100 ms, doubling to 10 s: {error}"
            );
        }
        let trouble = self.troubled.entry(session.id.clone()).or_insert_with(|| Trouble::first(at));
        trouble.again(at);
        due.at(trouble.until());
        // A reader in the sandbox that keeps the lock for a moment is nobody's business.
        let worth_telling = !error.is_busy() || trouble.is_longest();
        if worth_telling && !trouble.told {
            trouble.told = true;
            say_trouble(&mut self.store, session, &error)?;
        }
        Ok(())
    }
}

/// The person whose message it is learns that it is kept, or the owners where the session has no chat.
fn say_trouble(store: &mut Store, session: &Session, error: &MailError) -> Result<(), StoreError> {
    let chat = session.chat.as_ref().map(|chat| chat.id);
    let text = if chat.is_some() {
        "I cannot hand your message to the agent right now. It is kept, and I try again; an owner finds the reason in the log \
         of nc-router."
            .to_owned()
    } else {
        format!("The mailbox of session {} cannot be written: {}. It is tried again.", session.id, chain(error))
    };
    let cause = format!("mailbox of session {}", session.id);
    store.say_notice(&NewNotice { chat, unit: "nc-router".to_owned(), text, cause })?;
    Ok(())
}

/// An error with its causes, in a line.
pub(crate) fn chain(error: &MailError) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
