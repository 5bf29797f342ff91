//! Command lines of daemons.

use std::process::ExitCode;

use crate::Failure;

/// Reads the command line. On `Err` the program ends with that status: 0 after `--help` and `--version`, 64 after a
/// mistake, which has been explained on standard error.
///
/// # Errors
/// The status to exit with.
pub fn arguments<T: clap::Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|error| {
        // Without a place to write to, the status still says it.
        let _written = error.print();
        if error.use_stderr() { ExitCode::from(Failure::USAGE) } else { ExitCode::SUCCESS }
    })
}
