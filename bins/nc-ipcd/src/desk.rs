//! The sessions at work, and the looks at them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nc_config::{Doorbell, Installation};
use nc_daemon::{Daemon, Failure, Lock, LockError};
use nc_store::{Run, Store, StoreError, now};
use nc_wire::snapshot::Look;
use nc_wire::watch::LiveWatch;
use nix::time::{ClockId, clock_gettime};
use tracing::{info, warn};

use crate::bells::{ring_after, ring_at_start, ring_router};
use crate::intake::{Intake, IntakeError, take_in};
use crate::live::{AgentFile, Live};
use crate::media::Media;
use crate::readiness::Readiness;
use crate::{look, patience, reach, troubles};

/// How often a session is looked at where nothing tells of changes; the wire's number.
const WITHOUT_WATCH: Duration = Duration::from_millis(500);

/// The pause between two transactions of one session's backlog. STORE.md.
const BETWEEN_BATCHES: Duration = Duration::from_millis(2);

/// How long the program stays without a session at work. DESIGN.md: a unit behind a socket lingers 30 s.
const LINGER: Duration = Duration::from_secs(30);

/// How long a predecessor may take to end.
const HANDOVER: Duration = Duration::from_secs(2);

/// How long the last pass may take: what is left then is taken in at the next start.
const LAST_PASS: Duration = Duration::from_secs(5);
const LAST_PAUSE: Duration = Duration::from_millis(5);

/// Everything that the program works with.
#[derive(Debug)]
pub(crate) struct Desk {
    _lock: Lock,
    store: Store,
    installation: Installation,
    watch: LiveWatch<String>,
    media: Media,
    readiness: Readiness,
    sessions: BTreeMap<String, Live>,
    runs_changed: bool,
    taken: u64,
    refused: u64,
    shown: String,
}

impl Desk {
    /// Takes the installation's lock and its bell, opens the store and begins to watch.
    pub(crate) fn open(installation: Installation, daemon: &mut Daemon) -> Result<Self, Failure> {
        let run_dir = installation.run_dir();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(run_dir);
        made.with_context(|| format!("make {}", run_dir.display())).map_err(Failure::of_system)?;
        let lock = nc_daemon::lock_within(&installation.lock_file("ipcd"), HANDOVER).map_err(|error| match error {
            LockError::Held { .. } => Failure::again(error),
            LockError::Io { .. } => Failure::of_system(error),
        })?;
        daemon.bell(&installation.doorbell(Doorbell::Ipcd)).map_err(Failure::config)?;
        let store = Store::open(&installation.store_file()).map_err(patience::failure)?;
        let watch = LiveWatch::new().context("watch for changes (fs.inotify.max_user_instances may be too low)")?;
        let readiness = Readiness::of(watch.as_fd()).context("watch for changes")?;
        let media = Media::new(&installation);
        Ok(Self {
            _lock: lock,
            media,
            store,
            installation,
            watch,
            readiness,
            sessions: BTreeMap::new(),
            runs_changed: true,
            taken: 0,
            refused: 0,
            shown: String::new(),
        })
    }

    /// Rings whoever an earlier process may have owed a ring.
    pub(crate) fn ring_at_start(&self) -> Result<(), StoreError> {
        ring_at_start(&self.installation, &self.store)
    }

    /// Some run may have begun or ended.
    pub(crate) fn runs_changed(&mut self) {
        self.runs_changed = true;
    }

    /// Shows how things stand, where that has changed.
    pub(crate) fn show(&mut self, daemon: &Daemon) {
        let now = self.to_string();
        if now != self.shown {
            daemon.status(format_args!("{now}"));
            self.shown = now;
        }
    }

    /// Waits until an agent has written something. Nothing is lost when the future is dropped.
    pub(crate) async fn changed(&self) {
        self.readiness.readable().await;
    }

