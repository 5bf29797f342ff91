//! `scripts/machine`, which does the work.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::{PATIENCE, Said};
use crate::command::finish_with;

/// How long the disk of all machines may take to be made: a Debian is fetched and unpacked.
const LONGEST_BASE: Duration = Duration::from_secs(900);

/// `EX_UNAVAILABLE`: this host cannot do it.
const UNABLE: i32 = 69;

/// `scripts/machine VERB NAME`, without input.
pub(super) fn script(verb: &str, name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/machine"));
    command.arg(verb).stdin(Stdio::null());
    if !name.is_empty() {
        command.arg(name);
    }
    command
}

/// Runs it to its end.
pub(super) fn said(command: &mut Command, patience: Duration) -> Said {
    Said::of(format!("{command:?}"), finish_with(command, &[], patience))
}

pub(super) fn can() -> Result<(), String> {
    static CAN: OnceLock<Result<(), String>> = OnceLock::new();
    CAN.get_or_init(|| able("can", PATIENCE).and_then(|()| able("base", LONGEST_BASE))).clone()
}

fn able(verb: &str, patience: Duration) -> Result<(), String> {
    let said = said(&mut script(verb, ""), patience);
    if said.status.code() == Some(UNABLE) {
        let why = said.stderr.lines().last().unwrap_or_default();
        return Err(why.trim_start_matches("machine: ").to_owned());
    }
    said.ok();
    Ok(())
}
