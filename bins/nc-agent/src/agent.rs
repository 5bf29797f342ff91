//! The agent: between one mailbox and one provider, until it is told to leave or has nothing to do.

mod events;

use std::time::Duration;

use anyhow::Context as _;
use nc_model::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::desk::{Desk, Found, Tool, now};
use crate::failure::Failure;
use crate::in_flight::{Batch, InFlight};
use crate::mail::Mail;
use crate::provider::{Event, Provider};

/// How long a turn may go on after the agent was told to leave. The host kills after 10 s.
const HAND_BACK_AFTER: Duration = Duration::from_secs(8);

/// How long the provider may take to end, within the same 10 s.
const END_WITHIN: Duration = Duration::from_secs(1);

/// How many prompts a provider that folds gets before it has answered any: the rest can as well wait in the mailbox.
const MAX_IN_FLIGHT: usize = 4;

/// How long one waits before the next look at an `inbound.db` that could not be read, by how often that was so in a row:
/// no event tells when a torn file is whole again.
const LOOK_AGAIN_AFTER: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/// An agent at work.
pub(crate) struct Agent<P> {
    desk: Desk,
    provider: P,
    mail: Mail,
    terminate: Signal,
    interrupt: Signal,
    in_flight: InFlight,
    /// What failed and is pushed again at that time.
    retry: Option<(Instant, Batch)>,
    /// The tools in flight, oldest first.
    tools: Vec<Tool>,
    /// What works on beside the turns.
    background: Vec<Tool>,
    /// There may be mail that was not looked at.
    look: bool,
    /// When to look without being told.
    look_at: Option<Instant>,
    /// How many looks in a row met a torn or locked file.
    torn: usize,
    /// When something last happened.
    active: Instant,
    idle_timeout: Duration,
    /// It was told to leave, and does so by then.
    leave_by: Option<Instant>,
}

/// What ends a wait.
enum Wake {
    Event(Event),
    Mail,
    Due,
    Stop,
}

impl<P: Provider> Agent<P> {
    /// Sits down. From here on a signal is heard.
    pub(crate) fn new(desk: Desk, provider: P, mail: Mail, idle_timeout: Duration) -> anyhow::Result<Self> {
        Ok(Self {
            desk,
            provider,
            mail,
            terminate: signal(SignalKind::terminate()).context("listen to SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listen to SIGINT")?,
            in_flight: InFlight::default(),
            retry: None,
            tools: Vec::new(),
            background: Vec::new(),
            look: true,
            look_at: None,
            torn: 0,
            active: Instant::now(),
            idle_timeout,
            leave_by: None,
        })
    }

    /// Works until it is told to leave, or was idle for too long. What is unfinished then is given back.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        let ended = self.work().await;
        let given_back = self.desk.hand_back().context("give back what is unfinished").map_err(Failure::Again);
        if timeout(END_WITHIN, self.end_provider()).await.is_err() {
            warn!("the provider did not end within {} ms and is left to the sandbox's end", END_WITHIN.as_millis());
        }
        ended.and(given_back)
    }

    async fn end_provider(&mut self) {
        if self.has_work() {
            self.provider.interrupt().await;
        }
        self.provider.end().await;
    }

    async fn work(&mut self) -> Result<(), Failure> {
        loop {
            self.take().await.map_err(Failure::Again)?;
            if self.is_over() {
                return Ok(());
            }
            match self.wait().await {
                Wake::Event(Event::Unusable { text }) => return Err(self.unusable(text).await),
                Wake::Event(event) => self.handle(event).await.map_err(Failure::Again)?,
                Wake::Mail => self.look = true,
                Wake::Due => self.due().await,
                Wake::Stop => self.leave(),
            }
        }
    }

    fn has_work(&self) -> bool {
        !self.in_flight.is_empty() || self.retry.is_some() || !self.tools.is_empty() || !self.background.is_empty()
    }

    fn is_over(&self) -> bool {
        match self.leave_by {
            // What waits to be tried again can as well wait in the mailbox.
            Some(by) => self.in_flight.is_empty() || Instant::now() >= by,
            None => !self.has_work() && !self.look && self.active.elapsed() >= self.idle_timeout,
        }
    }

    fn leave(&mut self) {
        info!("told to leave{}", if self.in_flight.is_empty() { "" } else { ", finishing the turn" });
        self.leave_by.get_or_insert(Instant::now() + HAND_BACK_AFTER);
    }

    /// Takes rows while there are any and the provider can have more.
    async fn take(&mut self) -> anyhow::Result<()> {
        while self.look && self.can_take() {
            let found = self.desk.take().await.context("take from the mailbox")?;
            self.found(found).await;
        }
        Ok(())
    }

    fn can_take(&self) -> bool {
        let room = if self.provider.abilities().folds { MAX_IN_FLIGHT } else { 1 };
        self.leave_by.is_none() && self.retry.is_none() && self.in_flight.len() < room
    }

    async fn found(&mut self, found: Found) {
        if self.torn > 0 && !matches!(found, Found::Torn(_)) {
            info!("inbound.db can be read again");
            self.torn = 0;
        }
        match found {
            Found::Work(batch) => self.push(batch).await,
            Found::Unreadable => self.active = Instant::now(),
            Found::Nothing { next_due } => {
                self.look = false;
                let due = next_due.map(|due| Instant::now() + until(due));
                let every = self.mail.every.map(|every| Instant::now() + every);
                self.look_at = due.into_iter().chain(every).min();
            }
            Found::Torn(error) => self.look_again_later(error),
        }
    }

    async fn push(&mut self, batch: Batch) {
        self.active = Instant::now();
        self.desk.heartbeat();
        for prompt in &batch.prompts {
            self.provider.push(prompt).await;
        }
        self.in_flight.add(batch);
    }

    fn look_again_later(&mut self, error: impl Into<anyhow::Error>) {
        if self.torn == 0 {
            warn!("inbound.db cannot be read now, looking again: {:#}", error.into());
        }
        let pause = LOOK_AGAIN_AFTER[self.torn.min(LOOK_AGAIN_AFTER.len() - 1)];
        self.torn += 1;
        self.look = false;
        self.look_at = Some(Instant::now() + Duration::from_millis(pause));
    }

    async fn wait(&mut self) -> Wake {
        let until = self.next_time();
        let timer = async {
            match until {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.provider.next() => Wake::Event(event),
            () = self.mail.changed() => Wake::Mail,
            () = timer => Wake::Due,
            _ = self.terminate.recv(), if self.leave_by.is_none() => Wake::Stop,
            _ = self.interrupt.recv(), if self.leave_by.is_none() => Wake::Stop,
        }
    }

    /// When something is due that nobody tells of.
    fn next_time(&self) -> Option<Instant> {
        let idle = (!self.has_work()).then(|| self.active + self.idle_timeout);
        let retry = self.retry.as_ref().map(|(at, _)| *at);
        // A look that may not take anything is of no use: the end of the turn looks.
        let look = self.look_at.filter(|_| self.can_take());
        [idle, retry, look, self.leave_by].into_iter().flatten().min()
    }

    async fn due(&mut self) {
        let now = Instant::now();
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            self.look = true;
        }
        if let Some((_, batch)) = self.retry.take_if(|(at, _)| *at <= now) {
            self.push(batch).await;
        }
    }
}

fn until(due: Timestamp) -> Duration {
    Duration::from_millis(due.ms_since(now()))
}

#[cfg(test)]
mod tests;
