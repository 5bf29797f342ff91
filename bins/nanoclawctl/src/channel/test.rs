//! `nanoclawctl channel test`: whether a message would come through, without sending one.

use std::process::ExitCode;

use nc_config::Doorbell;

use super::{service, source};
use crate::doctor::{self, Check, who_runs};
use crate::group::TERMINAL;
use crate::installed::Installed;
use crate::talk;
use crate::units::Units;
use crate::user::UnixUser;

pub(super) fn run(installed: &Installed, name: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let units = Units::of(installed);
    let mut checks = vec![enabled(installed, name)];
    match service(name) {
        None => checks.push(who_listens(installed)),
        Some(service) => {
            checks.extend(units.map(|units| unit(units, &service)));
            checks.push(bell(installed, name));
        }
    }
    checks.push(who_runs(installed, units));
    doctor::report(&checks, as_json)
}

fn enabled(installed: &Installed, name: &str) -> Check {
    let from = source(installed, name);
    if installed.loaded.config.channel(name).enabled {
        return Check::ok("configuration", format!("{name} is enabled ({from})"));
    }
    let mend = format!("`nanoclawctl channel enable {name}`");
    Check::fail("configuration", format!("{name} is disabled ({from})"), mend)
}

fn unit(units: Units, service: &str) -> Check {
    match units.state(service) {
        Ok(state) if state == "active" => Check::ok("unit", format!("{service} is active")),
        Ok(state) => Check::fail("unit", format!("{service} is {state}"), format!("`{}`", units.journal(service))),
        Err(error) => Check::warn("unit", error.to_string(), "run this as a user whom the init system answers"),
    }
}

fn bell(installed: &Installed, name: &str) -> Check {
    if nc_daemon::hears(&installed.paths().doorbell(Doorbell::Channel(name))) {
        return Check::ok("doorbell", format!("somebody hears when something is to be sent by {name}"));
    }
    Check::fail(
        "doorbell",
        format!("nobody hears when something is to be sent by {name}"),
        "start the channel's program",
    )
}

/// Whether an agent would answer whoever runs this at a terminal.
fn who_listens(installed: &Installed) -> Check {
    const NAME: &str = "agents";
    let user = UnixUser::current();
    let listens = installed.existing_store().and_then(|store| talk::choose(&store, &user, None));
    match listens {
        Ok(_) => Check::ok(NAME, format!("an agent listens to {TERMINAL}:{}", user.name)),
        Err(error) => Check::fail(NAME, format!("{error:#}"), "then try again"),
    }
}
