//! The keys of nanoclaw.toml: every one, with its range, default and meaning.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use nc_model::limits::TIMEOUT_RANGE;
use nc_model::{Provider, Runtime, Trigger};

use crate::config::{Config, LogLevel};

/// What stands for a channel's name in the name of a key.
pub(crate) const ANY: &str = "<name>";

/// The channels that there are; their instances, such as `slack:acme`, may have tables of their own.
pub(crate) const CHANNELS: &[&str] = &["terminal"];

/// One key of nanoclaw.toml.
#[derive(Debug)]
pub struct Key {
    /// Its name with its table; `<name>` stands for a channel.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// Its default as a value of TOML; none where it has no value by default.
    pub default: Option<&'static str>,
    /// When a changed value counts: programs read the files again when they are told to reload (SIGHUP), and not
    /// everything can change under them.
    pub counts: &'static str,
    /// What is allowed, and where the value goes.
    pub(crate) kind: Kind,
}

/// Where a value goes. The text is the channel's name, empty for the other keys.
pub(crate) type Slot<T> = for<'a> fn(&'a mut Config, &str) -> &'a mut T;

/// What a key's value is and where it goes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A text that `check` takes.
    Text { allowed: &'static str, check: fn(&str) -> bool, slot: Slot<String> },
    /// `true` or `false`.
    Flag { slot: Slot<bool> },
    /// A whole number in a range.
    Count { range: RangeInclusive<u32>, slot: Slot<u32> },
    /// A duration in a range.
    Duration { range: RangeInclusive<Duration>, slot: Slot<Duration> },
    /// A size in bytes in a range.
    Size { range: RangeInclusive<u64>, slot: Slot<u64> },
    /// A path.
    Path { slot: Slot<PathBuf> },
    /// A path, or nothing.
    MaybePath { slot: Slot<Option<PathBuf>> },
    /// One of `words`; those of `later` are known and wait for a later version.
    Word { words: &'static [&'static str], later: &'static [&'static str], set: fn(&mut Config, &str) },
    /// The name of a time zone, or `system`.
    Zone { set: fn(&mut Config, TimeZone, String) },
    /// A pattern, or nothing.
    Pattern { slot: Slot<Option<String>> },
}

/// The most characters of the assistant's name. A guess: people type it before every message.
const MAX_ASSISTANT_NAME: usize = 64;

/// The longest name of an image or model, in bytes. A guess; registries take less.
const MAX_IMAGE: usize = 255;

