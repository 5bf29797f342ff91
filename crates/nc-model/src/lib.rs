//! The words of the domain and the pure rules on them.
//!
//! Nothing here does I/O or reads a clock: whoever needs a rule decided fetches what it needs and passes it in.

mod folder;
mod ids;
mod time;
mod vocabulary;

pub use folder::{FolderName, FolderNameError};
pub use ids::{ChatId, GroupId, RoutingId, Seq};
pub use time::{Timestamp, TimestampError};
pub use vocabulary::{
    Audience, Cause, ContextMode, Decision, DeliveryKind, EngageMode, IgnoredMessagePolicy, InboxKind, MessageKind,
    MissedRunPolicy, Role, RoutingOutcome, RunOutcome, ScheduleType, SendLevel, SendStatus, SenderScope, SessionMode,
    SessionStatus, TargetKind, TaskStatus, UnknownSenderPolicy, UnknownWord,
};
