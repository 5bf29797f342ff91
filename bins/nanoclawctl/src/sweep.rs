//! `nanoclawctl sweep`: units that wait for others to ring are started again where they have failed. A timer calls it.

use std::process::ExitCode;

use nc_config::Options;
use serde::Serialize;

use crate::cli;
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::{self, line};
use crate::units::{self, Refused, TARGET, Units};

/// What became of one unit that had failed.
#[derive(Debug, Serialize)]
struct Swept {
    unit: String,
    started: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not: Option<String>,
}

pub(crate) fn run(options: &Options, json: &cli::Json) -> anyhow::Result<ExitCode> {
    // Sockets are started again whatever is wrong with the configuration.
    let (installed, _) = Installed::load_what_is_right(options)?;
    let units = Units::of(&installed).ok_or_else(|| {
        Refusal::no("no init system serves this installation: there are no units of it that could have failed")
    })?;
    let swept = if units.wanted()? { sweep(units)? } else { Vec::new() };
    if json.json {
        output::json(&swept)?;
    }
    for one in &swept {
        match &one.why_not {
            None if json.json => {}
            None => line(format!("{} had failed and is started again", one.unit))?,
            Some(why) => eprintln!("nanoclawctl: {} has failed and cannot be started again: {why}", one.unit),
        }
    }
    let failed = swept.iter().any(|one| !one.started);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn sweep(units: Units) -> anyhow::Result<Vec<Swept>> {
    let failed = units.failed()?.into_iter().filter(|unit| units::waits(unit));
    Ok(failed.map(|unit| start_again(units, unit)).collect())
}

fn start_again(units: Units, unit: String) -> Swept {
    let start = || units.ask(&["start", &unit]).map(drop);
    let tried = units.ask(&["reset-failed", &unit]).and_then(|_| start().or_else(|_| with_its_service(units, &unit)));
    let why_not = tried.err().map(|error| format!("{error}; {}", units.journal(&unit)));
    Swept { unit, started: why_not.is_none(), why_not }
}

/// systemd starts no socket whose service runs without it: that one is started anew, with the socket.
fn with_its_service(units: Units, unit: &str) -> Result<(), Refused> {
    let service = format!("{}.service", unit.rsplit_once('.').map_or(unit, |(name, _)| name));
    units.ask(&["stop", &service])?;
    units.ask(&["start", unit, &service]).map(drop)
}

/// What a person does for one unit that has failed.
pub(crate) fn by_hand(units: Units, unit: &str) -> String {
    if units::waits(unit) {
        return format!("`{}` says why; `nanoclawctl sweep` starts it again", units.journal(unit));
    }
    format!(
        "`{}` says why; then `{}`, or `{}` where all is stopped",
        units.journal(unit),
        units.command(&format!("restart {unit}")),
        units.command(&format!("start {TARGET}"))
    )
}
