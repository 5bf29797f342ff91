//! One pass: everything that the store has to do, then when the next thing is due.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nc_config::Doorbell;
use nc_model::Timestamp;
use nc_store::{NewNotice, Run, Session, Settlement, Store, StoreError, Waiting, now};
use tracing::{info, warn};

use crate::asks::Heard;
use crate::backoff::Backoff;
use crate::desk::Desk;
use crate::judge::{Ending, Judgements, words_after, words_refused};
use crate::mailboxes::{MailError, lock_file};
use crate::tell::{ring_channel, tell_notices};

/// A batch, and the pause after it in which others may write. STORE.md.
const BATCH: u32 = 100;
const BATCH_TIME: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(2);

/// How long an agent must have had nothing to do before it is asked to leave for another session. A guess: a person who
/// answers at once still meets it.
const QUIET: Duration = Duration::from_secs(1);

/// The earliest of what is due.
#[derive(Clone, Copy, Debug, Default)]
struct Due(Option<Instant>);

impl Due {
    fn at(&mut self, when: Instant) {
        self.0 = Some(self.0.map_or(when, |at| at.min(when)));
    }

    fn maybe(&mut self, when: Option<Instant>) {
        if let Some(when) = when {
            self.at(when);
        }
    }

    fn at_time(&mut self, when: Option<Timestamp>) {
        if let Some(when) = when {
            self.at(Instant::now() + Duration::from_millis(when.ms_since(now())));
        }
    }
}

impl Desk {
    /// Does everything that is there, a batch of new messages at most, and returns when the next thing is due.
    pub(crate) fn pass(&mut self) -> Result<Option<Instant>, StoreError> {
        let mut due = Due::default();
        self.take_heard()?;
        self.find_lost()?;
        self.judge_ended()?;
        let more_messages = self.route()?;
        let more_to_place = self.place(&mut due)?;
        let live = self.store.live_runs()?;
        self.watch_unconnected(&live)?;
        self.project(&live)?;
        self.start_runs(&live, &mut due)?;
        tell_notices(&mut self.store, &self.loaded.installation)?;
        due.maybe(self.orphans.next());
        if more_messages || more_to_place {
            due.at(Instant::now() + PAUSE);
        }
        self.status.troubled = self.troubled.len();
        Ok(due.0)
    }

    /// Routes everything that is there: for a single pass that is not followed by another.
    pub(crate) fn route_all(&mut self) -> Result<(), StoreError> {
        while self.route()? {}
        Ok(())
    }

    /// Decides the next batch of messages; true where more may wait.
    fn route(&mut self) -> Result<bool, StoreError> {
        let begun = Instant::now();
        let mut decided = Vec::new();
        for message in self.store.unrouted(BATCH)? {
            let listeners = self.store.listeners(message.chat)?;
            decided.push(self.rules.decide(&message, &listeners));
            if begun.elapsed() > BATCH_TIME {
                break;
            }
        }
        if decided.is_empty() {
            return Ok(false);
        }
        let made = self.store.decide(&decided)?;
        self.status.sessions += made.len() as u64;
        Ok(true)
    }

