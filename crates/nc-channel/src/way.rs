//! What the log says of messages on their way in and out.
//!
//! It is the same for every channel, and stands here so that no program can leave it out.

use nc_store::{Leased, NewMessage, Recorded, SendEnd, Store};
use tracing::{debug, info, warn};

/// Messages that were stored.
pub(crate) fn received(channel: &str, messages: &[NewMessage], recorded: &[Recorded]) {
    for (message, recorded) in messages.iter().zip(recorded) {
        let (chat, _message) = (message.chat.0, recorded.seq().0);
        match recorded {
            Recorded::New(_) => info!(_message, channel, chat, "a message is stored"),
            Recorded::Known(_) => debug!(_message, channel, chat, "a message came once more and is stored already"),
        }
    }
}

/// How sending one part ended. What cannot be found out about it is left out.
pub(crate) fn ended(store: &Store, leased: &Leased, end: &SendEnd) {
    let Leased { delivery_id: delivery, part, session_id, in_reply_to, source_id, .. } = leased;
    let messages = store
        .messages_of_delivery(delivery, session_id.as_deref(), in_reply_to.as_deref(), source_id)
        .unwrap_or_default();
    if messages.is_empty() {
        return one(None, leased, end);
    }
    debug!(delivery, part, messages = messages.len(), "a part of a delivery has ended");
    for seq in messages {
        one(Some(seq), leased, end);
    }
}

fn one(message: Option<nc_model::Seq>, leased: &Leased, end: &SendEnd) {
    let Leased { delivery_id: delivery, part, channel, session_id, .. } = leased;
    let (_message, session) = (message.map(|seq| seq.0), session_id.as_deref());
    let chat = leased.chat.0;
    match end {
        SendEnd::Sent { .. } => info!(_message, session, channel, chat, delivery, part, "sent"),
        SendEnd::Retry { error, at } => {
            warn!(_message, session, channel, chat, delivery, part, "not sent, tried again {at}: {error}");
        }
        SendEnd::Unknown { error } => {
            let message_id = nc_model::event::DELIVERY_UNKNOWN;
            warn!(
                message_id,
                _message, session, channel, chat, delivery, part, "nobody knows whether it arrived: {error}"
            );
        }
        SendEnd::Dead { error } => {
            let message_id = nc_model::event::DELIVERY_DEAD;
            warn!(message_id, _message, session, channel, chat, delivery, part, "given up, it is never sent: {error}");
        }
    }
}
