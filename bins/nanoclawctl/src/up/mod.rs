//! The whole toolkit in the foreground, where no init system runs it.
//!
//! ```text
//! reads    the configuration (max_runs, directories)            nanoclaw.toml(5)
//!          credentials of its environment, which only nc-runner gets
//! holds    <run>/up.lock, router.sock, ipcd.sock, runner.sock   nanoclawctl(1)
//! starts   nc-router, nc-ipcd; nc-runner for each connection
//! writes   what they say, labelled, to standard error
//! trusts   nothing that they say, but READY=1 and their exit status
//! exits    0 told to stop, 1 something had to be killed, 75 try again, 78 a person must look
//! ```

mod house;
mod limits;
mod line;
mod output;
mod place;
mod program;

mod runs;
mod stop;
mod surroundings;

use std::process::ExitCode;

use anyhow::Context as _;
use nc_config::{Credentials, Loaded, Options};
use nc_daemon::{Failure, Handover};

use house::House;
use output::{Level, Output};
use surroundings::Surroundings;

/// Runs the installation until it is told to stop, and returns the status to exit with. `options` are those that
/// `loaded` was read with: the programs get the same. `credentials` are for the runs alone.
///
/// # Errors
/// Where not even the thread that writes to standard error can be started. Everything else that goes wrong is said
/// there, among the programs' lines, with the status that fits.
pub(crate) fn run(loaded: &Loaded, options: &Options, credentials: &Credentials) -> anyhow::Result<ExitCode> {
    let output = Output::begin().context("start the thread that writes to standard error")?;
    let result = hold(loaded, options, credentials, &output);
    if let Err(failure) = &result {
        output.voice().say(Level::Error, &format!("{:#}", failure.error()));
    }
    output.finish();
    Ok(result.map_or_else(|failure| ExitCode::from(&failure), |()| ExitCode::SUCCESS))
}

fn hold(loaded: &Loaded, options: &Options, credentials: &Credentials, output: &Output) -> Result<(), Failure> {
    nc_daemon::close_on_exec();
    if !nc_daemon::holder::end_with_parent() {
        return Ok(());
    }
    limits::raise_open_files();
    let handover = if credentials.is_empty() { None } else { Some(Handover::new(&credentials.to_hand_on())?) };
    let around = Surroundings::of(&loaded.installation, options, handover);
    let _lock = place::take(&loaded.installation, &output.voice())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Children are started by this thread, since the kernel takes its end for ours.
    runtime.block_on(async {
        let mut house = House::build(loaded, options, around, output.voice())?;
        let why = house.keep().await;
        let stopped = house.stop(why).await;
        place::leave(&loaded.installation);
        stopped
    })
}
