//! The SQLite store: migrations, and the only SQL on it.
//!
//! A [`Store`] is one connection of one program. Every write is one `BEGIN IMMEDIATE` transaction with nothing but SQL
//! inside; whoever changed something rings the doorbell of whoever is next, after the commit. nanoclaw-store(5)
//! describes every table: who inserts a row and who moves it on.

mod backlog;
mod by_hand;
mod chats;
mod clock;
mod connection;
mod deliveries;
mod destinations;
mod error;
mod fate;
mod group_removal;
mod groups;
mod inbox;
mod ledger;
mod listing;
mod main_group;
mod maintenance;
mod messages;
mod migrations;
mod notices;
mod people;
mod place;
mod routings;
mod row;
mod runs;
mod search;
mod sends;
mod sessions;
mod trail;
mod trouble;
mod wirings;

pub use chats::{Chat, NewChat};
pub use clock::{new_id, now};
pub use connection::Store;
pub use deliveries::{AckWord, AgentAck, NewDelivery, OutboundLook, Refusal, Spoken, TakenIn, Told};
pub use destinations::{Destination, Target};
pub use error::{Exit, StoreError, Verdict};
pub use fate::{AgentFate, Fate};
pub use groups::{Group, GroupEdit, NewGroup};
pub use inbox::InboxRow;
pub use ledger::{
    Count, DeliveryAccount, DeliveryState, Imbalance, Ledger, MAX_NAMED, MessageAccount, MessageState, OpenDelivery,
    OpenMessage, Span,
};
pub use listing::{
    ChatFilter, Member, Reason, RunFilter, RunRecord, RunState, SendRecord, SentDelivery, SessionFilter, SessionRecord,
    UserFilter,
};
pub use main_group::{MainGroup, NewMainGroup};
pub use messages::{MAX_BATCH, Message, NewMessage, Recorded};
pub use notices::{NewNotice, Notice, Reachable};
pub use people::{RoleGrant, Standing, User};
pub use routings::{
    Closed, Decided, How, Judgement, Left, Listener, OpenInbox, OpenWork, Quoted, Settled, Settlement, Stranger, Taken,
    ToPlace, Undone, UnjudgedRun, Unrouted, Written,
};
pub use runs::{Begun, NewRun, Run, RunEnd, RunPlan, Usage};
pub use search::Search;
pub use sends::{DeliveryReport, Ended, Leased, Reported, SendEnd};
pub use sessions::{ChatAddress, Figures, Projected, Queue, Session, Waiting};
pub use trail::EndedMessage;
pub use trouble::Trouble;
pub use wirings::{NewWiring, Wired, Wiring};

/// Every query that runs for each message, delivery or doorbell, by a name: none of them may read a table from end to end.
#[must_use]
pub fn hot_queries() -> Vec<(&'static str, &'static str)> {
    [
        by_hand::HOT,
        chats::HOT,
        deliveries::HOT,
        destinations::HOT,
        fate::HOT,
        groups::HOT,
        inbox::HOT,
        ledger::HOT,
        listing::HOT,
        messages::HOT,
        notices::HOT,
        people::HOT,
        routings::HOT,
        runs::HOT,
        search::HOT,
        sends::HOT,
        sessions::HOT,
        trail::HOT,
        wirings::HOT,
    ]
    .concat()
}
