//! A channel's two ways: what people wrote into the store, what is due out to the platform.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nc_model::retry::{MAX_SEND_ATTEMPTS, send_retry_delay};
use nc_model::{ChatId, SendLevel, Timestamp};
use nc_store::{Ended, Leased, NewMessage, Recorded, SendEnd, Store, StoreError, now};

use crate::{Action, Outcome, Part, Platform, Resolution, plan, way};

/// How long a part stays this program's before it must be begun. A guess: longer than the sends before it in a batch.
const LEASE: Duration = Duration::from_secs(60);

/// How many chats are taken at once.
const BATCH: usize = 16;

/// The longest that a call of the platform may take; after it nobody knows. A first send of one platform was seen to
/// hang for 89 s on a dead socket.
const SEND_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a busy store is asked again before the program gives up (exit 75).
const PATIENCE: Duration = Duration::from_secs(30);

/// One channel instance (`slack:acme`, `terminal`), or one chat of it.
#[derive(Debug)]
pub struct Channel {
    name: String,
    only: Option<ChatId>,
    store: Store,
    router: PathBuf,
    /// Whether the router was rung for what an earlier program of this channel stored and did not tell.
    told: bool,
}

/// Why a channel cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Parts that the platform has.
    pub sent: u32,
    /// Parts to be tried again.
    pub retried: u32,
    /// Parts of which nobody knows.
    pub unknown: u32,
    /// Parts that never will be sent.
    pub dead: u32,
    /// When something is due that was not.
    pub next_due: Option<Timestamp>,
}

impl Channel {
    /// The channel instance `name`, over `store`, whose router is rung at `router`.
    #[must_use]
    pub fn new(name: impl Into<String>, store: Store, router: PathBuf) -> Self {
        Self { name: name.into(), only: None, store, router, told: false }
    }

    /// Only one chat of the channel is looked after.
    #[must_use]
    pub fn only(self, chat: ChatId) -> Self {
        Self { only: Some(chat), ..self }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The store, to write what is the channel's own: chats, users.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Commits `messages`, at most 100, and rings the router. Acknowledge them to the platform after this, not before.
    ///
    /// # Errors
    /// [`ChannelError`] where they were not stored: nothing of them was. A store that stays busy is asked for 30 s.
    pub async fn receive(&mut self, messages: &[NewMessage]) -> Result<Vec<Recorded>, ChannelError> {
        let recorded = patiently(&mut self.store, |store| store.record_batch(messages)).await?;
        // Before anybody is told: what follows from it is logged after it.
        way::received(&self.name, messages, &recorded);
        nc_daemon::ring(&self.router);
        Ok(recorded)
    }

    /// Puts in order what a program of this channel left behind that died. Call it before the first pass, and only while
    /// no other program sends for the channel (or the chat). The first call rings the router: that program may have died
    /// after it had stored a message.
    ///
    /// # Errors
    /// [`ChannelError`] where the store refused.
    pub async fn recover(&mut self, platform: &mut impl Platform) -> Result<Pass, ChannelError> {
        if !std::mem::replace(&mut self.told, true) {
            nc_daemon::ring(&self.router);
        }
        let (name, only) = (self.name.clone(), self.only);
        if self.store.has_leased_sends(&name, only)? {
            patiently(&mut self.store, |store| store.give_back_sends(&name, only, now())).await?;
        }
        let mut pass = Pass::default();
        for leased in self.store.sends_in_hand(&name, only)? {
            let end = match action(&leased, platform) {
                Ok(Some((action, _))) => resolved(platform.resolve(Part { leased: &leased, action: &action }).await),
                Ok(None) => nothing_to_do(),
                Err(error) => SendEnd::Dead { error },
            };
            self.end(&leased, &end, &mut pass).await?;
        }
        Ok(pass)
    }

    /// Sends everything that is due, chat by chat in order, until nothing is.
    ///
    /// # Errors
    /// [`ChannelError`] where the store refused; what was being sent then is found by [`Channel::recover`].
    pub async fn pass(&mut self, platform: &mut impl Platform) -> Result<Pass, ChannelError> {
        let (name, only) = (self.name.clone(), self.only);
        let mut pass = Pass::default();
        loop {
            let begun = now();
            let until = begun.plus_ms(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX));
            let batch = patiently(&mut self.store, |store| store.lease_sends(&name, only, begun, until, BATCH)).await?;
            if batch.is_empty() {
                pass.next_due = self.store.next_send_due(&name, begun)?;
                return Ok(pass);
            }
            for leased in batch {
                self.send(&leased, platform, &mut pass).await?;
            }
        }
    }

