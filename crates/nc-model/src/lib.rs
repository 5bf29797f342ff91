//! The words of the domain and the pure rules on them.
//!
//! Nothing here does I/O or reads a clock: whoever needs a rule decided fetches what it needs and passes it in.

pub mod access;
mod claude;
pub mod command;
pub mod container_config;
pub mod engage;
pub mod event;
mod folder;
mod harmless;
mod ids;
pub mod limits;
pub mod markup;
pub mod naming;
mod nearest;
pub mod quantity;
pub mod reached;
pub mod retry;
pub mod rule;
mod session;
mod time;
pub mod trigger;
mod vocabulary;
pub mod zone;

pub use access::Standing;
pub use claude::{ClaudeVersion, OLDEST_CLAUDE};
pub use container_config::{ContainerConfig, Runtime, Wire};
pub use folder::{FolderName, FolderNameError};
pub use harmless::harmless;
pub use ids::{ChatId, GroupId, RoutingId, Seq};
pub use nearest::nearest;
pub use rule::rule_in_words;
pub use session::SessionKey;
pub use time::{Timestamp, TimestampError};
pub use trigger::{PatternError, Trigger};
pub use vocabulary::{
    Audience, Cause, ContextMode, Decision, DeliveryKind, EngageMode, IgnoredMessagePolicy, InboxKind, MessageKind,
    MissedRunPolicy, Provider, Role, RoutingOutcome, RunOutcome, ScheduleType, SendLevel, SendStatus, SenderScope,
    SessionMode, SessionStatus, TargetKind, TaskStatus, UnknownSenderPolicy, UnknownWord,
};
