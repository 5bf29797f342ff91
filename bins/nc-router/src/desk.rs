//! What the router knows while it runs, and what it waits for.

use std::collections::HashMap;
use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nc_config::{Doorbell, Installation, Loaded};
use nc_daemon::{Daemon, Failure, Lock, LockError, Wakeup, lock};
use nc_store::{Exit, Session, Store, StoreError};
use tracing::{info, warn};

use crate::asks::{Asks, Heard};
use crate::backoff::Backoff;
use crate::mailboxes::Mailboxes;
use crate::orphans::Orphans;
use crate::rules::Rules;
use crate::tell::ring_channel;

/// How long a router that may leave stays without work. DESIGN.md, "Doorbells".
const LINGER: Duration = Duration::from_secs(30);

/// A router with something due sooner than this stays for it. DESIGN.md, "Who stays".
const SOON: Duration = Duration::from_secs(90);

/// The router at work.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) loaded: Loaded,
    pub(crate) store: Store,
    pub(crate) rules: Rules,
    pub(crate) mailboxes: Mailboxes,
    /// Sessions whose mailbox could not be written, and when it is tried again.
    pub(crate) troubled: HashMap<String, Trouble>,
    pub(crate) asks: Asks,
    pub(crate) orphans: Orphans,
    /// What the runner said since the last pass and the store must know.
    pub(crate) heard: Vec<Heard>,
    /// When the mailboxes were filled last.
    pub(crate) filled_at: Option<Instant>,
    pub(crate) status: Status,
    _lock: Lock,
}

/// A mailbox that cannot be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    wait: Option<Backoff>,
    since: Instant,
    /// Whether the person was told.
    pub(crate) told: bool,
}

impl Trouble {
    /// Not yet failed; [`Trouble::again`] counts the first failure too.
    pub(crate) fn first(now: Instant) -> Self {
        Self { wait: None, since: now, told: false }
    }

    pub(crate) fn again(&mut self, now: Instant) {
        match &mut self.wait {
            Some(wait) => wait.again(now),
            None => self.wait = Some(Backoff::first(now)),
        }
    }

    pub(crate) fn until(&self) -> Instant {
        self.wait.as_ref().map_or(self.since, Backoff::until)
    }

    pub(crate) fn is_longest(&self) -> bool {
        self.wait.as_ref().is_some_and(Backoff::is_longest)
    }
}

/// What the router is doing, in a line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Status {
    pub(crate) sessions: u64,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) troubled: usize,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, running, waiting, troubled } = self;
        write!(f, "{sessions} sessions, {running} running, {waiting} waiting")?;
        if *troubled > 0 {
            write!(f, ", {troubled} whose mailbox cannot be written")?;
        }
        Ok(())
    }
}

/// What ended the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The daemon's own reasons.
    Daemon(Wakeup),
    /// A runner said something, or a run without a connection may be over.
    Run,
}

impl Desk {
    /// Takes the installation's lock, which one router has, and opens the store.
    pub(crate) fn open(loaded: Loaded) -> Result<Self, Failure> {
        let installation = &loaded.installation;
        let run_dir = installation.run_dir();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(run_dir)
            .with_context(|| format!("make {}", run_dir.display()))
            .map_err(Failure::of_system)?;
        let lock = lock(&installation.lock_file("router")).map_err(|error| match error {
            LockError::Held { .. } => {
                Failure::again(anyhow::Error::new(error).context("another router serves this installation"))
            }
            LockError::Io { .. } => Failure::of_system(error),
        })?;
        let store = Store::open(&installation.store_file()).map_err(store_failure)?;
        let sessions = store.count_sessions().map_err(store_failure)?;
        Ok(Self {
            rules: Rules::new(&loaded.config),
            mailboxes: Mailboxes::new(installation.clone()),
            asks: Asks::new(installation.runner_socket()),
            orphans: Orphans::new().context("watch the sessions' locks")?,
            store,
            troubled: HashMap::new(),
            heard: Vec::new(),
            filled_at: None,
            status: Status { sessions, ..Status::default() },
            loaded,
            _lock: lock,
        })
    }

