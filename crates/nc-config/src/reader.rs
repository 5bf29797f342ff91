//! Reads one value of one key.

use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use nc_model::quantity::{format_duration, format_size, parse_duration, parse_size};
use nc_model::zone;
use toml::de::DeValue;

use crate::config::Config;
use crate::keys::{Key, Kind, check_pattern};

/// The longest path, in bytes, with its end: `PATH_MAX` of Linux.
const MAX_PATH: usize = 4096;

/// How many characters of a refused value an error shows.
const MAX_SHOWN: usize = 60;

/// The zone where the system has none, or one without a name.
const FALLBACK_ZONE: &str = "UTC";

/// A value as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    /// In a file, with a type.
    Toml(&'a DeValue<'a>),
    /// In the environment or an option, as bare text.
    Text(&'a str),
}

impl Raw<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Toml(value) => value.as_str(),
            Self::Text(text) => Some(text),
        }
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Self::Toml(value) => value.as_bool(),
            Self::Text(text) => text.parse().ok(),
        }
    }

    fn number(&self) -> Option<i128> {
        match self {
            Self::Toml(value) => {
                value.as_integer().and_then(|number| i128::from_str_radix(number.as_str(), number.radix()).ok())
            }
            Self::Text(text) => text.parse().ok(),
        }
    }

    /// The value for an error: cut, and with its type where it has one.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => shown(text),
            Self::Toml(DeValue::String(text)) => shown(text),
            Self::Toml(DeValue::Integer(number)) => cut(&number.to_string()),
            Self::Toml(DeValue::Boolean(flag)) => flag.to_string(),
            Self::Toml(other) => format!("a value of type {}", other.type_str()),
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn shown(text: &str) -> String {
    format!("{:?}", cut(text))
}

/// Reads `raw` as the value of `key` and puts it into `config`; `channel` is the channel's name, if it is a channel's key.
/// Gives the value as nanoclaw.toml would write it, or a sentence on what is wrong that fits after the key's name.
pub(crate) fn read(config: &mut Config, key: &Key, channel: &str, raw: Raw<'_>) -> Result<String, String> {
    let refuse = |allowed: &str| format!("is {}: {allowed}", raw.shown());
    match &key.kind {
        Kind::Text { allowed, check, slot } => {
            let text = raw.text().filter(|text| check(text)).ok_or_else(|| refuse(&format!("write {allowed}")))?;
            text.clone_into(slot(config, channel));
            Ok(quoted(text))
        }
        Kind::Flag { slot } => {
            let flag = raw.flag().ok_or_else(|| refuse("write true or false"))?;
            *slot(config, channel) = flag;
            Ok(flag.to_string())
        }
        Kind::Count { range, slot } => {
            let number = raw.number().and_then(|number| u32::try_from(number).ok()).filter(|n| range.contains(n));
            let allowed = format!("write a whole number from {} to {}", range.start(), range.end());
            let number = number.ok_or_else(|| refuse(&allowed))?;
            *slot(config, channel) = number;
            Ok(number.to_string())
        }
        Kind::Duration { range, slot } => {
            let duration = quantity(raw, range, parse_duration, format_duration, "a duration", "90s")?;
            *slot(config, channel) = duration;
            Ok(quoted(&format_duration(duration)))
        }
        Kind::Size { range, slot } => {
            let size = quantity(raw, range, parse_size, format_size, "a size", "10MiB")?;
            *slot(config, channel) = size;
            Ok(quoted(&format_size(size)))
        }
        Kind::Path { slot } => {
            let path = raw.text().filter(|path| is_path(path)).ok_or_else(|| refuse("write a path"))?;
            *slot(config, channel) = PathBuf::from(path);
            Ok(quoted(path))
        }
        Kind::MaybePath { slot } => {
            let path =
                raw.text().filter(|path| path.is_empty() || is_path(path)).ok_or_else(|| refuse("write a path"))?;
            *slot(config, channel) = Some(path).filter(|path| !path.is_empty()).map(PathBuf::from);
            Ok(quoted(path))
        }
        Kind::Word { words, later, set } => {
            let word = word(raw, words, later).map_err(|allowed| refuse(&allowed))?;
            set(config, word);
            Ok(quoted(word))
        }
        Kind::Zone { set } => {
            let (zone, name) = raw.text().and_then(zone).ok_or_else(|| {
                refuse("write a name of the IANA list that this machine has, such as \"Europe/Paris\", or \"system\"")
            })?;
            set(config, zone, name.clone());
            Ok(quoted(&name))
        }
        Kind::Pattern { slot } => {
            let pattern = raw.text().ok_or_else(|| refuse("write a regular expression"))?;
            check_pattern(pattern).map_err(|reason| format!("is not valid: {reason}"))?;
            *slot(config, channel) = Some(pattern.to_owned());
            Ok(quoted(pattern))
        }
    }
}

