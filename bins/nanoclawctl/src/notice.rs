//! `nanoclawctl notice`: the owners are told that a unit has failed. Units call it by `OnFailure=`.
//!
//! It makes the deliveries itself, and does not ring the router: that may be who has failed, and a ring would start it
//! again, to fail and to be told of, without end. For the same reason a channel that has failed is not rung.

use std::collections::BTreeSet;
use std::process::ExitCode;

use nc_config::{ConfigError, Doorbell, Options};
use nc_model::Timestamp;
use nc_store::{NewNotice, Store, now};
use nix::unistd::getppid;

use crate::cli;
use crate::group::TERMINAL;
use crate::installed::Installed;
use crate::output::line;
use crate::units::Units;

/// How often the owners are told of one unit: once in so many milliseconds.
const TOLD_EVERY: i64 = 60 * 60 * 1000;

/// The longest name of a unit, in bytes: `UNIT_NAME_MAX` of systemd, less its end.
const MAX_NAME: usize = 255;

pub(crate) fn run(options: &Options, notice: &cli::Notice) -> anyhow::Result<ExitCode> {
    // That it is wrong may be why the unit has failed.
    let (installed, wrong) = Installed::load_what_is_right(options)?;
    let unit = &notice.unit;
    line(match tell_of(&installed, unit, text(unit, wrong.as_ref()))? {
        None => format!("{unit} has failed; the owners were told less than an hour ago"),
        Some(channels) if channels.is_empty() => {
            format!("{unit} has failed; no owner can be reached yet, and they are told as soon as one can")
        }
        Some(channels) => {
            let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
            format!("{unit} has failed; the owners are told by {}", channels.join(", "))
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Tells the owners of `unit`, and returns by which channels; none where they were told of it less than an hour ago.
pub(crate) fn tell_of(installed: &Installed, unit: &str, text: String) -> anyhow::Result<Option<BTreeSet<String>>> {
    let mut store = installed.existing_store()?;
    let notice = NewNotice { chat: None, unit: unit.to_owned(), text, cause: cause(unit, now()) };
    if !store.say_notice_once(&notice)? {
        return Ok(None);
    }
    let channels = tell(&mut store, &notice.cause)?;
    for channel in channels.iter().filter(|channel| !is_of(unit, channel)) {
        ring(installed, channel);
    }
    Ok(Some(channels))
}

fn text(unit: &str, wrong: Option<&ConfigError>) -> String {
    let journal = manager().journal(unit);
    match wrong {
        None => {
            format!(
                "{unit} has failed. `{journal}` says why, and `nanoclawctl doctor` whether it runs again and what to do."
            )
        }
        Some(wrong) => format!(
            "{unit} has failed, and the configuration is wrong: {wrong}. Mend it, then start the unit; `{journal}` says more."
        ),
    }
}

/// Makes a delivery in each chat where an owner can be reached, and returns their channels. Where none can, the notice
/// stays open for the router.
fn tell(store: &mut Store, cause: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut channels = BTreeSet::new();
    for notice in store.open_notices()?.into_iter().filter(|notice| notice.cause == cause) {
        let chats = store.notice_chats(&notice)?;
        if !chats.is_empty() {
            store.tell_notice(&notice, &chats)?;
            channels.extend(chats.into_iter().map(|place| place.channel));
        }
    }
    Ok(channels)
}

/// What has the same cause is told once.
fn cause(unit: &str, at: Timestamp) -> String {
    format!("unit {unit} failed {}", at.0.div_euclid(TOLD_EVERY))
}

fn ring(installed: &Installed, channel: &str) {
    if channel == TERMINAL {
        nc_daemon::ring_all(&installed.paths().doorbell(Doorbell::TalkDir));
    } else {
        nc_daemon::ring(&installed.paths().doorbell(Doorbell::Channel(channel)));
    }
}

/// Whether `unit` serves `channel`: `nc-slack@acme.service` serves `slack:acme`.
fn is_of(unit: &str, channel: &str) -> bool {
    let name = unit.rsplit_once('.').map_or(unit, |(name, _kind)| name);
    name.strip_prefix("nc-").is_some_and(|name| name.replacen('@', ":", 1) == channel)
}

/// systemd.exec(5): `MANAGERPID` is the process id of a user's manager, which is our parent where it started us.
pub(crate) fn manager() -> Units {
    let ours = std::env::var("MANAGERPID").is_ok_and(|pid| pid == getppid().to_string());
    if ours { Units::User } else { Units::System }
}

/// A unit's name, systemd.unit(5).
///
/// # Errors
/// In words, where it cannot be one.
pub(crate) fn unit_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    let kind = text.rsplit_once('.').is_some_and(|(name, kind)| !name.is_empty() && !kind.is_empty());
    if kind && text.len() <= MAX_NAME && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "write a unit's name with its kind, such as nc-router.service, of at most {MAX_NAME} letters, digits and :-_.\\@"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_known_by_the_channel_that_it_serves() {
        assert!(is_of("nc-slack@acme.service", "slack:acme") && is_of("nc-slack@acme.inc.service", "slack:acme.inc"));
        assert!(!is_of("nc-slack@acme.service", "slack:other") && !is_of("nc-router.service", "terminal"));
    }

    #[test]
    fn a_unit_has_a_name_and_a_kind() {
        for good in ["nc-router.service", "nc-slack@a\\x2db.socket", "nc-runner@12-7-0.service"] {
            assert_eq!(unit_name(good).as_deref(), Ok(good));
        }
        let long = format!("{}.service", "x".repeat(MAX_NAME));
        for bad in ["", "nc-router", ".service", "x.", "a b.service", "../x.service", "a\n.service", &long] {
            assert!(unit_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn another_hour_is_another_cause() {
        let at = |ms| cause("x.service", Timestamp(ms));
        assert_eq!(at(0), at(TOLD_EVERY - 1));
        assert_ne!(at(0), at(TOLD_EVERY));
    }
}
