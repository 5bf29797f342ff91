//! The init system's units, where it serves the installation.

use super::Check;
use crate::sweep::by_hand;
use crate::units::{TARGET, Units};

const NAME: &str = "units";

/// Units that have failed, or that none has.
pub(super) fn failed(units: Option<Units>) -> Vec<Check> {
    let Some(units) = units else {
        return vec![Check::ok(NAME, "no init system serves this installation; `nanoclawctl up` stands in for one")];
    };
    match units.failed() {
        Ok(failed) if failed.is_empty() => vec![Check::ok(NAME, "none has failed")],
        Ok(failed) => {
            let one = |unit: String| Check::fail(NAME, format!("{unit} has failed"), by_hand(units, &unit));
            failed.into_iter().map(one).collect()
        }
        Err(error) => vec![Check::warn(NAME, error.to_string(), "run this as a user whom the init system answers")],
    }
}

/// What starts everything.
pub(super) fn how_to_start(units: Option<Units>) -> String {
    match units {
        Some(units) => format!("start it: `{}`", units.command(&format!("start {TARGET}"))),
        None => "start it: `nanoclawctl up`, or `nanoclawctl run` to talk at once".to_owned(),
    }
}
