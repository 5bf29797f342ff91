//! The closed sets of words that the store keeps as text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word outside a closed set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a {set}: allowed are {allowed}")]
pub struct UnknownWord {
    /// What the word should have been.
    pub set: &'static str,
    /// What was given.
    pub word: String,
    /// The words of the set, separated by commas.
    pub allowed: String,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident ($set:literal) { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every word of the set, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word as the store keeps it.
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
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|w| w.as_str() == word).ok_or_else(|| UnknownWord {
                    set: $set,
                    word: word.to_owned(),
                    allowed: Self::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    )*};
}

words! {
    /// What drives an agent's model.
    Provider("provider") {
        /// Claude Code where it can work, else the echo.
        Auto = "auto",
        /// No model: it says back what it got.
        Echo = "echo",
        /// Claude Code.
        Claude = "claude",
    }
    /// Who may write to a chat's agents without being known.
    UnknownSenderPolicy("policy for unknown senders") {
        /// Nobody.
        Strict = "strict",
        /// Whoever an approver lets in.
        RequestApproval = "request_approval",
        /// Everybody.
        Public = "public",
    }
    /// Which session of an agent a message of a wired chat belongs to.
    SessionMode("session mode") {
        /// One a chat.
        Shared = "shared",
        /// One a thread of the chat.
        PerThread = "per-thread",
        /// One for all chats of the agent.
        AgentShared = "agent-shared",
    }
    /// What makes an agent answer.
    EngageMode("engage mode") {
        /// A pattern that the text matches.
        Pattern = "pattern",
        /// The platform's mention.
        Mention = "mention",
        /// The platform's mention, and from then on everything in that thread.
        MentionSticky = "mention-sticky",
    }
    /// Whose messages an agent takes.
    SenderScope("sender scope") {
        /// Everybody's whom the chat lets in.
        All = "all",
        /// Those of owners, admins and members.
        Known = "known",
    }
    /// What becomes of a message that does not engage the agent.
    IgnoredMessagePolicy("policy for ignored messages") {
        /// Nothing.
        Drop = "drop",
        /// It is context for the next one that does.
        Accumulate = "accumulate",
    }
    /// What a user may do.
    Role("role") {
        /// Everything, everywhere.
        Owner = "owner",
        /// Everything in one group, or in all.
        Admin = "admin",
    }
    /// What an agent may address.
    TargetKind("kind of destination") {
        /// A chat.
        Chat = "chat",
        /// Another agent group.
        Agent = "agent",
    }
    /// What a row of `messages` is.
    MessageKind("kind of message") {
        /// Somebody wrote.
        Message = "message",
        /// Somebody changed what they wrote.
        Edit = "edit",
        /// Somebody took back what they wrote.
        Delete = "delete",
        /// Somebody reacted to a message.
        Reaction = "reaction",
        /// Somebody pressed a button.
        Answer = "answer",
        /// Somebody used a platform's own command.
        Command = "command",
        /// The platform said something about the chat.
        System = "system",
    }
    /// What the router decided on a message for an agent.
    Decision("decision") {
        /// The agent is to answer.
        Work = "work",
        /// The agent is to know it when it next answers.
        Context = "context",
        /// The router answers it itself.
        Command = "command",
        /// No agent takes it, by an ordinary rule.
        Ignored = "ignored",
        /// No agent may take it.
        Dropped = "dropped",
        /// It waits for an approval.
        Held = "held",
    }
    /// How work ended.
    RoutingOutcome("outcome of work") {
        /// The agent sent something to the chat.
        Answered = "answered",
        /// The agent took it and sent nothing.
        NoReply = "no_reply",
        /// It could not be done, and the person was told.
        Failed = "failed",
    }
    /// Where a session stands.
    SessionStatus("session status") {
        /// It takes messages.
        Active = "active",
        /// Its agent's file cannot be read and is renewed before the next run.
        SetAside = "set_aside",
        /// It is over.
        Closed = "closed",
    }
    /// Why a run was asked for.
    Cause("cause of a run") {
        /// A message.
        Message = "message",
        /// A scheduled task.
        Task = "task",
        /// A person, by hand.
        Manual = "manual",
        /// An approval.
        Approval = "approval",
    }
    /// How a run ended.
    RunOutcome("outcome of a run") {
        /// The agent left by itself or when asked, with status 0.
        Completed = "completed",
        /// The sandbox could not be built, or the agent left with an error.
        Failed = "failed",
        /// The agent showed no sign of work for too long and was ended.
        Timeout = "timeout",
        /// A signal ended it: the kernel's, an operator's, or the runner's after it did not leave when it was asked to.
        Killed = "killed",
        /// The runner went away without a word.
        Lost = "lost",
    }
    /// What is to be sent.
    DeliveryKind("kind of delivery") {
        /// A text.
        Text = "text",
        /// A change to what was sent.
        Edit = "edit",
        /// A reaction to a message.
        Reaction = "reaction",
        /// Files, perhaps with a text.
        File = "file",
        /// A card.
        Card = "card",
        /// A question with options.
        Question = "question",
        /// A sign that the agent works.
        Typing = "typing",
    }
    /// Where the sending of one part of a delivery stands.
    SendStatus("send status") {
        /// Nobody took it yet.
        Queued = "queued",
        /// A channel took it and has not begun.
        Leased = "leased",
        /// A channel may have handed it to the platform.
        Sending = "sending",
        /// The platform has it.
        Sent = "sent",
        /// It failed before the platform took it, and is tried again.
        Retry = "retry",
        /// Nobody can know whether the platform has it.
        Unknown = "unknown",
        /// It cannot succeed.
        Dead = "dead",
    }
    /// How far a sent part is known to have come.
    SendLevel("send level") {
        /// The platform's interface took it.
        Accepted = "accepted",
        /// The platform's server acknowledged it.
        ServerAcked = "server_acked",
        /// The person read it.
        Read = "read",
    }
    /// What a session is told.
    InboxKind("kind of inbox row") {
        /// A task is due.
        Task = "task",
        /// A person asks by hand.
        Prompt = "prompt",
        /// The answer to a request of the agent's.
        System = "system",
        /// The answer to a question of the agent's.
        Answer = "answer",
        /// What became of a delivery.
        Delivery = "delivery",
        /// Something that the agent should know.
        Notice = "notice",
        /// Another agent wrote.
        Agent = "agent",
    }
    /// Who is told.
    Audience("audience") {
        /// One chat.
        Chat = "chat",
        /// The owners, in every chat where they can be reached.
        Owners = "owners",
    }
    /// How a task's time is given.
    ScheduleType("schedule type") {
        /// A crontab expression.
        Cron = "cron",
        /// A span between runs.
        Interval = "interval",
        /// One point in time.
        Once = "once",
    }
    /// Which session a task runs in.
    ContextMode("context mode") {
        /// The group's own.
        Group = "group",
        /// A fresh one.
        Isolated = "isolated",
    }
    /// What becomes of the times that a task missed.
    MissedRunPolicy("policy for missed runs") {
        /// One run makes up for all.
        Once = "once",
        /// Nothing.
        Skip = "skip",
        /// Each is made up for.
        All = "all",
    }
    /// Where a task stands.
    TaskStatus("task status") {
        /// It runs when due.
        Active = "active",
        /// It does not run until resumed.
        Paused = "paused",
        /// Its only time has come.
        Completed = "completed",
        /// Somebody ended it.
        Cancelled = "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_a_stranger_is_named() {
        for word in SendStatus::ALL {
            assert_eq!(word.as_str().parse::<SendStatus>().unwrap(), *word);
        }
        let error = "sometimes".parse::<ScheduleType>().unwrap_err();
        assert_eq!(error.to_string(), "\"sometimes\" is not a schedule type: allowed are cron, interval, once");
    }
}
