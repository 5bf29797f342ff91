//! The provider of a house that asked for a model and lacks something for it: it says so to whoever waits.

use std::future;

use super::{Abilities, Event, Prompt, Provider};
use crate::tools::ToolOutcome;

/// A provider that cannot be used.
pub(crate) struct Unusable {
    text: String,
    asked: bool,
}

impl Unusable {
    /// One that says `text`.
    pub(crate) fn new(text: String) -> Self {
        Self { text, asked: false }
    }
}

impl Provider for Unusable {
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    async fn push(&mut self, _prompt: &Prompt) {
        self.asked = true;
    }

    async fn next(&mut self) -> Event {
        if std::mem::take(&mut self.asked) {
            return Event::Unusable { text: self.text.clone() };
        }
        future::pending().await
    }

    async fn returned(&mut self, _call: &str, _outcome: &ToolOutcome) {}

    async fn interrupt(&mut self) {}

    async fn end(&mut self) {}
}
