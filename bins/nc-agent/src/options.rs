//! What the command line says.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nc_model::quantity::{QuantityError, parse_duration};

/// Answers what comes into one session's mailbox, with a model. nc-runner starts it inside the sandbox.
///
/// One JSON object on standard input, then end of file, says which run this is, which provider answers and with what
/// credentials: nc-mailbox(5). It works until it is told to leave (SIGTERM) or has had nothing to do for the idle timeout.
#[derive(Debug, Parser)]
#[command(
    name = "nc-agent",
    version,
    after_help = "Exit status: 0 it left in order; 64 usage; 75 try again; 78 a person must look."
)]
pub(crate) struct Options {
    /// The directory with the mailbox
    #[arg(long, value_name = "DIR", default_value = "/workspace")]
    pub(crate) workspace: PathBuf,

    /// Look for new mail this often as well (as 500ms, 2s), where no word of a change crosses the mount
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub(crate) look_every: Option<Duration>,

    /// Which log lines are written; at debug also everything that the model says
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub(crate) log_level: String,

    /// The Claude Code program, for the provider claude
    #[arg(long, value_name = "FILE", default_value = "/app/claude")]
    pub(crate) claude: PathBuf,

    /// How long it may take to answer first. It takes 0.4 s, and many times that from a slow disk; it is started twice
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = interval)]
    pub(crate) start_within: Duration,

    /// How long the model's API may send nothing, and requests to it may fail, before whoever waits is told
    #[arg(long, value_name = "DURATION", default_value = "40s", value_parser = interval)]
    pub(crate) api_silence: Duration,
}

/// A command line that cannot be obeyed, as `sysexits.h` has it.
const EX_USAGE: u8 = 64;

impl Options {
    /// Reads the command line. Help and version are printed, an error too, and then there is nothing left but to exit.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            // Where even this cannot be printed, the status still says it.
            _ = error.print();
            if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS }
        })
    }
}

fn interval(text: &str) -> Result<Duration, QuantityError> {
    parse_duration(text).map(|interval| interval.max(Duration::from_millis(1)))
}
