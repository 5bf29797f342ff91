//! Ringing others, and notices: what a person must be told becomes a delivery in each chat that it is for.

use std::collections::BTreeSet;

use nc_config::{Doorbell, Installation};
use nc_store::{Store, StoreError};
use tracing::info;

/// The channel whose programs are the open terminals.
const TERMINAL: &str = "terminal";

/// Rings the program of a channel; of the terminal, every one that is open.
pub(crate) fn ring_channel(installation: &Installation, channel: &str) {
    if channel == TERMINAL {
        nc_daemon::ring_all(&installation.doorbell(Doorbell::TalkDir));
    } else {
        nc_daemon::ring(&installation.doorbell(Doorbell::Channel(channel)));
    }
}

/// Makes deliveries of the open notices. One for owners whom nobody can reach yet stays open.
pub(crate) fn tell_notices(store: &mut Store, installation: &Installation) -> Result<(), StoreError> {
    let mut channels = BTreeSet::new();
    for notice in store.open_notices()? {
        let chats = store.notice_chats(&notice)?;
        if chats.is_empty() {
            continue;
        }
        store.tell_notice(&notice, &chats)?;
        info!(
            message_id = nc_model::event::NOTICE,
            cause = notice.cause,
            chats = chats.len(),
            "a notice goes out: {}",
            notice.text
        );
        channels.extend(chats.into_iter().map(|place| place.channel));
    }
    for channel in &channels {
        ring_channel(installation, channel);
    }
    Ok(())
}
