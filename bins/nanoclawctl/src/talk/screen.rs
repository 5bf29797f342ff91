//! A terminal as a platform: to print is to send.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use nc_channel::{Action, Capabilities, Outcome, Part, Platform, Resolution};
use nc_model::{SendLevel, Timestamp};
use nc_store::Leased;

/// What a terminal can show: texts, and of a file where it lies.
pub(super) const CAN: Capabilities = Capabilities { files: true, ..Capabilities::TEXT_ONLY };

/// What a person reads of an action whose files lie in `place`; none where there is nothing to read.
pub(super) fn readable(action: &Action, place: &Path) -> Option<String> {
    match action {
        Action::Text { text } => Some(text.clone()),
        Action::Files { text, names } => {
            let files = names.iter().map(|name| format!("[file: {}]", place.join(name).display()));
            let text = Some(text.clone()).filter(|text| !text.is_empty());
            Some(text.into_iter().chain(files).collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    }
}

/// Something for the person to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    /// What it belongs to.
    pub(super) leased: &'a Leased,
    /// The text.
    pub(super) text: &'a str,
    /// A terminal that died may have shown it before.
    pub(super) again: bool,
    /// Another terminal of the same user shows it, too, and answers for it.
    pub(super) elsewhere: bool,
}

/// Where it is read.
pub(super) trait Screen {
    /// Shows it; false where this screen leaves it to the other terminal.
    fn show(&mut self, said: Said<'_>) -> io::Result<bool>;
}

/// A screen as the channel sends to it.
pub(super) struct Terminal<'a, S> {
    pub(super) screen: &'a mut S,
    /// Where the files of a delivery lie.
    pub(super) media: &'a dyn Fn(&str) -> PathBuf,
    /// What this terminal has shown, and when that was made.
    pub(super) shown: &'a mut HashMap<String, Timestamp>,
    /// Why the screen cannot be used any more.
    pub(super) broken: Option<io::Error>,
}

impl<S: Screen> Terminal<'_, S> {
    fn show(&mut self, part: Part<'_>, again: bool) -> bool {
        let (id, made) = (&part.leased.delivery_id, part.leased.created_at);
        let Some(text) = readable(part.action, &(self.media)(id)) else { return true };
        if self.shown.contains_key(id) {
            return true;
        }
        let said = Said { leased: part.leased, text: &text, again, elsewhere: false };
        let shown = nc_failpoint::before("terminal", "show").and_then(|()| self.screen.show(said));
        nc_failpoint::after("terminal", "show");
        match shown {
            Ok(_) => {
                self.shown.insert(id.clone(), made);
                true
            }
            Err(error) => {
                self.broken = Some(error);
                false
            }
        }
    }
}

impl<S: Screen> Platform for Terminal<'_, S> {
    fn capabilities(&self) -> Capabilities {
        CAN
    }

    async fn send(&mut self, part: Part<'_>) -> Outcome {
        if self.broken.is_none() && self.show(part, false) {
            return Outcome::Sent { platform_message_id: None, level: SendLevel::Accepted };
        }
        let error = self.broken.as_ref().map_or_else(String::new, ToString::to_string);
        Outcome::NotTaken { error: format!("the terminal cannot be written to: {error}"), wait: None }
    }

    /// Nobody can know whether a dead terminal was read; once it is shown here, marked, everybody knows.
    async fn resolve(&mut self, part: Part<'_>) -> Resolution {
        if self.broken.is_none() && self.show(part, true) {
            return Resolution::Arrived { platform_message_id: None };
        }
        Resolution::Unknown
    }
}
