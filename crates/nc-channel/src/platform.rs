//! What each channel program says about its platform.

use std::time::Duration;

use nc_model::SendLevel;
use nc_store::Leased;

use crate::Action;

/// What a platform can do. What it cannot is said in a new text instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that a platform has or has not")]
pub struct Capabilities {
    /// Change a text that was sent.
    pub edits: bool,
    /// React to a message.
    pub reactions: bool,
    /// Send files.
    pub files: bool,
    /// Show cards.
    pub cards: bool,
    /// Ask with buttons.
    pub buttons: bool,
    /// Show that somebody is writing.
    pub typing: bool,
    /// The longest text of one message, in characters; longer ones are cut into several.
    pub longest_text: usize,
}

impl Capabilities {
    /// Plain text of any length, and nothing else.
    pub const TEXT_ONLY: Self = Self {
        edits: false,
        reactions: false,
        files: false,
        cards: false,
        buttons: false,
        typing: false,
        longest_text: usize::MAX,
    };
}

/// One part of a delivery, as it is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Which part of what.
    pub leased: &'a Leased,
    /// What is to be done.
    pub action: &'a Action,
}

/// How the platform took a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has it.
    Sent {
        /// Its own name for it.
        platform_message_id: Option<String>,
        /// How far it is known to have come.
        level: SendLevel,
    },
    /// It certainly did not take it, and may later.
    NotTaken {
        /// Why.
        error: String,
        /// How long it wants to be left alone.
        wait: Option<Duration>,
    },
    /// It may have taken it or not, and there is no way to know.
    Unknown {
        /// Why.
        error: String,
    },
    /// It never will take it.
    Refused {
        /// Why.
        error: String,
    },
}

/// What the platform knows of a part that was being sent when the program died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It arrived.
    Arrived {
        /// The platform's own name for it.
        platform_message_id: Option<String>,
    },
    /// It certainly did not arrive: it is sent as if never begun.
    NotArrived,
    /// Nobody can know.
    Unknown,
}

/// What a channel program fills in.
pub trait Platform {
    /// What the platform can do now.
    fn capabilities(&self) -> Capabilities;

    /// Sends one part. `sending` is committed; a panic or the end of the program in here leaves the part to [`Platform::resolve`].
    fn send(&mut self, part: Part<'_>) -> impl Future<Output = Outcome>;

    /// Says what became of a part that was being sent when the program died, by the platform's own means (the same
    /// message id, the history). Without such means nobody can know, which is the default.
    fn resolve(&mut self, part: Part<'_>) -> impl Future<Output = Resolution> {
        let _ = part;
        std::future::ready(Resolution::Unknown)
    }
}
