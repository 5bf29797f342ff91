//! What can be wrong with a configuration.

use std::io;
use std::path::PathBuf;

use crate::Source;

/// Why there is no configuration. A program that meets one exits with 78: a person must look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No directory was given and none was found.
    #[error(
        "no installation found: give --dir DIR or set NANOCLAW_DIR, or change into a directory with a nanoclaw.toml \
         in it or above it"
    )]
    NoInstallation,
    /// The directory that was given is not one.
    #[error("the installation {path:?}, given by {given_by}, cannot be used")]
    Directory {
        /// What was given.
        path: PathBuf,
        /// The option or variable that gave it.
        given_by: &'static str,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The system refused to read a file of the configuration, or to say where we are.
    #[error("cannot read {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is something else than a text of configuration.
    #[error("{path:?} is not a configuration file: {reason}")]
    NotConfiguration {
        /// The file.
        path: PathBuf,
        /// What it is, and what it should be.
        reason: String,
    },
    /// A line is not TOML.
    #[error("{path:?} line {line} is not TOML: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// There is no such key.
    #[error("{from}: unknown key {key:?}{hint}", hint = hint(.nearest.as_deref()))]
    UnknownKey {
        /// Where it stands.
        from: Source,
        /// The key.
        key: String,
        /// The key that it is likely to be.
        nearest: Option<String>,
    },
    /// A value is of the wrong type or out of range.
    #[error("{from}: {key} {reason}")]
    Value {
        /// Where it stands.
        from: Source,
        /// The key.
        key: String,
        /// What is wrong with the value, and what is allowed.
        reason: String,
    },
    /// An option is not `KEY=VALUE`.
    #[error("option --set: {given:?} is not KEY=VALUE, such as max_runs=3")]
    NotAssignment {
        /// What was given.
        given: String,
    },
    /// The databases below would have names that are too long.
    #[error(
        "the directory {path:?} has a name of {length} bytes, and SQLite opens what belongs there only below a name of at \
         most {most}: choose another installation with --dir, or another data_dir or store_dir"
    )]
    TooLong {
        /// The directory.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest that can be used.
        most: usize,
    },
    /// A variable's value is not UTF-8.
    #[error("environment variable {variable}: the value is not UTF-8")]
    NotUtf8 {
        /// The variable.
        variable: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(key) => format!(", did you mean {key:?}?"),
        None => ": `nanoclawctl config show` lists the keys".to_owned(),
    }
}
