//! The rows of the mailbox as both sides see them.

use std::fmt;
use std::str::FromStr;

use nc_model::Timestamp;

/// A word outside one of the mailbox's closed sets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of {allowed}")]
pub struct UnknownWireWord {
    /// What was given.
    pub word: String,
    /// The words of the set, separated by commas.
    pub allowed: String,
}

macro_rules! wire_words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every word of the set, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word as it stands in the file.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWireWord;

            fn from_str(word: &str) -> Result<Self, UnknownWireWord> {
                Self::ALL.iter().copied().find(|w| w.as_str() == word).ok_or_else(|| UnknownWireWord {
                    word: word.chars().take(64).collect(),
                    allowed: Self::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    )*};
}

wire_words! {
    /// What a row of `messages_in` is; [`crate::content::Incoming`] is what it holds.
    InKind {
        /// Somebody wrote, or the host has something to say.
        Chat = "chat",
        /// Somebody wrote, in the richer form of chat libraries.
        ChatSdk = "chat-sdk",
        /// A scheduled task is due.
        Task = "task",
        /// An event from outside.
        Webhook = "webhook",
        /// An answer that a tool waits for; never shown to the model.
        System = "system",
    }
    /// Where a row of `messages_in` stands, by the host's word.
    InStatus {
        /// The agent is to take it.
        Pending = "pending",
        /// The agent is done with it.
        Completed = "completed",
        /// It is given up.
        Failed = "failed",
        /// It waits until somebody resumes it.
        Paused = "paused",
    }
    /// What a row of `messages_out` is; [`crate::content::Outgoing`] is what it holds.
    OutKind {
        /// A text, files, an edit or a reaction.
        Chat = "chat",
        /// A question or a card.
        ChatSdk = "chat-sdk",
        /// A request to the host.
        System = "system",
    }
    /// How far the container is with a message, by its own word.
    AckStatus {
        /// It has taken it.
        Processing = "processing",
        /// It is done with it.
        Completed = "completed",
        /// It failed at it.
        Failed = "failed",
    }
    /// What became of a row of `messages_out`.
    DeliveredStatus {
        /// The platform has it.
        Delivered = "delivered",
        /// It cannot be sent.
        Failed = "failed",
    }
    /// What a destination is.
    DestinationKind {
        /// A chat.
        Channel = "channel",
        /// Another agent.
        Agent = "agent",
    }
}

/// A row for `messages_in`; the host gives it its `seq` when it is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InRow {
    /// The key; a second row with it is not written.
    pub id: String,
    /// What it is.
    pub kind: InKind,
    /// When it was said.
    pub timestamp: Timestamp,
    /// Whether the agent is to answer (else it is context).
    pub trigger: bool,
    /// The chat at its platform.
    pub platform_id: Option<String>,
    /// The channel, as `slack:acme`, or `agent`.
    pub channel_type: Option<String>,
    /// The thread in the chat.
    pub thread_id: Option<String>,
    /// JSON: what [`crate::content::Incoming::to_json`] wrote.
    pub content: String,
    /// The session that an agent's message came from.
    pub source_session_id: Option<String>,
    /// Whether only a fresh container's first look is to take it.
    pub on_wake: bool,
    /// Not to be taken before.
    pub process_after: Option<Timestamp>,
}

/// A row that was newly appended to `messages_in`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The row's id.
    pub id: String,
    /// The number that the agent knows it by.
    pub seq: i64,
}

/// A row of `destinations`: a name that the agent may address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The agent's own name for it.
    pub name: String,
    /// What people call it.
    pub display_name: Option<String>,
    /// A chat or an agent.
    pub kind: DestinationKind,
    /// The channel of a chat.
    pub channel_type: Option<String>,
    /// The chat at its platform.
    pub platform_id: Option<String>,
    /// The agent group of an agent.
    pub agent_group_id: Option<String>,
}

/// The row of `session_routing`: where a reply goes that names no destination. All absent: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// The channel.
    pub channel_type: Option<String>,
    /// The chat at its platform.
    pub platform_id: Option<String>,
    /// The thread in the chat.
    pub thread_id: Option<String>,
}

/// A row of `delivered`: what became of a row of `messages_out`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The row's id.
    pub message_out_id: String,
    /// What the platform calls it, where it said so.
    pub platform_message_id: Option<String>,
    /// Sent or given up.
    pub status: DeliveredStatus,
    /// When that was known.
    pub at: Timestamp,
}
