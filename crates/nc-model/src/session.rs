//! Which session of an agent a message belongs to.

use crate::{ChatId, SessionMode};

/// What tells the sessions of one agent apart: at most one with a key takes messages at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// The chat; none for the session that all chats of the agent share.
    pub chat: Option<ChatId>,
    /// The thread; none for the session of a whole chat, and of what is in no thread.
    pub thread: Option<String>,
}

impl SessionKey {
    /// The session of a message in `thread` of `chat`. An empty thread is none.
    #[must_use]
    pub fn of(mode: SessionMode, chat: ChatId, thread: Option<&str>) -> Self {
        match mode {
            SessionMode::Shared => Self { chat: Some(chat), thread: None },
            SessionMode::PerThread => {
                Self { chat: Some(chat), thread: thread.filter(|thread| !thread.is_empty()).map(str::to_owned) }
            }
            SessionMode::AgentShared => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_tells_apart_what_it_should() {
        let of = |mode, chat, thread| SessionKey::of(mode, ChatId(chat), thread);
        let cases = [
            (SessionMode::Shared, [true, false]),
            (SessionMode::PerThread, [false, false]),
            (SessionMode::AgentShared, [true, true]),
        ];
        for (mode, [threads, chats]) in cases {
            assert_eq!(of(mode, 1, Some("a")) == of(mode, 1, Some("b")), threads, "{mode}");
            assert_eq!(of(mode, 1, Some("a")) == of(mode, 1, None), threads, "{mode}");
            assert_eq!(of(mode, 1, Some("a")) == of(mode, 2, Some("a")), chats, "{mode}");
            assert_eq!(of(mode, 1, Some("a")), of(mode, 1, Some("a")), "{mode}");
            assert_eq!(of(mode, 1, Some("")), of(mode, 1, None), "{mode}");
        }
    }
}
