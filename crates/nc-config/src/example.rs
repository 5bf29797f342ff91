//! The example file: every key with its default, its range and what it is for.

use std::fmt::Write as _;

use nc_model::quantity::{format_duration, format_size};

use crate::keys::{ANY, CHANNELS, KEYS, Key, Kind};

const HEAD: &str = "\
# nanoclaw.toml: the configuration of a NanoClaw installation, nanoclaw.toml(5).
#
# Every key is here with its default, commented out. A value is taken from, the first that has one:
#   the option --set KEY=VALUE,
#   the environment variable NANOCLAW_KEY (a dot of the key is two underscores),
#   the files nanoclaw.toml.d/*.toml, of which a later name wins over an earlier,
#   this file,
#   the default.
# `nanoclawctl config show` prints what holds and where it came from, `nanoclawctl config check` what is wrong.
";

/// The text of `nanoclaw.toml.example`.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    let mut tables = CHANNELS.iter();
    let (plain, of_channels): (Vec<&Key>, Vec<&Key>) = KEYS.iter().partition(|key| !key.name.contains(ANY));
    for key in plain {
        describe(&mut text, key, key.name);
    }
    for channel in tables.by_ref() {
        push(&mut text, format_args!("\n#[channels.{channel}]"));
        for key in &of_channels {
            describe(&mut text, key, key.name.rsplit('.').next().unwrap_or(key.name));
        }
    }
    text
}

fn describe(text: &mut String, key: &Key, written: &str) {
    push(text, format_args!("\n# {}", key.about));
    push(text, format_args!("# {}", allowed(&key.kind)));
    push(text, format_args!("# A change counts {}.", key.counts));
    match key.default {
        Some(default) => push(text, format_args!("#{written} = {default}")),
        None => push(text, format_args!("# There is no default. {written} = \"…\"")),
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    _ = writeln!(text, "{line}");
}

/// What a key's value may be, as a sentence.
fn allowed(kind: &Kind) -> String {
    match kind {
        Kind::Text { allowed, .. } => format!("Allowed: {allowed}."),
        Kind::Flag { .. } => "Allowed: true, false.".to_owned(),
        Kind::Count { range, .. } => format!("Allowed: {} to {}.", range.start(), range.end()),
        Kind::Duration { range, .. } => format!(
            "Allowed: \"{}\" to \"{}\", a whole number with ms, s, m or h.",
            format_duration(*range.start()),
            format_duration(*range.end())
        ),
        Kind::Size { range, .. } => format!(
            "Allowed: \"{}\" to \"{}\", a whole number with B, KiB, MiB or GiB.",
            format_size(*range.start()),
            format_size(*range.end())
        ),
        Kind::Path { .. } => "Allowed: a path.".to_owned(),
        Kind::MaybePath { .. } => "Allowed: a path, or \"\".".to_owned(),
        Kind::Word { words, .. } => format!("Allowed: \"{}\".", words.join("\", \"")),
        Kind::Zone { .. } => "Allowed: \"system\", or an IANA name such as \"Europe/Paris\".".to_owned(),
        Kind::Pattern { .. } => "Allowed: a regular expression of at most 1024 bytes; case does not count.".to_owned(),
    }
}