/// Reads a number with a unit that must lie in a range.
fn quantity<T: PartialOrd + Copy, E: Debug>(
    raw: Raw<'_>,
    range: &RangeInclusive<T>,
    parse: fn(&str) -> Result<T, E>,
    format: fn(T) -> String,
    noun: &str,
    example: &str,
) -> Result<T, String> {
    let read = raw.text().and_then(|text| parse(text).ok()).filter(|value| range.contains(value));
    let (least, most) = (format(*range.start()), format(*range.end()));
    read.ok_or_else(|| {
        format!("is {}: write {noun} from \"{least}\" to \"{most}\", such as \"{example}\"", raw.shown())
    })
}

/// The word of `words` that was given, or a sentence on what is allowed.
fn word(raw: Raw<'_>, words: &[&'static str], later: &[&str]) -> Result<&'static str, String> {
    let given = raw.text().unwrap_or_default();
    if let Some(word) = words.iter().find(|word| **word == given) {
        return Ok(word);
    }
    let list = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    Err(if later.contains(&given) {
        format!("not available in this version, which has {list}")
    } else {
        format!("write one of {list}")
    })
}

/// A path that the system can be asked for: not empty, not too long, without NUL.
fn is_path(path: &str) -> bool {
    !path.is_empty() && path.len() < MAX_PATH && !path.contains('\0')
}

/// The zone of this name with its name, or of the system.
fn zone(name: &str) -> Option<(TimeZone, String)> {
    if name == "system" {
        return Some(system_zone());
    }
    if let Some(zone) = zone_by_file(name) {
        return Some((zone, name.to_owned()));
    }
    // Other spellings, and zones elsewhere (TZDIR).
    let zone = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())?;
    let proper = zone.iana_name()?.to_owned();
    Some((zone, proper))
}

fn zone_by_file(name: &str) -> Option<TimeZone> {
    let bytes = std::fs::read(zone::zone_file(name)?).ok()?;
    zone::zone_from(name, &bytes)
}

/// The zone that `/etc/localtime` points to, unless TZ says another.
fn linked_zone() -> Option<(TimeZone, String)> {
    if std::env::var_os("TZ").is_some() {
        return None;
    }
    let target = std::fs::read_link("/etc/localtime").ok()?;
    let name = zone::zone_name(&target)?;
    Some((zone_by_file(name)?, name.to_owned()))
}

/// The system's zone. The agent is told it by name, so one without a name counts as none, and none as UTC.
fn system_zone() -> (TimeZone, String) {
    if let Some(linked) = linked_zone() {
        return linked;
    }
    let named = |zone: TimeZone| zone.iana_name().map(str::to_owned).map(|name| (zone.clone(), name));
    let debian = || std::fs::read_to_string("/etc/timezone").ok().and_then(|text| TimeZone::get(text.trim()).ok());
    let system = TimeZone::try_system().ok().filter(|zone| !zone.is_unknown());
    system.and_then(named).or_else(|| debian().and_then(named)).unwrap_or((TimeZone::UTC, FALLBACK_ZONE.to_owned()))
}

/// A text as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
