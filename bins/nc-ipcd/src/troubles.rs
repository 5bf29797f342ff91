//! What is done about a file that cannot be read.

use std::time::{Duration, Instant};

use nc_config::Installation;
use nc_store::{Store, StoreError, now};
use nc_wire::rejected::Rejected;
use nc_wire::snapshot::{BUSY_LIMIT, SnapshotError};
use nc_wire::{Verdict, mailbox};
use tracing::{info, warn};

use crate::bells::{ring_router, ring_runner};
use crate::live::{AgentFile, Live};

/// How soon something is looked at again that the system refused.
const AGAIN: Duration = Duration::from_secs(1);

/// How soon a file is copied again for which there was no room. A guess: a copy may be large.
const ROOM_AGAIN: Duration = Duration::from_secs(5);

/// How long after the start of a run the file that was set aside before may still lie there: the runner renames it first of all.
const RENEWAL: Duration = Duration::from_secs(10);

/// The file of a session cannot be read: it is looked at again, or given up with the run.
pub(crate) fn unreadable(
    store: &mut Store,
    installation: &Installation,
    live: &mut Live,
    error: &SnapshotError,
) -> Result<(), StoreError> {
    let why = with_causes(error);
    if error.verdict() == Verdict::Keep {
        if live.complains(&why) {
            warn!(session = %live.session.id, group = %live.plan.folder, "an agent's file cannot be read now, and is looked at again: {why}");
        }
        live.unfinished = true;
        live.look_at(Instant::now() + AGAIN);
        return Ok(());
    }
    if live.file == AgentFile::SetAside && live.is_live() && is_young(live) {
        live.unfinished = false;
        live.look_at(Instant::now() + AGAIN);
        return Ok(());
    }
    give_up(store, installation, live, &why)
}

/// There is no room for a file that an agent sends: it waits, and what the agent said after it, too.
pub(crate) fn no_room(live: &mut Live, error: &std::io::Error) {
    if live.complains(&error.to_string()) {
        warn!(session = %live.session.id, group = %live.plan.folder, "there is no room for a file of an agent, which waits for it: {error}");
    }
    live.unfinished = true;
    live.look_at(Instant::now() + ROOM_AGAIN);
}

/// The file's lock is held for so long already.
pub(crate) fn busy(
    store: &mut Store,
    installation: &Installation,
    live: &mut Live,
    so_long: Duration,
) -> Result<(), StoreError> {
    if so_long < BUSY_LIMIT {
        return Ok(());
    }
    if live.is_live() {
        return ask_to_leave(store, installation, live, "its file has been locked for too long");
    }
    give_up(store, installation, live, "it is still locked after the end of the run")
}

/// A look succeeded at a session that had been set aside: its file is a new one.
pub(crate) fn renewed(store: &mut Store, live: &mut Live) -> Result<(), StoreError> {
    if live.file == AgentFile::SetAside && store.renew_session(&live.session.id)? {
        info!(session = %live.session.id, group = %live.plan.folder, "the agent's file was renewed and is taken in again");
    }
    live.file = AgentFile::InUse;
    Ok(())
}

fn give_up(store: &mut Store, installation: &Installation, live: &mut Live, why: &str) -> Result<(), StoreError> {
    let session = &live.session.id;
    if store.set_session_aside(session, &live.run.id, why)? {
        warn!(message_id = nc_model::event::SESSION_SET_ASIDE, %session, run = %live.run.id, group = %live.plan.folder, "an agent's file cannot be read: {why}; the session is set aside until its next run");
        let place = Rejected::new(installation.rejected_dir(&live.plan.folder));
        let name = format!("{session}-{}", mailbox::schema::OUTBOUND_FILE);
        let file = live.work.join(mailbox::schema::OUTBOUND_FILE);
        if let Err(error) = place.keep(&name, &[], &format!("{}: {why}", file.display())) {
            warn!(%session, "the reason could not be kept: {error}");
        }
        ring_router(installation);
    }
    live.file = AgentFile::GivenUp;
    live.unfinished = false;
    if live.is_live() { ask_to_leave(store, installation, live, why) } else { Ok(()) }
}

fn ask_to_leave(store: &mut Store, installation: &Installation, live: &Live, why: &str) -> Result<(), StoreError> {
    if store.ask_run_to_leave(&live.run.id, now())? {
        warn!(session = %live.session.id, run = %live.run.id, group = %live.plan.folder, "a run is asked to leave: {why}");
    }
    ring_runner(installation, &live.session.id);
    Ok(())
}

fn is_young(live: &Live) -> bool {
    // A start that is to come was written before the clock was set back.
    let now = now();
    now >= live.run.started_at && u128::from(now.ms_since(live.run.started_at)) < RENEWAL.as_millis()
}

fn with_causes(error: &SnapshotError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
