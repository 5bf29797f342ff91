//! `nanoclawctl channel`: channels are switched in the configuration and in the init system together, or in neither.

mod switch;
mod test;

use std::collections::BTreeSet;
use std::process::ExitCode;

use nc_config::{Options, Source};
use serde::Serialize;

use crate::cli;
use crate::ending::Refusal;
use crate::group::TERMINAL;
use crate::installed::Installed;
use crate::output::{self, line};
use crate::units::Units;

pub(crate) fn run(options: &Options, command: &cli::Channel) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    match command {
        cli::Channel::List(json) => list(&installed, json.json),
        cli::Channel::Enable(channel) => switch(options, &installed, channel, true),
        cli::Channel::Disable(channel) => switch(options, &installed, channel, false),
        cli::Channel::Test(channel) => {
            known(&channel.name)?;
            test::run(&installed, &channel.name, channel.json.json)
        }
    }
}

/// One channel as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    enabled: bool,
    from: String,
    /// Its service; none where it needs none, or where no init system serves the installation.
    unit: Option<String>,
    /// How the unit stands, in the init system's word.
    state: Option<String>,
}

impl Shown {
    fn of(installed: &Installed, units: Option<Units>, name: &str) -> anyhow::Result<Self> {
        let unit = units.and_then(|_| service(name));
        let state = units.zip(unit.as_deref()).map(|(units, unit)| units.state(unit)).transpose()?;
        let (enabled, from) = (installed.loaded.config.channel(name).enabled, source(installed, name).to_string());
        Ok(Self { name: name.to_owned(), enabled, from, unit, state })
    }
}

fn list(installed: &Installed, as_json: bool) -> anyhow::Result<ExitCode> {
    let units = Units::of(installed);
    let names: BTreeSet<&str> = nc_config::channels()
        .iter()
        .copied()
        .chain(installed.loaded.config.channels.keys().map(String::as_str))
        .collect();
    let all = names.into_iter().map(|name| Shown::of(installed, units, name)).collect::<anyhow::Result<Vec<_>>>()?;
    if as_json {
        output::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |one: Shown| {
        let word = if one.enabled { "enabled" } else { "disabled" }.to_owned();
        let dash = || "-".to_owned();
        vec![one.name, word, one.from, one.unit.unwrap_or_else(dash), one.state.unwrap_or_else(dash)]
    };
    output::table(&["name", "is", "from", "unit", "state"], all.into_iter().map(row).collect(), "")?;
    Ok(ExitCode::SUCCESS)
}

fn switch(
    options: &Options,
    installed: &Installed,
    channel: &cli::ChannelName,
    enabled: bool,
) -> anyhow::Result<ExitCode> {
    known(&channel.name)?;
    let units = Units::of(installed);
    let now = switch::switch(options, installed, units, &channel.name, enabled)?;
    let shown = Shown::of(&now, units, &channel.name)?;
    if channel.json.json {
        output::json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let word = if enabled { "enabled" } else { "disabled" };
    let how = match (&shown.unit, &shown.state) {
        (Some(unit), Some(state)) => format!("{unit} is {state}"),
        _ => "it has no unit here".to_owned(),
    };
    line(format!("{} is {word} ({}); {how}", shown.name, shown.from))?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses what is no channel, before anything is looked at.
fn known(name: &str) -> anyhow::Result<()> {
    if nc_config::is_channel(name) {
        return Ok(());
    }
    let names = nc_config::channels().join(", ");
    Err(Refusal::look(format!("there is no channel {name:?}: there is {names}, and instances such as {TERMINAL}:NAME")))
}

/// Where it is said whether the channel is enabled: of itself, else of what it is an instance of.
fn source<'a>(installed: &'a Installed, name: &str) -> &'a Source {
    let kind = name.split(':').next().unwrap_or(name);
    let key = |name: &str| format!("channels.{name}.enabled");
    let find = |key: String| installed.loaded.settings.iter().find(|setting| setting.key == key);
    let said = |name: &str| find(key(name)).map(|setting| &setting.source);
    said(name).filter(|source| **source != Source::Default).or_else(|| said(kind)).unwrap_or(&Source::Default)
}

/// The service of a channel: `slack:acme` is served by `nc-slack@acme.service`, a terminal by whoever talks.
fn service(name: &str) -> Option<String> {
    let (kind, instance) = name.split_once(':').unwrap_or((name, "default"));
    (kind != TERMINAL).then(|| format!("nc-{kind}@{instance}.service"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_a_service_of_its_kind_and_name() {
        assert_eq!(service("slack:acme").as_deref(), Some("nc-slack@acme.service"));
        assert_eq!(service("whatsapp").as_deref(), Some("nc-whatsapp@default.service"));
        assert_eq!((service("terminal"), service("terminal:x")), (None, None));
    }
}
