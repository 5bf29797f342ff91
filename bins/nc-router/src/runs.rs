//! Runs: asked for in order and within the limit, and judged when they are over.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nc_config::Doorbell;
use nc_model::{RoutingOutcome, SessionStatus};
use nc_store::{NewNotice, Run, Settlement, StoreError, Waiting, now};
use tracing::{info, warn};

use crate::asks::Heard;
use crate::desk::Desk;
use crate::judge::{Ending, Judgements, words_after, words_refused};
use crate::mailboxes::MailError;
use crate::pass::{Due, chain};
use crate::place::lock_file;
use crate::tell::ring_channel;
use crate::way;

/// How long an agent must have had nothing to do before it is asked to leave for another session. A guess: a person who
/// answers at once still meets it.
const QUIET: Duration = Duration::from_secs(1);

impl Desk {
    /// What the runner said that the store must know.
    pub(crate) fn take_heard(&mut self) -> Result<(), StoreError> {
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
        self.settle(&Settlement { session: session.to_owned(), run: None, work, inbox, words, at: now() })
    }

    /// Decides what becomes of what ended runs left undone.
    pub(crate) fn judge_ended(&mut self) -> Result<(), StoreError> {
        for run in self.store.runs_to_judge()? {
            let took = self.store.run_took_work(&run)?;
            let undone = self.store.undone(&run.session)?;
            let Judgements { work, inbox } = Ending::of(&run, took, now()).judge(&undone);
            let words = words_after(&run);
            let (session, id) = (run.session.clone(), Some(run.id.clone()));
            self.settle(&Settlement { session, run: id, work, inbox, words, at: now() })?;
        }
        Ok(())
    }

    fn settle(&mut self, settlement: &Settlement) -> Result<(), StoreError> {
        let settled = self.store.settle(settlement)?;
        let Settlement { session, run, words, .. } = settlement;
        way::ended(session, run.as_deref(), &settled.messages, words);
        let rows = usize::try_from(settled.failed).unwrap_or(usize::MAX);
        let messages = settled.messages.iter().filter(|message| message.outcome == RoutingOutcome::Failed).count();
        if rows > messages {
            let (message_id, rows) = (nc_model::event::MESSAGE_FAILED, rows - messages);
            warn!(
                message_id,
                session, run, rows, "rows that are no messages are given up, and the person is told: {words}"
            );
        }
        for channel in &settled.channels {
            ring_channel(&self.loaded.installation, channel);
        }
        Ok(())
    }

    /// Ends in the store the runs whose session's lock is free.
    pub(crate) fn find_lost(&mut self) -> Result<(), StoreError> {
        for lost in self.orphans.lost(Instant::now()) {
            if self.store.lose_run(&lost.run, now(), "its runner went away without a word")? {
                warn!(
                    message_id = nc_model::event::RUN_LOST,
                    run = lost.run,
                    "a run is lost: its runner went away without a word"
                );
                nc_daemon::ring(&self.installation().doorbell(Doorbell::Ipcd));
            }
        }
        Ok(())
    }

    /// Watches the live runs that have no connection to us.
    pub(crate) fn watch_unconnected(&mut self, live: &[Run]) -> Result<(), StoreError> {
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
                    warn!(run = run.id, "whether a run is lost cannot be seen: {}", chain(&error));
                }
            }
        }
        Ok(())
    }

    /// Shows running agents what they may write to, where that has changed.
    pub(crate) fn project(&mut self, live: &[Run]) -> Result<(), StoreError> {
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

    /// Asks the agents of closed sessions to leave, once they have ended what they took.
    pub(crate) fn dismiss(&mut self, live: &[Run]) -> Result<(), StoreError> {
        for run in live.iter().filter(|run| run.leave_at.is_none()) {
            let closed = self.session(&run.session)?.is_some_and(|session| session.status == SessionStatus::Closed);
            if closed && self.store.idle_since(&run.id)?.is_some() && self.store.ask_run_to_leave(&run.id, now())? {
                info!(session = run.session, run = run.id, "an agent is asked to leave: its session is closed");
                nc_daemon::ring(&self.installation().doorbell(Doorbell::Run(&run.session)));
            }
        }
        Ok(())
    }

    /// Asks for runs of the sessions that wait, the one that waits longest first, while there are slots.
    pub(crate) fn start_runs(&mut self, live: &[Run], due: &mut Due) -> Result<(), StoreError> {
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
            // A time to come was written before the clock was set back.
            if quiet_at > now() && since <= now() {
                due.at_time(Some(quiet_at));
            } else if self.store.ask_run_to_leave(&run.id, now())? {
                info!(session = run.session, run = run.id, "an idle agent is asked to leave: others wait");
                nc_daemon::ring(&self.installation().doorbell(Doorbell::Run(&run.session)));
            }
        }
        Ok(())
    }
}