    /// When a session is next to be looked at without being told.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.sessions.values().filter_map(Live::due).min()
    }

    /// How long the program stays where nothing happens; for ever while anybody is at work.
    pub(crate) fn idle_after(&self) -> Option<Duration> {
        self.sessions.is_empty().then_some(LINGER)
    }

    /// Does everything that is there to be done now.
    pub(crate) fn pass(&mut self) -> Result<(), StoreError> {
        self.media.tidy(&self.store)?;
        if self.runs_changed {
            self.look_at_runs()?;
            self.runs_changed = false;
        }
        self.note_changes();
        let now = Instant::now();
        let due = |live: &Live| live.due().is_some_and(|due| due <= now);
        let due: Vec<String> =
            self.sessions.iter().filter(|(_, live)| due(live)).map(|(session, _)| session.clone()).collect();
        for session in due {
            self.look(&session)?;
        }
        Ok(())
    }

    /// Takes in what is there, and waits a little for files that are locked.
    pub(crate) async fn last_pass(&mut self) -> Result<(), StoreError> {
        let deadline = Instant::now() + LAST_PASS;
        loop {
            self.runs_changed = true;
            self.sessions.values_mut().for_each(Live::look_at_once);
            self.pass()?;
            let unfinished = self.sessions.values().filter(|live| live.unfinished).count();
            if unfinished == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                warn!("{unfinished} sessions could not be taken in; the next start does it");
                return Ok(());
            }
            tokio::time::sleep(LAST_PAUSE).await;
        }
    }

    /// Brings the list of sessions up to date: those with a run that lives, or whose last word is not taken in.
    fn look_at_runs(&mut self) -> Result<(), StoreError> {
        let mut by_session: BTreeMap<String, Vec<Run>> = BTreeMap::new();
        for run in self.store.uncollected_runs()? {
            by_session.entry(run.session.clone()).or_default().push(run);
        }
        let gone: Vec<String> = self.sessions.keys().filter(|id| !by_session.contains_key(*id)).cloned().collect();
        for session in gone {
            self.forget(&session);
        }
        for (session, runs) in by_session {
            self.session_stands(&session, runs)?;
        }
        Ok(())
    }

    fn session_stands(&mut self, session: &str, runs: Vec<Run>) -> Result<(), StoreError> {
        let ended: Vec<String> = runs.iter().filter(|r| r.ended_at.is_some()).map(|r| r.id.clone()).collect();
        // They come in the order of their starts; the one that lives is the last to have begun.
        let Some(newest) = runs.into_iter().next_back() else { return Ok(()) };
        if !self.sessions.contains_key(session) {
            let (found, plan) = (self.store.session(session)?, self.store.run_plan(session)?);
            let (Some(found), Some(plan)) = (found, plan) else { return self.collect_nobodys(session, &ended) };
            let work = self.installation.session_dir(found.group, session).work_dir;
            self.sessions.insert(session.to_owned(), Live::new(found, plan, newest.clone(), work));
        }
        if let Some(live) = self.sessions.get_mut(session) {
            live.stands(newest, ended);
            watch_changes(&mut self.watch, live);
        }
        Ok(())
    }

    /// The group of a session was removed: what its agent wrote is nobody's.
    fn collect_nobodys(&mut self, session: &str, ended: &[String]) -> Result<(), StoreError> {
        for run in ended {
            if self.store.collect_run(run, now())? {
                warn!(%session, %run, "a run of a group that is not there any more ended; what its agent wrote is left alone");
                ring_router(&self.installation);
            }
        }
        Ok(())
    }

    fn forget(&mut self, session: &str) {
        self.watch.remove(&session.to_owned());
        self.sessions.remove(session);
    }

    /// Marks the sessions that have changed.
    fn note_changes(&mut self) {
        let (changed, all) = match self.watch.changes() {
            Ok(changes) => (changes.keys, changes.overflow),
            Err(error) => {
                warn!("cannot hear of changes, every session is looked at: {error}");
                (BTreeSet::new(), true)
            }
        };
        if all {
            info!("there were more changes than could be heard of; every session is looked at");
        }
        let now = Instant::now();
        for (session, live) in &mut self.sessions {
            if all || changed.contains(session) {
                live.look_at(now);
            }
        }
    }

    /// Looks at one session and takes in what is new.
    fn look(&mut self, session: &str) -> Result<(), StoreError> {
        let Some(live) = self.sessions.get_mut(session) else { return Ok(()) };
        let began = processor_time();
        live.begin_look();
        if !self.watch.contains(&live.session.id) {
            watch_changes(&mut self.watch, live);
        }
        let looked = self.look_and_take(session);
        if let Some(live) = self.sessions.get_mut(session) {
            if looked.is_err() {
                live.look_at(Instant::now());
            }
            live.end_look(processor_time().saturating_sub(began));
        }
        looked
    }

    fn look_and_take(&mut self, session: &str) -> Result<(), StoreError> {
        let Some(live) = self.sessions.get_mut(session) else { return Ok(()) };
        if live.file == AgentFile::GivenUp {
            return self.collect(session);
        }
        let found = match look::read(&live.work, live.last.as_ref()) {
            Ok(found) => found,
            Err(error) => return self.cannot_read(session, &error),
        };
        if matches!(found, Look::Busy) {
            let so_long = live.is_busy();
            troubles::busy(&mut self.store, &self.installation, live, so_long)?;
            return if live.file == AgentFile::GivenUp { self.collect(session) } else { Ok(()) };
        }
        live.was_free();
        if let Look::Snapshot(snapshot) = found {
            let Intake { taken, whole, no_room } =
                match take_in(&mut self.store, &self.installation, &mut self.media, live, &snapshot) {
                    Ok(done) => done,
                    Err(IntakeError::Store(error)) => return Err(error),
                    Err(IntakeError::Copy(error)) => return self.cannot_read(session, &error),
                };
            self.taken += u64::from(taken.deliveries);
            self.refused += u64::from(taken.refusals);
            ring_after(&self.installation, &taken);
            if let Some(error) = no_room {
                troubles::no_room(live, &error);
                return Ok(());
            }
            if !whole {
                live.unfinished = true;
                live.look_at(Instant::now() + BETWEEN_BATCHES);
                return Ok(());
            }
            live.last = Some(snapshot.fingerprint().clone());
            live.was_whole();
        }
        live.complaint = None;
        live.unfinished = false;
        troubles::renewed(&mut self.store, live)?;
        self.collect(session)
    }

    fn cannot_read(&mut self, session: &str, error: &nc_wire::snapshot::SnapshotError) -> Result<(), StoreError> {
        let Some(live) = self.sessions.get_mut(session) else { return Ok(()) };
        troubles::unreadable(&mut self.store, &self.installation, live, error)?;
        if live.file == AgentFile::GivenUp { self.collect(session) } else { Ok(()) }
    }

    /// Says of the runs that had ended before this look that nothing more is to come of them.
    fn collect(&mut self, session: &str) -> Result<(), StoreError> {
        let Some(live) = self.sessions.get_mut(session) else { return Ok(()) };
        while let Some(run) = live.ended.first() {
            if let Some(usage) = live.usage.as_ref().filter(|_| *run == live.run.id) {
                self.store.record_usage(run, usage)?;
            }
            if self.store.collect_run(run, now())? {
                info!(%session, %run, group = %live.plan.folder, "a run is over and everything of it taken in");
                ring_router(&self.installation);
            }
            live.ended.remove(0);
        }
        if !live.is_live() {
            self.forget(session);
        }
        Ok(())
    }
}

impl fmt::Display for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, taken, refused, .. } = self;
        write!(f, "{} sessions at work; took in {taken} messages, refused {refused}", sessions.len())
    }
}

/// Hears of changes from now on, or has the session looked at twice a second where that cannot be.
fn watch_changes(watch: &mut LiveWatch<String>, live: &mut Live) {
    if reach::is_elsewhere(&live.work) {
        live.every = Some(WITHOUT_WATCH);
        return;
    }
    if watch.contains(&live.session.id) {
        return;
    }
    match watch.add(live.session.id.clone(), &live.work) {
        Ok(()) => {
            live.every = None;
            live.look_at(Instant::now());
        }
        Err(error) => {
            live.every = Some(WITHOUT_WATCH);
            // A directory that is not there yet is no reason to say anything.
            if error.kind() != io::ErrorKind::NotFound && !std::mem::replace(&mut live.unwatched, true) {
                let (work, ms) = (&live.work, WITHOUT_WATCH.as_millis());
                warn!(
                    "cannot watch {work:?} and look every {ms} ms instead (fs.inotify.max_user_watches may be too low): {error}"
                );
            }
        }
    }
}

/// How long this thread has used the processor; waiting for a disk or a lock does not count.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
