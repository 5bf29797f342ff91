//! What every program takes on its command line, and how it is handed on to a child.

use std::path::PathBuf;

/// What precedes a key's name in the environment.
pub(crate) const ENV_PREFIX: &str = "NANOCLAW_";

/// The variable that chooses the installation, and is no key.
pub(crate) const ENV_DIR: &str = "NANOCLAW_DIR";

/// The options that every program takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// The installation's directory
    #[arg(long, value_name = "DIR", global = true)]
    pub dir: Option<PathBuf>,
    /// Set a key of nanoclaw.toml for this program
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
}

impl Options {
    /// The variables that tell a child the same keys. What is no `KEY=VALUE` is left out: [`crate::load`] refuses it.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let pairs = self.set.iter().filter_map(|setting| setting.split_once('='));
        pairs.map(|(key, value)| (env_name(key.trim()), value.to_owned())).collect()
    }
}

/// The environment variable of a key: `channels.terminal.enabled` is `NANOCLAW_CHANNELS__TERMINAL__ENABLED`.
#[must_use]
pub fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "__").to_uppercase())
}
