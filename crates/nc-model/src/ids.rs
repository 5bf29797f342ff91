//! Keys that stay inside the store, each a type of its own so that one is not taken for another.
//!
//! Ids that leave the store (sessions, runs, deliveries) are `UUIDv7` text and plain `String`s.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

keys! {
    /// A row of `agent_groups`.
    GroupId;
    /// A row of `messaging_groups`: a chat.
    ChatId;
    /// A row of `routings`.
    RoutingId;
    /// A row of `messages`, and the order in which it arrived.
    Seq;
}