    /// Fills the mailboxes of all sessions for which something waits; true where more may wait.
    fn place(&mut self, due: &mut Due) -> Result<bool, StoreError> {
        let (mut routings, mut inbox, mut more) = (Vec::new(), Vec::new(), false);
        for id in self.store.sessions_to_place()? {
            if let Some(until) = self.troubled.get(&id).map(Backoff::until).filter(|until| *until > Instant::now()) {
                due.at(until);
                continue;
            }
            let Some(session) = self.session(&id)? else { continue };
            match self.mailboxes.place(&mut self.store, &session) {
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
            let done = self.mailboxes.place(&mut self.store, session)?;
            self.store.placed(&done.routings, &done.inbox)?;
            if !done.more {
                return self.mailboxes.refresh(&mut self.store, session);
            }
        }
    }

    fn recovered(&mut self, session: &str) {
        if self.troubled.remove(session).is_some() {
            info!(session, "the mailbox can be written again");
        }
    }

    /// A mailbox cannot be written: said once, tried again later, and nobody else waits for it.
    fn in_trouble(&mut self, session: &Session, error: MailError, due: &mut Due) -> Result<(), StoreError> {
        if let MailError::Store(error) = error {
            return Err(error);
        }
        let at = Instant::now();
        let wait = match self.troubled.get_mut(&session.id) {
            Some(wait) => {
                wait.again(at);
                *wait
            }
            None => {
                let error = anyhow::Error::new(error);
                warn!(
                    session = session.id,
                    "a mailbox cannot be written, tried again after 100 ms, doubling to 10 s: {error:#}"
                );
                say_trouble(&mut self.store, session, &error)?;
                *self.troubled.entry(session.id.clone()).or_insert_with(|| Backoff::first(at))
            }
        };
        due.at(wait.until());
        Ok(())
    }

    /// What the runner said that the store must know.
    fn take_heard(&mut self) -> Result<(), StoreError> {
        while let Some(heard) = self.heard.last().cloned() {
            match heard {
                Heard::Nothing => {}
                Heard::Refused { session, why } => self.judge_refusal(&session, &why)?,
                Heard::Stuck(why) => {
                    let text = format!(
                        "No agent can be started: {why}. Messages are kept, and it is tried again. See the logs of nc-runner and nanoclawctl doctor."
                    );
                    let cause = "no run begins".to_owned();
                    self.store.say_notice(&NewNotice { chat: None, unit: "nc-router".to_owned(), text, cause })?;
                }
            }
            // Only now, so that a store that refuses is asked again.
            self.heard.pop();
        }
        Ok(())
    }

    fn judge_refusal(&mut self, session: &str, why: &str) -> Result<(), StoreError> {
        let undone = self.store.undone(session)?;
        let Judgements { work, inbox } = Ending::refused(now()).judge(&undone);
        let words = words_refused(why);
        self.settle(Settlement { session: session.to_owned(), run: None, work, inbox, words, at: now() })
    }

    /// Decides what becomes of what ended runs left undone.
    fn judge_ended(&mut self) -> Result<(), StoreError> {
        for run in self.store.runs_to_judge()? {
            let took = self.store.run_took_work(&run)?;
            let undone = self.store.undone(&run.session)?;
            let Judgements { work, inbox } = Ending::of(&run, took, now()).judge(&undone);
            let words = words_after(&run);
            let (session, id) = (run.session.clone(), Some(run.id.clone()));
            self.settle(Settlement { session, run: id, work, inbox, words, at: now() })?;
        }
        Ok(())
    }

    fn settle(&mut self, settlement: Settlement) -> Result<(), StoreError> {
        let settled = self.store.settle(&settlement)?;
        if settled.failed > 0 {
            let Settlement { session, words, .. } = &settlement;
            warn!(session, messages = settled.failed, "given up, and the person is told: {words}");
        }
        for channel in &settled.channels {
            ring_channel(&self.loaded.installation, channel);
        }
        Ok(())
    }

    /// Ends in the store the runs whose session's lock is free.
    fn find_lost(&mut self) -> Result<(), StoreError> {
        for lost in self.orphans.lost(Instant::now()) {
            if self.store.lose_run(&lost.run, now(), "its runner went away without a word")? {
                warn!(run = lost.run, "a run is lost: its runner went away without a word");
                nc_daemon::ring(&self.installation().doorbell(Doorbell::Ipcd));
            }
        }
        Ok(())
    }

    /// Watches the live runs that have no connection to us.
    fn watch_unconnected(&mut self, live: &[Run]) -> Result<(), StoreError> {
        let unconnected: HashSet<&str> =
            live.iter().filter(|run| !self.asks.has(&run.session)).map(|run| run.id.as_str()).collect();
        self.orphans.retain(|run| unconnected.contains(run));
        for run in live.iter().filter(|run| unconnected.contains(run.id.as_str())) {
            if self.orphans.watches(&run.id) {
                continue;
            }
            let Some(session) = self.store.session(&run.session)? else { continue };
            let path = self.mailboxes.dir(&session).lock;
            match lock_file(&path) {
                Ok(lock) => self.orphans.add(&run.id, &path, lock),
                Err(error) => {
                    warn!(run = run.id, "whether a run is lost cannot be seen: {:#}", anyhow::Error::new(error))
                }
            }
        }
        Ok(())
    }

    /// Shows running agents what they may write to, where that has changed.
    fn project(&mut self, live: &[Run]) -> Result<(), StoreError> {
        for run in live {
            let Some(session) = self.store.session(&run.session)? else { continue };
            match self.mailboxes.project(&mut self.store, &session) {
                Ok(()) => {}
                Err(MailError::Store(error)) => return Err(error),
                Err(error) => {
                    warn!(
                        session = session.id,
                        "a running agent does not see its new destinations: {:#}",
                        anyhow::Error::new(error)
                    );
                }
            }
        }
        Ok(())
    }

    /// Asks for runs of the sessions that wait, the one that waits longest first, while there are slots.
    fn start_runs(&mut self, live: &[Run], due: &mut Due) -> Result<(), StoreError> {
        let queue = self.store.run_queue(now())?;
        due.at_time(queue.next);
        let mut taken: HashSet<String> = live.iter().map(|run| run.session.clone()).collect();
        taken.extend(self.asks.sessions().map(str::to_owned));
        let slots = usize::try_from(self.loaded.config.max_runs).unwrap_or(usize::MAX);
        let mut left_over = 0;
        for waiting in &queue.due {
            if self.asks.has(&waiting.session) {
                continue;
            }
            if let Some(until) = self.asks.wait_of(&waiting.session, Instant::now()) {
                due.at(until);
            } else if taken.len() >= slots {
                left_over += 1;
            } else if self.start(waiting, due)? {
                taken.insert(waiting.session.clone());
            }
        }
        (self.status.running, self.status.waiting) = (taken.len(), left_over);
        self.make_room(live, left_over, due)
    }

    /// Asks for one run; false where the session's mailbox cannot be brought up to date first.
    fn start(&mut self, waiting: &Waiting, due: &mut Due) -> Result<bool, StoreError> {
        let Some(session) = self.session(&waiting.session)? else { return Ok(false) };
        match self.mailboxes.refresh(&mut self.store, &session) {
            Ok(()) => {
                self.recovered(&session.id);
                self.asks.ask(&session.id, waiting.cause);
                Ok(true)
            }
            Err(error) => {
                self.in_trouble(&session, error, due)?;
                self.asks.put_off(&session.id, Instant::now());
                due.maybe(self.asks.wait_of(&session.id, Instant::now()));
                Ok(false)
            }
        }
    }

    /// Asks the agents that have been idle longest to leave, one for each session that waits for a slot.
    fn make_room(&mut self, live: &[Run], wanted: usize, due: &mut Due) -> Result<(), StoreError> {
        let leaving = live.iter().filter(|run| run.leave_at.is_some()).count();
        let wanted = wanted.saturating_sub(leaving);
        if wanted == 0 {
            return Ok(());
        }
        let mut idle = Vec::new();
        for run in live {
            if let Some(since) = self.store.idle_since(&run.id)? {
                idle.push((since, run));
            }
        }
        idle.sort_by_key(|(since, _)| *since);
        let quiet_ms = i64::try_from(QUIET.as_millis()).unwrap_or(i64::MAX);
        for (since, run) in idle.into_iter().take(wanted) {
            let quiet_at = since.plus_ms(quiet_ms);
            if quiet_at > now() {
                due.at_time(Some(quiet_at));
            } else if self.store.ask_run_to_leave(&run.id, now())? {
                info!(session = run.session, run = run.id, "an idle agent is asked to leave: others wait");
                nc_daemon::ring(&self.installation().doorbell(Doorbell::Run(&run.session)));
            }
        }
        Ok(())
    }
}

/// The person whose message it is learns that it is kept, or the owners where the session has no chat.
fn say_trouble(store: &mut Store, session: &Session, error: &anyhow::Error) -> Result<(), StoreError> {
    let chat = session.chat.as_ref().map(|chat| chat.id);
    let text = if chat.is_some() {
        "I cannot hand your message to the agent right now. It is kept, and I try again; an owner finds the reason in the log \
         of nc-router."
            .to_owned()
    } else {
        format!("The mailbox of session {} cannot be written: {error:#}. It is tried again.", session.id)
    };
    let cause = format!("mailbox of session {}", session.id);
    store.say_notice(&NewNotice { chat, unit: "nc-router".to_owned(), text, cause })?;
    Ok(())
}
