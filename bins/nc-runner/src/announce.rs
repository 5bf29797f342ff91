//! Telling the others that the store has something new.

use nc_config::{Doorbell, Installation};

/// A run began or ended: nc-ipcd watches, or looks for the last time at, what the agent writes.
pub(crate) fn to_ipcd(installation: &Installation) {
    nc_daemon::ring(&installation.doorbell(Doorbell::Ipcd));
}

/// A run ended.
pub(crate) fn to_both(installation: &Installation) {
    to_ipcd(installation);
    nc_daemon::ring(&installation.doorbell(Doorbell::Router));
}
