//! What drives a model, as the agent sees it.
//!
//! A provider is one client that lives as long as the agent: prompts are pushed into it, also in the middle of a turn, and
//! events come out of it, also for turns that nobody asked for. So results do not match prompts one to one, and each
//! says itself which prompts it deals with.

mod claude;
mod echo;
mod unusable;

use std::time::Duration;

pub(crate) use claude::{Claude, Setup};
pub(crate) use echo::Echo;
pub(crate) use unusable::Unusable;

use serde_json::Value;

use crate::tools::ToolOutcome;
use crate::usage::Usage;

/// One client of a model.
pub(crate) trait Provider {
    /// What it can do.
    fn abilities(&self) -> Abilities;

    /// Hands it a prompt. It does not wait for the answer.
    ///
    /// The same prompt is pushed again, under its own number, when an [`Event::Error`] said that this may help. A client
    /// that cannot take it says so as an event.
    async fn push(&mut self, prompt: &Prompt);

    /// Waits for the next event, for ever where none comes.
    ///
    /// It is dropped and called again whenever something else happens, and must lose no event by it.
    async fn next(&mut self) -> Event;

    /// Hands it what a tool returned that was [called](Event::Called).
    async fn returned(&mut self, call: &str, outcome: &ToolOutcome);

    /// Asks it to break off what it does; what comes of that follows as events.
    async fn interrupt(&mut self);

    /// Ends the client and waits until it is gone.
    async fn end(&mut self);
}

/// What a provider can do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Abilities {
    /// A prompt that is pushed in the middle of a turn becomes part of it. Otherwise the agent waits until the turn ended.
    pub(crate) folds: bool,
    /// Told that its answer reached nobody, it can give a better one.
    pub(crate) corrects: bool,
}

/// The number of a prompt. Later ones are higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PromptId(pub(crate) u64);

/// What a provider is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) id: PromptId,
    /// What a model is shown.
    pub(crate) text: String,
    /// The same, taken apart, for a provider without a model.
    pub(crate) items: Vec<Item>,
}

/// One row of the mailbox in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// The row's id, by which a [`Reply`] names it.
    pub(crate) row: String,
    /// It asks for an answer; otherwise it is context.
    pub(crate) trigger: bool,
    /// What kind of thing it is.
    pub(crate) origin: Origin,
    /// What it says, unescaped.
    pub(crate) text: String,
}

/// Where an item comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A person in a chat.
    Person,
    /// Another agent, or the host.
    Agent,
    /// A schedule.
    Task,
    /// An event outside.
    Webhook,
}

/// Something that happened in a provider. Each is a sign that it works.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// It began or resumed a session, which it knows by this id.
    Init {
        /// Kept for the next start.
        provider_session_id: String,
    },
    /// It works.
    Progress,
    /// A tool began to work. Several may work at once.
    ToolStarted {
        /// Repeated when it ends.
        id: String,
        /// The tool.
        name: String,
        /// How long it said it may take.
        timeout: Option<Duration>,
    },
    /// A tool ended.
    ToolEnded {
        /// Which.
        id: String,
    },
    /// These work on beside the turns, and no others.
    Background {
        /// All of them.
        tasks: Vec<BackgroundTask>,
    },
    /// It calls a tool of ours, and waits for what it returns.
    Called {
        /// Repeated when it returns.
        call: String,
        /// The tool.
        tool: String,
        /// What it is given.
        arguments: Value,
    },
    /// A person should know this, once.
    Notice {
        /// In words.
        text: String,
    },
    /// A turn ended with an answer, which may be empty.
    Result {
        /// The last prompt that this deals with; all before it are dealt with too. None where nobody asked for the turn.
        through: Option<PromptId>,
        /// What it said.
        answer: Answer,
        /// What the turn used.
        usage: Usage,
    },
    /// A turn ended without an answer.
    Error {
        /// As for a result.
        through: Option<PromptId>,
        /// The same prompts may be pushed again.
        retryable: bool,
        /// Why, in words for the person who is waiting.
        text: String,
    },
    /// The client cannot be used, now or later, and nothing more comes.
    Unusable {
        /// Why, in words for the person who is waiting.
        text: String,
    },
}

/// Something that works on beside the turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackgroundTask {
    /// What it goes by.
    pub(crate) id: String,
    /// What kind of thing it is.
    pub(crate) name: String,
}

/// What a provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A model's text, with or without `<message to="…">` blocks.
    Text(String),
    /// Replies to rows. Nothing in their texts is markup.
    Replies(Vec<Reply>),
}

/// A reply to one row, in its chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The row's id.
    pub(crate) row: String,
    /// What to say.
    pub(crate) text: String,
}