    async fn send(
        &mut self,
        leased: &Leased,
        platform: &mut impl Platform,
        pass: &mut Pass,
    ) -> Result<(), ChannelError> {
        let (action, parts) = match action(leased, platform) {
            Ok(Some(found)) => found,
            Ok(None) => return self.end(leased, &nothing_to_do(), pass).await,
            Err(error) => return self.end(leased, &SendEnd::Dead { error }, pass).await,
        };
        if leased.part == 0 && parts > 1 {
            patiently(&mut self.store, |store| store.add_parts(leased, parts, now())).await?;
        }
        if !patiently(&mut self.store, |store| store.begin_send(leased, now())).await? {
            return Ok(());
        }
        let sending = platform.send(Part { leased, action: &action });
        let outcome = tokio::time::timeout(SEND_TIMEOUT, sending).await.unwrap_or_else(|_| Outcome::Unknown {
            error: format!("the platform did not answer within {} s", SEND_TIMEOUT.as_secs()),
        });
        self.end(leased, &ended(outcome, leased.attempts + 1), pass).await
    }

    async fn end(&mut self, leased: &Leased, end: &SendEnd, pass: &mut Pass) -> Result<(), ChannelError> {
        let ended = patiently(&mut self.store, |store| store.end_send(leased, end, now())).await?;
        let Ended::Yes(reported) = ended else { return Ok(()) };
        way::ended(&self.store, leased, end);
        match end {
            SendEnd::Sent { .. } => pass.sent += 1,
            SendEnd::Retry { .. } => pass.retried += 1,
            SendEnd::Unknown { .. } => pass.unknown += 1,
            SendEnd::Dead { .. } => pass.dead += 1,
        }
        if reported.router {
            nc_daemon::ring(&self.router);
        }
        Ok(())
    }
}

/// What this part is to do and how many parts there are; none where there is nothing to do.
fn action(leased: &Leased, platform: &impl Platform) -> Result<Option<(Action, u32)>, String> {
    let actions = plan(leased.kind, &leased.content, platform.capabilities()).map_err(|e| e.to_string())?;
    let parts = u32::try_from(actions.len()).unwrap_or(u32::MAX);
    let mine = usize::try_from(leased.part).ok().and_then(|part| actions.into_iter().nth(part));
    Ok(mine.map(|action| (action, parts)))
}

/// A part without anything to do on this platform is done.
fn nothing_to_do() -> SendEnd {
    SendEnd::Sent { platform_message_id: None, level: SendLevel::Accepted }
}

/// How a send ended that failed `failures` times with this one, where it did not succeed.
fn ended(outcome: Outcome, failures: u32) -> SendEnd {
    match outcome {
        Outcome::Sent { platform_message_id, level } => SendEnd::Sent { platform_message_id, level },
        Outcome::NotTaken { error, .. } if failures >= MAX_SEND_ATTEMPTS => {
            SendEnd::Dead { error: format!("given up after {failures} attempts: {error}") }
        }
        Outcome::NotTaken { error, wait } => {
            let delay = send_retry_delay(failures).max(wait.unwrap_or_default());
            SendEnd::Retry { error, at: now().plus_ms(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)) }
        }
        Outcome::Unknown { error } => SendEnd::Unknown { error },
        Outcome::Refused { error } => SendEnd::Dead { error },
    }
}

fn resolved(resolution: Resolution) -> SendEnd {
    match resolution {
        Resolution::Arrived { platform_message_id } => {
            SendEnd::Sent { platform_message_id, level: SendLevel::Accepted }
        }
        Resolution::NotArrived => {
            SendEnd::Retry { error: "the program died before the platform had it".to_owned(), at: now() }
        }
        Resolution::Unknown => SendEnd::Unknown {
            error: "the program died while it was sending, and the platform cannot be asked".to_owned(),
        },
    }
}

/// Asks a busy store again after 10 to 100 ms, for at most [`PATIENCE`].
async fn patiently<T>(
    store: &mut Store,
    mut ask: impl FnMut(&mut Store) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let begun = Instant::now();
    loop {
        match ask(store) {
            Err(error) if error.is_busy() && begun.elapsed() < PATIENCE => tokio::time::sleep(pause()).await,
            done => return done,
        }
    }
}

/// 10 to 100 ms, different for programs that were refused together.
fn pause() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(10 + u64::from(since.subsec_micros()) % 90)
}