/// Every key, in the order of the example file.
pub const KEYS: &[Key] = &[
    Key {
        name: "assistant_name",
        about: "What the assistant is called; in a group it answers to @NAME at the start of a message.",
        default: Some("\"Andy\""),
        counts: "at a reload of nc-router; for agents at their next run",
        kind: Kind::Text {
            allowed: "1 to 64 characters without line breaks, not beginning with @",
            check: |text| is_assistant_name(text),
            slot: |config, _| &mut config.assistant_name,
        },
    },
    Key {
        name: "assistant_has_own_number",
        about: "The assistant's accounts are its own; otherwise it shares a person's and marks what it writes.",
        default: Some("false"),
        counts: "never: no program reads it yet",
        kind: Kind::Flag { slot: |config, _| &mut config.assistant_has_own_number },
    },
    Key {
        name: "timezone",
        about: "The zone of the times that people read and write.",
        default: Some("\"system\""),
        counts: "for agents at their next run; for nanoclawctl at once",
        kind: Kind::Zone { set: |config, zone, name| (config.timezone, config.timezone_name) = (zone, name) },
    },
    Key {
        name: "log_level",
        about: "How much is logged.",
        default: Some("\"info\""),
        counts: "at a reload of nc-router and nc-ipcd; for nc-runner at the next run",
        kind: Kind::Word {
            words: &["error", "warn", "info", "debug", "trace"],
            later: &[],
            set: |config, word| {
                config.log_level = LogLevel::ALL.into_iter().find(|l| l.as_str() == word).unwrap_or(config.log_level);
            },
        },
    },
    Key {
        name: "max_runs",
        about: "How many agents run at once.",
        default: Some("5"),
        counts: "at a reload of nc-router, and of nanoclawctl up",
        kind: Kind::Count { range: 1..=1000, slot: |config, _| &mut config.max_runs },
    },
    Key {
        name: "idle_timeout",
        about: "How long an agent stays without work before it is asked to leave.",
        default: Some("\"30m\""),
        counts: "at the next run",
        kind: Kind::Duration { range: TIMEOUT_RANGE, slot: |config, _| &mut config.idle_timeout },
    },
    Key {
        name: "run_timeout",
        about: "How long an agent at work may show no sign of it before it is ended; a group may have its own.",
        default: Some("\"30m\""),
        counts: "at the next run",
        kind: Kind::Duration { range: TIMEOUT_RANGE, slot: |config, _| &mut config.run_timeout },
    },
    Key {
        name: "max_output",
        about: "How much of a run's output is kept.",
        default: Some("\"10MiB\""),
        counts: "at the next run",
        kind: Kind::Size { range: 4096..=1 << 30, slot: |config, _| &mut config.max_output },
    },
    Key {
        name: "image",
        about: "The container image, where sandboxes are containers.",
        default: Some("\"nanoclaw-agent:latest\""),
        counts: "never: no program reads it yet",
        kind: Kind::Text {
            allowed: "the name of an image, 1 to 255 bytes without spaces, not beginning with -",
            check: |text| is_image(text),
            slot: |config, _| &mut config.image,
        },
    },
    Key {
        name: "runtime",
        about: "What builds sandboxes; auto takes the best that the machine has.",
        default: Some("\"auto\""),
        counts: "at the next run",
        kind: Kind::Word {
            words: &["auto", "bubblewrap"],
            later: &["docker", "podman", "apple"],
            set: |config, word| {
                config.runtime = if word == "auto" { Runtime::Auto } else { Runtime::Bubblewrap };
            },
        },
    },
    Key {
        name: "provider",
        about: "What drives the model, where a group does not say: auto is claude where it can work, else echo.",
        default: Some("\"auto\""),
        counts: "at the next run",
        kind: Kind::Word {
            words: &["auto", "echo", "claude"],
            later: &[],
            set: |config, word| config.provider = word.parse().unwrap_or(Provider::Auto),
        },
    },
    Key {
        name: "model",
        about: "The model of claude, where a group does not say; empty is Claude Code's own choice.",
        default: Some("\"\""),
        counts: "at the next run",
        kind: Kind::Text {
            allowed: "the name of a model, at most 255 bytes without spaces, or nothing",
            check: |text| is_model(text),
            slot: |config, _| &mut config.model,
        },
    },
    Key {
        name: "claude_path",
        about: "The Claude Code binary; empty is the first in PATH, else the newest that `nanoclawctl claude fetch` brought.",
        default: Some("\"\""),
        counts: "at the next run",
        kind: Kind::MaybePath { slot: |config, _| &mut config.claude_path },
    },
    Key {
        name: "data_dir",
        about: "Sessions, media, logs. Relative paths are relative to the installation's directory.",
        default: Some("\"data\""),
        counts: "when everything is started again",
        kind: Kind::Path { slot: |config, _| &mut config.data_dir },
    },
    Key {
        name: "groups_dir",
        about: "The groups' folders.",
        default: Some("\"groups\""),
        counts: "when everything is started again",
        kind: Kind::Path { slot: |config, _| &mut config.groups_dir },
    },
    Key {
        name: "store_dir",
        about: "The store.",
        default: Some("\"store\""),
        counts: "when everything is started again",
        kind: Kind::Path { slot: |config, _| &mut config.store_dir },
    },
    Key {
        name: "run_dir",
        about: "Sockets and locks. By default run in data_dir.",
        default: Some("\"data/run\""),
        counts: "when everything is started again",
        kind: Kind::Path { slot: |config, _| &mut config.run_dir },
    },
    Key {
        name: "libexec_dir",
        about: "The programs that only other programs start, where they do not lie beside nanoclawctl.",
        default: Some("\"/usr/local/libexec/nanoclaw\""),
        counts: "when everything is started again; nc-runner looks for nc-agent there at each run",
        kind: Kind::Path { slot: |config, _| &mut config.libexec_dir },
    },
    Key {
        name: "idle_exit",
        about: "Programs that their sockets can start leave when they have nothing to do.",
        default: Some("false"),
        counts: "at a reload of nc-router",
        kind: Kind::Flag { slot: |config, _| &mut config.idle_exit },
    },
    Key {
        name: "channels.<name>.enabled",
        about: "The channel takes and sends messages.",
        default: Some("true"),
        counts: "for nanoclawctl talk at once",
        kind: Kind::Flag { slot: |config, name| &mut channel(config, name).enabled },
    },
    Key {
        name: "channels.<name>.trigger",
        about: "A pattern that takes the place of @NAME in the channel's groups.",
        default: None,
        counts: "at a reload of nc-router",
        kind: Kind::Pattern { slot: |config, name| &mut channel(config, name).trigger },
    },
];