    pub(crate) fn installation(&self) -> &Installation {
        &self.loaded.installation
    }

    /// Where the router is rung.
    pub(crate) fn bell(&self) -> PathBuf {
        self.installation().doorbell(Doorbell::Router)
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// Rolls back what an earlier router left in the mailboxes of running agents, and rings whoever it may have owed a ring:
    /// it may have died after a commit. The first pass finds the rest by query.
    pub(crate) fn recover(&mut self) -> Result<(), Failure> {
        for channel in self.store.channels_with_sends().map_err(store_failure)? {
            ring_channel(self.installation(), &channel);
        }
        nc_daemon::ring(&self.installation().doorbell(Doorbell::Ipcd));
        for run in self.store.live_runs().map_err(store_failure)? {
            if run.leave_at.is_some() {
                nc_daemon::ring(&self.installation().doorbell(Doorbell::Run(&run.session)));
            }
            let Some(session) = self.store.session(&run.session).map_err(store_failure)? else { continue };
            if let Err(error) = self.mailboxes.settle(&session) {
                warn!(
                    session = session.id,
                    "the mailbox of a running agent stays as an earlier router left it: {error:#}"
                );
            }
        }
        Ok(())
    }

    /// Puts what waits for one session into its mailbox and leaves: for a run by hand where no router serves.
    pub(crate) fn place_one(&mut self, id: &str) -> Result<(), Failure> {
        let session = self.store.session(id).map_err(store_failure)?;
        let session = session.ok_or_else(|| Failure::failed(anyhow::anyhow!("there is no session {id:?}")))?;
        let placed = self.route_all().map(|()| self.place_session_whole(&session));
        placed.map_err(store_failure)?.context("put into the mailbox what waits")?;
        Ok(())
    }

    /// Takes a new configuration; the paths of the installation stay those of the start.
    pub(crate) fn reload(&mut self, loaded: Loaded, daemon: &Daemon) {
        if loaded.installation != self.loaded.installation {
            warn!("directories have changed in the configuration: they count from the next start on");
        }
        daemon.log_level(loaded.config.log_level.as_str());
        self.rules = Rules::new(&loaded.config);
        self.loaded.config = loaded.config;
        info!("took a new configuration");
    }

    /// How long the router may stay without work before it leaves; none where it stays.
    pub(crate) fn idle_after(&self, due: Option<Instant>) -> Option<Duration> {
        let soon = due.is_some_and(|at| at < Instant::now() + SOON);
        let busy = soon || self.status.running > 0 || self.asks.sessions().next().is_some();
        (self.loaded.config.idle_exit && !busy).then_some(LINGER)
    }

    /// Waits until there is a reason for a pass.
    pub(crate) async fn wait(&mut self, daemon: &mut Daemon, due: Option<Instant>) -> Woken {
        let woken = tokio::select! {
            biased;
            said = self.asks.next() => {
                let heard = self.asks.heard(said, Instant::now());
                self.heard.push(heard);
                Woken::Run
            }
            () = self.orphans.closed() => Woken::Run,
            wakeup = daemon.wait(due) => Woken::Daemon(wakeup),
        };
        while let Some(said) = self.asks.another() {
            let heard = self.asks.heard(said, Instant::now());
            self.heard.push(heard);
        }
        woken
    }

    /// A session that must be there, since a row refers to it.
    pub(crate) fn session(&self, id: &str) -> Result<Option<Session>, StoreError> {
        self.store.session(id)
    }
}

/// The end of the program by what the store says.
pub(crate) fn store_failure(error: StoreError) -> Failure {
    match error.exit() {
        Exit::Look => Failure::config(error),
        Exit::Again => Failure::again(error),
    }
}
