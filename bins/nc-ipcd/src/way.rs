//! What the log says of what an agent wrote, and of the messages that it wrote about.
//!
//! What is about to be sent is logged before it is committed, so that no channel says that it sent it before this program says
//! that it took it in.

use nc_model::{RoutingOutcome, Seq};
use nc_store::{EndedMessage, NewDelivery, Spoken, Store, StoreError, TakenIn};
use tracing::{info, warn};

use crate::check::Rejected;
use crate::live::Live;

/// What of a look is about to be sent.
pub(crate) fn to_be_sent(store: &Store, live: &Live, rows: &[Spoken]) -> Result<(), StoreError> {
    let (session, run, group) = (&live.session.id, &live.run.id, &live.plan.folder);
    for row in rows {
        let Spoken::Send(delivery) = row else { continue };
        let _message = about(store, session, delivery.in_reply_to.as_deref())?.map(|seq| seq.0);
        let NewDelivery { channel, kind, source_id, .. } = delivery;
        info!(_message, %session, %run, %group, %channel, row = ?source_id, "takes in what an agent sends ({kind})");
    }
    Ok(())
}

/// The message of the session that an agent's row replies to, where it names one.
pub(crate) fn about(store: &Store, session: &str, reply: Option<&str>) -> Result<Option<Seq>, StoreError> {
    Ok(reply.map(|row| store.message_of_row(session, row)).transpose()?.flatten())
}

/// What a look changed.
pub(crate) fn taken_in(live: &Live, taken: &TakenIn) {
    let (session, run, group) = (&live.session.id, &live.run.id, &live.plan.folder);
    for message in &taken.messages {
        ended(live, message);
    }
    let TakenIn { deliveries, refusals, ended, .. } = taken;
    if deliveries + refusals + ended > 0 {
        info!(%session, %run, %group, deliveries, refusals, ended, "took in what an agent wrote");
    }
}

fn ended(live: &Live, EndedMessage { seq, outcome, delivery }: &EndedMessage) {
    let (session, run, group) = (&live.session.id, &live.run.id, &live.plan.folder);
    let (_message, delivery) = (seq.0, delivery.as_deref());
    match outcome {
        RoutingOutcome::Answered => {
            let message_id = nc_model::event::MESSAGE_ANSWERED;
            info!(message_id, _message, %session, %run, %group, delivery, "answered");
        }
        RoutingOutcome::NoReply => {
            let message_id = nc_model::event::MESSAGE_UNANSWERED;
            info!(message_id, _message, %session, %run, %group, "the agent took it and said nothing");
        }
        RoutingOutcome::Failed => {
            let message_id = nc_model::event::MESSAGE_FAILED;
            warn!(message_id, _message, %session, %run, %group, delivery, "the agent gave it up, and the person is told");
        }
    }
}

/// A row that was refused, and what became of the copy of it.
pub(crate) fn refused(live: &Live, Rejected { name, reason, message, .. }: &Rejected, kept: &str) {
    let (session, run, group) = (&live.session.id, &live.run.id, &live.plan.folder);
    let (message_id, _message) = (nc_model::event::REQUEST_REFUSED, message.map(|seq| seq.0));
    warn!(message_id, _message, %session, %run, %group, row = ?name, "a row of an agent is refused: {reason}; {kept}");
}
