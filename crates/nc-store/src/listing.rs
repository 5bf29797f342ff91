//! What a person looks at: lists by page, one row with everything around it, and why a message became what it became.
//!
//! Nothing here moves a row on. A page is found by its key, so that the last one costs as much as the first.

mod chats;
mod people;
mod runs;
mod sessions;
mod why;

pub use chats::ChatFilter;
pub use people::{Member, UserFilter};
pub use runs::{RunFilter, RunRecord, RunState};
pub use sessions::{SessionFilter, SessionRecord};
pub use why::{Reason, SendRecord, SentDelivery};

/// The queries of this module. A list that is filtered by what has no index reads its table by key, newest first, until
/// its page is full.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("listing: chats", chats::PAGE),
    ("listing: users", people::USERS),
    ("listing: members of a group", people::MEMBERS),
    ("listing: memberships of a user", people::MEMBERSHIPS),
    ("listing: runs", runs::ALL),
    ("listing: runs of a group", runs::OF_GROUP),
    ("listing: runs of a session", runs::OF_SESSION),
    ("listing: runs by the beginning of their id", runs::LIKE),
    ("listing: sessions", sessions::PAGE),
    ("listing: sessions by the beginning of their id", sessions::LIKE),
    ("listing: reasons of a message", why::REASONS),
    ("listing: a delivery", why::DELIVERY),
    ("listing: sends of a delivery", why::SENDS),
];

/// What stands behind every id that begins with a text: ids are ASCII.
const LAST: &str = "\u{10ffff}";

/// The last id that begins with `beginning`.
fn last_of(beginning: &str) -> String {
    format!("{beginning}{LAST}")
}
