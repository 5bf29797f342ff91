//! What a program asks of being a daemon: say that it is ready, wait, be told why it woke.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;

use crate::bell::{Bell, BellError};
use crate::signals::{Signal, Signals};
use crate::timer::Timer;
use crate::watchdog::Watchdog;
use crate::{NotifyState, inherited, logs, notify};

/// Why [`Daemon::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// The bell rang; it has been drained: read the store.
    Doorbell,
    /// The time that was waited for has come, or the clock was set: look what is due by it now.
    Due,
    /// SIGHUP: read the configuration again. The init system is told, and that it is done at the next [`Daemon::wait`].
    Reload,
    /// SIGTERM or SIGINT, or the supervisor died: finish and return.
    Stop,
    /// Nothing happened for as long as [`Daemon::set_idle`] says: return at once and read nothing more.
    Idle,
}

/// The program's side of its init system.
#[derive(Debug)]
pub struct Daemon {
    level: logs::Level,
    signals: Signals,
    timer: Timer,
    watchdog: Watchdog,
    bell: Option<Arc<Bell>>,
    connection: Option<OwnedFd>,
    supervised: bool,
    idle: Option<Duration>,
    reloading: bool,
}

impl Daemon {
    pub(crate) fn new(
        level: logs::Level,
        (signals, timer): (Signals, Timer),
        bell: Option<Arc<Bell>>,
        connection: Option<OwnedFd>,
        supervised: bool,
    ) -> Self {
        let watchdog = Watchdog::from_environment();
        Self { level, signals, timer, watchdog, bell, connection, supervised, idle: None, reloading: false }
    }

    /// Says that everything that can be wrong with the configuration was tried, and the work begins.
    pub fn ready(&self) {
        notify(&[NotifyState::Ready]);
    }

    /// Says in a line what the program is doing, for `systemctl status`.
    pub fn status(&self, line: fmt::Arguments<'_>) {
        notify(&[NotifyState::Status(&line.to_string().replace('\n', " "))]);
    }

    /// Sets which log lines are written: `error`, `warn`, `info` (the level at start), `debug` or `trace`.
    pub fn log_level(&self, level: &str) {
        self.level.set(level);
    }

    /// Has the program listen at its doorbell: the inherited socket where there is one, else one of its own at `path`.
    ///
    /// Call it before the store is read for the first time.
    ///
    /// # Errors
    /// [`BellError`] where no socket can be made at `path`.
    pub fn bell(&mut self, path: &Path) -> Result<(), BellError> {
        if self.bell.is_none() {
            self.bell = Some(Arc::new(Bell::bind(path)?));
        }
        Ok(())
    }

    /// The connection that this process was started for, once: a stream socket by `Accept=yes`, or standard input as
    /// inetd and launchd pass it (`/dev/null` is then left there). `None` where there is no such thing.
    pub fn connection(&mut self) -> Option<UnixStream> {
        let passed = self.connection.take().map(std::os::unix::net::UnixStream::from);
        let stream = match passed {
            Some(stream) => Some(stream),
            None => inherited::standard_input().ok().flatten(),
        }?;
        stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream)).ok()
    }

    /// Lets the program leave after so long without anything to do; `None`, the start, keeps it.
    ///
    /// Heeded only where somebody else holds the doorbell and starts the program again when it rings. Under a
    /// supervisor, and with a doorbell of its own, the program stays.
    pub fn set_idle(&mut self, after: Option<Duration>) {
        self.idle = after;
    }

    /// Waits for the next thing to do, and gives systemd its sign of life in between.
    ///
    /// When the bell rang it is drained before this returns. `due` in the past returns at once, but never before a
    /// signal or a ring. Nothing is lost when the future is dropped.
    pub async fn wait(&mut self, due: Option<Instant>) -> Wakeup {
        if std::mem::take(&mut self.reloading) {
            self.ready();
        }
        let idle = self.may_idle().and_then(|after| Instant::now().checked_add(after));
        // A program that always has something due would else never see its signals.
        tokio::task::yield_now().await;
        loop {
            self.watchdog.feed();
            let next = [due, idle, self.watchdog.due()].into_iter().flatten().min();
            tokio::select! {
                biased;
                signal = self.signals.next() => return match signal {
                    Signal::Stop | Signal::Interrupt => Wakeup::Stop,
                    Signal::Reload => {
                        self.reloading = true;
                        notify::reloading();
                        Wakeup::Reload
                    }
                },
                () = rung(self.bell.as_deref()) => return Wakeup::Doorbell,
                () = self.timer.clock_was_set() => return Wakeup::Due,
                () = self.timer.at(next) => match next {
                    _ if next == due => return Wakeup::Due,
                    _ if next == idle => return Wakeup::Idle,
                    _ => {}
                },
            }
        }
    }

    fn may_idle(&self) -> Option<Duration> {
        let held_for_us = self.bell.as_ref().is_some_and(|bell| !bell.is_own());
        self.idle.filter(|_| held_for_us && !self.supervised)
    }
}

async fn rung(bell: Option<&Bell>) {
    match bell {
        Some(bell) => bell.rung().await,
        None => std::future::pending().await,
    }
}
