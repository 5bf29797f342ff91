//! Where each value came from.

use std::fmt;
use std::path::PathBuf;

/// One key as it stands: what `config show` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key with its table, such as `channels.terminal.enabled`.
    pub key: String,
    /// The value as nanoclaw.toml would write it; empty where the key has no value.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

/// Where a value came from; what stands lower wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line of the value, from 1.
        line: usize,
    },
    /// The environment.
    Environment {
        /// The variable.
        variable: String,
    },
    /// The command line.
    Option,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Option => f.write_str("option --set"),
        }
    }
}
