//! Who is told after something was committed.

use nc_config::{Doorbell, Installation};
use nc_store::{Store, StoreError, TakenIn};

/// The channel whose programs are people's open terminals.
const TERMINAL: &str = "terminal";

/// Rings whoever has something to do after a look.
pub(crate) fn ring_after(installation: &Installation, taken: &TakenIn) {
    for channel in &taken.channels {
        ring_channel(installation, channel);
    }
    // An open terminal shows that the agent has begun; other channels say so by a delivery.
    if taken.begun.contains(TERMINAL) && !taken.channels.contains(TERMINAL) {
        ring_channel(installation, TERMINAL);
    }
    if taken.router {
        ring_router(installation);
    }
}

/// Rings whoever may have something to do: a predecessor may have died after a commit and before it rang.
pub(crate) fn ring_at_start(installation: &Installation, store: &Store) -> Result<(), StoreError> {
    for channel in store.channels_with_sends()? {
        ring_channel(installation, &channel);
    }
    ring_router(installation);
    Ok(())
}

/// Rings the router.
pub(crate) fn ring_router(installation: &Installation) {
    nc_daemon::ring(&installation.doorbell(Doorbell::Router));
}

/// Rings the runner of a session: one of its runs was asked to leave.
pub(crate) fn ring_runner(installation: &Installation, session: &str) {
    nc_daemon::ring(&installation.doorbell(Doorbell::Run(session)));
}

fn ring_channel(installation: &Installation, channel: &str) {
    if channel == TERMINAL {
        nc_daemon::ring_all(&installation.doorbell(Doorbell::TalkDir));
    } else {
        nc_daemon::ring(&installation.doorbell(Doorbell::Channel(channel)));
    }
}
