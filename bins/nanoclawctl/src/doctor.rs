//! `nanoclawctl doctor`: what is missing on this machine or wrong with the installation, and how to mend it.

mod household;
mod machine;
mod model;
mod places;
mod units;

use std::process::ExitCode;

use nc_config::Options;
use serde::Serialize;

pub(crate) use self::household::who_runs;
use crate::cli;
use crate::installed::Installed;
use crate::output::{self, Colour, harmless, line};
use crate::units::Units;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// It works, but less is promised.
    Warn,
    /// It does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Check {
    pub(crate) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), mend: None }
    }

    pub(crate) fn warn(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, state: State::Warn, found: found.into(), mend: Some(mend.into()) }
    }

    pub(crate) fn fail(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, state: State::Fail, found: found.into(), mend: Some(mend.into()) }
    }
}

pub(crate) fn run(options: &Options, doctor: &cli::Doctor) -> anyhow::Result<ExitCode> {
    let checks = match Installed::load(options) {
        Ok(installed) => all(&installed),
        Err(error) => {
            let mend = "put it right, then see `nanoclawctl config check`; what follows was looked at without it";
            let mut checks = vec![Check::fail("configuration", format!("{error:#}"), mend)];
            checks.extend(machine::sandboxes(None));
            checks
        }
    };
    report(&checks, doctor.json.json)
}

/// Prints what was looked at; the status says whether all of it works.
pub(crate) fn report(checks: &[Check], as_json: bool) -> anyhow::Result<ExitCode> {
    if as_json {
        output::json(&checks)?;
    } else {
        print(checks)?;
    }
    let failed = checks.iter().any(|check| check.state == State::Fail);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn all(installed: &Installed) -> Vec<Check> {
    let config = &installed.loaded.config;
    let dir = installed.paths().dir().display();
    let units = Units::of(installed);
    let mut checks = vec![
        Check::ok("configuration", format!("the configuration of {dir} is good")),
        Check::ok("time zone", format!("times are read and shown in {}", config.timezone_name)),
    ];
    checks.extend(places::directories(installed));
    checks.push(places::disk(installed));
    checks.extend(household::store(installed));
    checks.push(household::programs(installed));
    checks.push(household::who_runs(installed, units));
    checks.extend(units::failed(units));
    checks.push(household::left_behind(installed));
    checks.extend(model::all(installed));
    checks.push(machine::inotify(config.max_runs));
    checks.extend(machine::sandboxes(Some(installed)));
    checks
}

fn print(checks: &[Check]) -> anyhow::Result<()> {
    let colour = Colour::of_stdout();
    for check in checks {
        let word = match check.state {
            State::Ok => colour.green("OK  "),
            State::Warn => colour.yellow("WARN"),
            State::Fail => colour.red("FAIL"),
        };
        line(format!("{word} {}: {}", colour.bold(check.name), harmless(&check.found)))?;
        if let Some(mend) = &check.mend {
            line(format!("     → {}", harmless(mend)))?;
        }
    }
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    line(format!("checks: {}, warnings: {}, failures: {}", checks.len(), count(State::Warn), count(State::Fail)))
}
