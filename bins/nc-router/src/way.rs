//! What the log says of a message's way: each step before it is taken, so that what follows from it stands after it.

use nc_model::{ChatId, RoutingOutcome};
use nc_store::{Decided, EndedMessage, How, Session, Store, ToPlace, Unrouted};
use tracing::{debug, info, warn};

/// What was decided on a message, where it goes into no mailbox.
pub(crate) fn decided(message: &Unrouted, decided: &Decided) {
    let (_message, channel) = (message.seq.0, &message.channel);
    for taken in &decided.taken {
        let (group, rule) = (taken.group, &taken.rule);
        match &taken.how {
            How::Work { .. } | How::Context { .. } => {
                debug!(_message, channel, "for group {group}: {} (rule {rule})", taken.how.decision());
            }
            How::Command { .. } => {
                info!(_message, channel, "the router answers it for group {group} (rule {rule})");
            }
            How::Held { .. } => {
                info!(_message, channel, "held for group {group} until somebody lets the sender in (rule {rule})");
            }
        }
    }
    if decided.taken.is_empty() {
        let (decision, rule) = (decided.left.decision, &decided.left.rule);
        info!(_message, channel, "nobody takes it: {decision} (rule {rule})");
    }
}

/// Who was found to listen to a chat.
pub(crate) fn looked_up(chat: ChatId, listeners: usize) {
    debug!(chat = %chat, listeners, "looked up who listens to a chat");
}

/// Messages on their way into the mailbox of a session.
pub(crate) fn placed(store: &Store, session: &Session, messages: &[ToPlace]) {
    if messages.is_empty() {
        return;
    }
    // A line without the name of its group is better than none.
    let folder = store.group(session.group).map(|group| group.folder.to_string()).ok();
    for ToPlace { seq, channel, decision, .. } in messages {
        info!(
            _message = seq.0,
            session = session.id,
            group = folder,
            channel,
            "goes into the mailbox of a session as {decision}"
        );
    }
}

/// Messages that ended because their run did.
pub(crate) fn ended(session: &str, run: Option<&str>, messages: &[EndedMessage], words: &str) {
    for EndedMessage { seq, outcome, delivery } in messages {
        let (_message, delivery) = (seq.0, delivery.as_deref());
        if *outcome == RoutingOutcome::Answered {
            let message_id = nc_model::event::MESSAGE_ANSWERED;
            info!(message_id, _message, session, run, delivery, "answered before its run ended");
        } else {
            let message_id = nc_model::event::MESSAGE_FAILED;
            warn!(message_id, _message, session, run, delivery, "given up, and the person is told: {words}");
        }
    }
}
