//! What the gateway's requests and its owner know of each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::token::Token;
use super::trouble::Trouble;
use super::upstream::Upstream;

/// How often signs of life are told. The heartbeat is one of its readers, and is old after 10 s.
const SIGN_EVERY: Duration = Duration::from_secs(1);

/// The part that every connection has.
pub(super) struct Shared {
    pub(super) upstream: Upstream,
    pub(super) token: Token,
    /// How long the API may send nothing, and how long requests that fail one after another may go on.
    pub(super) silence: Duration,
    pub(super) signs: Notify,
    open: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since when nothing went well.
    failing_since: Option<Instant>,
    trouble: Option<Trouble>,
    first_byte: Option<Instant>,
    told: Option<Instant>,
}

/// A request that has no whole answer yet.
pub(super) struct Open(Arc<Shared>);

impl Open {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(super) fn new(upstream: Upstream, token: Token, silence: Duration) -> Self {
        Self { upstream, token, silence, signs: Notify::new(), open: AtomicUsize::new(0), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much longer requests may fail; nothing where they did so for too long.
    pub(super) fn patience(&self) -> Option<Duration> {
        let failing = self.state().failing_since.map_or(Duration::ZERO, |since| since.elapsed());
        self.silence.checked_sub(failing).filter(|left| !left.is_zero())
    }

    /// A request failed, and the last that went well was at `last_sign`.
    pub(super) fn failed(&self, last_sign: Instant, trouble: Trouble) {
        let mut state = self.state();
        state.failing_since.get_or_insert(last_sign);
        state.trouble = Some(trouble);
    }

    /// A request was answered to the end.
    pub(super) fn succeeded(&self) {
        let mut state = self.state();
        state.failing_since = None;
        state.trouble = None;
    }

    /// Something came from the API.
    pub(super) fn sign_of_life(&self, now: Instant) {
        let mut state = self.state();
        state.first_byte.get_or_insert(now);
        if state.told.is_none_or(|told| now >= told + SIGN_EVERY) {
            state.told = Some(now);
            self.signs.notify_one();
        }
    }

    /// Somebody waits for an answer from now on.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.failing_since = None;
        state.trouble = None;
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.state().trouble.clone()
    }

    pub(super) fn first_byte(&self) -> Option<Instant> {
        self.state().first_byte
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }
}