fn channel<'a>(config: &'a mut Config, name: &str) -> &'a mut crate::ChannelConfig {
    config.channels.entry(name.to_owned()).or_default()
}

fn is_assistant_name(text: &str) -> bool {
    let plain = text.trim() == text && !text.starts_with('@') && !text.contains(char::is_control);
    plain && (1..=MAX_ASSISTANT_NAME).contains(&text.chars().count())
}

fn is_image(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    (1..=MAX_IMAGE).contains(&text.len()) && !text.starts_with('-') && text.chars().all(plain)
}

fn is_model(text: &str) -> bool {
    text.is_empty() || is_image(text)
}

/// Whether a text is a pattern that a channel can have, or why not.
pub(crate) fn check_pattern(text: &str) -> Result<(), String> {
    Trigger::pattern(text).map(drop).map_err(|error| error.to_string())
}

/// The key of this name, and the channel's name where it is a channel's.
pub(crate) fn find(name: &str) -> Option<(&'static Key, &str)> {
    KEYS.iter().find_map(|key| match_name(key.name, name).map(|channel| (key, channel)))
}

/// The part of `name` that stands where `pattern` has `<name>`, empty where it has none.
fn match_name<'n>(pattern: &str, name: &'n str) -> Option<&'n str> {
    match pattern.split_once(ANY) {
        None => (pattern == name).then_some(""),
        Some((before, after)) => name.strip_prefix(before)?.strip_suffix(after).filter(|part| is_channel_name(part)),
    }
}

/// Whether `name` is a channel that there is, or an instance of one.
pub(crate) fn is_channel_name(name: &str) -> bool {
    let (kind, instance) = name.split_once(':').unwrap_or((name, "one"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    CHANNELS.contains(&kind) && !instance.is_empty() && instance.chars().all(plain)
}

/// Whether a table of this name may stand in a file: it holds keys.
pub(crate) fn is_table(name: &str) -> bool {
    name == "channels" || name.strip_prefix("channels.").is_some_and(is_channel_name)
}

/// The names of the keys as a person would write them, with every channel's in place of `<name>`.
pub(crate) fn written_names() -> Vec<String> {
    let of_channels = |key: &'static Key| CHANNELS.iter().map(move |channel| key.name.replace(ANY, channel));
    let mut names: Vec<String> = KEYS.iter().flat_map(of_channels).collect();
    names.extend(CHANNELS.iter().map(|channel| format!("channels.{channel}")));
    names.dedup();
    names
}
