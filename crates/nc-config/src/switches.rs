//! The file in which a program switches channels on and off, beside what people write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::error::ConfigError;
use crate::files;
use crate::keys;

/// The file; one of a later name, such as `90-ours.toml`, wins over it.
const FILE: &str = "nanoclaw.toml.d/80-channels.toml";

const HEAD: &str = "# Written by `nanoclawctl channel`, nanoclawctl(1). A file with a later name wins over this one.\n";

/// A file of channels that are enabled or disabled, as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Where it belongs.
    pub path: PathBuf,
    /// Its new text.
    pub text: String,
    /// The text that is there; none where there is no file.
    pub before: Option<String>,
}

/// Whether `name` is a channel that there is, such as `terminal`, or an instance of one, such as `slack:acme`.
#[must_use]
pub fn is_channel(name: &str) -> bool {
    keys::is_channel_name(name)
}

/// The channels that there are; each may have instances.
#[must_use]
pub fn channels() -> &'static [&'static str] {
    keys::CHANNELS
}

impl Switches {
    /// What the file says in the installation in `dir` when the channel `name` is enabled, or not.
    ///
    /// # Errors
    /// [`ConfigError`] where the file cannot be read, or has more in it than this writes: that would be lost.
    pub fn with(dir: &Path, name: &str, enabled: bool) -> Result<Self, ConfigError> {
        let path = dir.join(FILE);
        let before = files::read(&path)?;
        let mut all = before.as_deref().map_or_else(|| Some(BTreeMap::new()), read).ok_or_else(|| {
            let reason =
                "it has more in it than `nanoclawctl channel` writes: move that into a file of its own".to_owned();
            ConfigError::NotConfiguration { path: path.clone(), reason }
        })?;
        all.insert(name.to_owned(), enabled);
        let mut text = HEAD.to_owned();
        for (name, enabled) in all {
            // Writing to a String cannot fail.
            _ = write!(text, "\n[channels.\"{name}\"]\nenabled = {enabled}\n");
        }
        Ok(Self { path, text, before })
    }
}

/// The channels of a text that has nothing else in it.
fn read(text: &str) -> Option<BTreeMap<String, bool>> {
    let mut found = BTreeMap::new();
    for (key, value) in DeTable::parse(text).ok()?.get_ref() {
        let channels = value.get_ref().as_table().filter(|_| key.get_ref() == "channels")?;
        for (name, channel) in channels {
            for (key, value) in channel.get_ref().as_table()? {
                let DeValue::Boolean(enabled) = value.get_ref() else { return None };
                let known = key.get_ref() == "enabled" && keys::is_channel_name(name.get_ref());
                known.then(|| found.insert(name.get_ref().to_string(), *enabled))?;
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_switched_and_the_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let first = Switches::with(dir.path(), "terminal", false).unwrap();
        assert_eq!((first.path.as_path(), first.before), (dir.path().join(FILE).as_path(), None));
        std::fs::create_dir(dir.path().join("nanoclaw.toml.d")).unwrap();
        std::fs::write(&first.path, &first.text).unwrap();
        let second = Switches::with(dir.path(), "terminal:x", true).unwrap();
        let tables = "\n[channels.\"terminal\"]\nenabled = false\n\n[channels.\"terminal:x\"]\nenabled = true\n";
        assert_eq!(second.text, format!("{HEAD}{tables}"));
        std::fs::write(&second.path, &second.text).unwrap();
        let third = Switches::with(dir.path(), "terminal", true).unwrap();
        assert_eq!(third.text, second.text.replace("false", "true"));
    }

    #[test]
    fn what_a_person_wrote_there_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("nanoclaw.toml.d")).unwrap();
        for text in ["max_runs = 3", "[channels.terminal]\ntrigger = \"x\"", "[channels.terminal]\nenabled = 1", "["] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            let said = Switches::with(dir.path(), "terminal", true).unwrap_err().to_string();
            assert!(said.contains("has more in it than"), "{text}: {said}");
        }
    }
}
