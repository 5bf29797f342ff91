//! The configuration as the programs use it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use nc_model::{Provider, Runtime};

/// The configuration of an installation, every key read and in range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the assistant is called, and by which name it is called.
    pub assistant_name: String,
    /// The assistant's accounts are its own and not a person's.
    pub assistant_has_own_number: bool,
    /// The zone in which people's times are read and shown.
    pub timezone: TimeZone,
    /// Its IANA name.
    pub timezone_name: String,
    /// How much is logged.
    pub log_level: LogLevel,
    /// How many agents run at once.
    pub max_runs: u32,
    /// How long an agent stays without work.
    pub idle_timeout: Duration,
    /// How long an agent may show no sign of work.
    pub run_timeout: Duration,
    /// How much of a run's output is kept, in bytes.
    pub max_output: u64,
    /// The container image.
    pub image: String,
    /// What builds sandboxes.
    pub runtime: Runtime,
    /// What drives the model.
    pub provider: Provider,
    /// The model of a provider that has one; empty is the provider's own choice.
    pub model: String,
    /// The Claude Code binary, as written; none is looked for.
    pub claude_path: Option<PathBuf>,
    /// Sessions, media, logs; as written, see [`crate::Installation`].
    pub data_dir: PathBuf,
    /// The groups' folders; as written.
    pub groups_dir: PathBuf,
    /// The store; as written.
    pub store_dir: PathBuf,
    /// Sockets and locks; as written, or `run` in the data directory.
    pub run_dir: PathBuf,
    /// The programs that only other programs start; as written.
    pub libexec_dir: PathBuf,
    /// Programs that can be started by their sockets leave when they have nothing to do.
    pub idle_exit: bool,
    /// The channels, by name.
    pub channels: BTreeMap<String, ChannelConfig>,
}

/// What is configured of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// It takes and sends messages.
    pub enabled: bool,
    /// The pattern that takes the place of `@NAME` in its chats.
    pub trigger: Option<String>,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self { enabled: true, trigger: None }
    }
}

/// How much is logged: this and everything graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What stops a program or loses something.
    Error,
    /// What a person should look at.
    Warn,
    /// What happens.
    Info,
    /// Why it happens.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// The levels, gravest first.
    pub(crate) const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The level's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Config {
    /// What stands before the defaults of [`crate::KEYS`] are applied; no program ever sees it.
    pub(crate) fn blank() -> Self {
        Self {
            assistant_name: String::new(),
            assistant_has_own_number: false,
            timezone: TimeZone::UTC,
            timezone_name: String::new(),
            log_level: LogLevel::Info,
            max_runs: 0,
            idle_timeout: Duration::ZERO,
            run_timeout: Duration::ZERO,
            max_output: 0,
            image: String::new(),
            runtime: Runtime::Auto,
            provider: Provider::Auto,
            model: String::new(),
            claude_path: None,
            data_dir: PathBuf::new(),
            groups_dir: PathBuf::new(),
            store_dir: PathBuf::new(),
            run_dir: PathBuf::new(),
            libexec_dir: PathBuf::new(),
            idle_exit: false,
            channels: BTreeMap::new(),
        }
    }

    /// What is configured of the channel `instance`: of `slack:acme` itself, or else of `slack`, or else the defaults.
    #[must_use]
    pub fn channel(&self, instance: &str) -> ChannelConfig {
        let kind = instance.split(':').next().unwrap_or(instance);
        self.channels.get(instance).or_else(|| self.channels.get(kind)).cloned().unwrap_or_default()
    }
}
