//! nc-runner runs one agent in a sandbox.
//!
//! ```text
//! reads    one line from its connection               nc-run(5)
//!          sessions, agent_groups, runs               nanoclaw-store(5)
//!          the provider's credentials                 $CREDENTIALS_DIRECTORY, nanoclawctl up, <dir>/credentials/
//! writes   its own row of runs                        nanoclaw-store(5)
//!          the journal, or <groups>/<folder>/logs/    what the agent printed
//!          by hand: a session and its prompt          nanoclaw-store(5)
//! starts   bubblewrap, as a user that is not root
//! trusts   nothing that comes out of the sandbox
//! exits    0 the run ended or could not begin (the connection was told), 64 usage, 75 try again, 78 a person must look;
//!          with --shell the status of the command; by hand 0 where the agent did what it was asked, 1 where it did not
//! ```

mod announce;
mod buried;
mod caller;
mod capture;
mod driver;
mod hand;
mod lock;
mod outcome;
mod plan;
mod previous;
mod prove;
mod refusal;
mod request;
mod run;
mod serve;
mod shell;
mod signs;
mod vigil;
mod whose;
mod workplace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use nc_config::Options;

/// Runs one agent in a sandbox
///
/// With GROUP it gives the group's agent a prompt and prints what the agent says. Without GROUP, --shell and --buried it
/// serves the connection that it was started for, by a socket unit, by inetd or by nanoclawctl up.
#[derive(Debug, Parser)]
#[command(name = "nc-runner", version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    hand: hand::ByHand,
    /// Run a command in the sandbox of this group's agent, with a session of its own that is gone afterwards
    #[arg(long, value_name = "GROUP", conflicts_with_all = ["buried", "group"])]
    shell: Option<String>,
    /// Try every known way out of the sandbox of this group's agent from inside of it, and print what came of each as JSON
    #[arg(long, value_name = "GROUP", conflicts_with_all = ["buried", "group", "shell"])]
    prove: Option<String>,
    /// Make the tries, which are told on standard input.
    #[arg(long, hide = true, exclusive = true)]
    tries: bool,
    /// Write down the end of runs whose runner was killed, by their ids or by the name of the runner's instance; without
    /// any, of all that live in the store and nowhere else
    #[arg(long, value_name = "RUN", num_args = 0.., conflicts_with = "group")]
    buried: Option<Vec<String>>,
    /// The name under which --buried finds this runner's run
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// The command of --shell and its arguments; an interactive sh where there is none
    #[arg(last = true, value_name = "COMMAND", requires = "shell")]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    let arguments = match nc_daemon::arguments::<Arguments>() {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    if arguments.tries {
        return prove::make_tries();
    }
    if let Some(group) = &arguments.prove {
        return hand::prove(&arguments.options, group);
    }
    if let Some(group) = &arguments.shell {
        return shell::run(&arguments.options, group, &arguments.command);
    }
    if let Some(group) = &arguments.hand.group {
        return hand::run(&arguments.options, group, &arguments.hand);
    }
    if let Some(names) = arguments.buried {
        return nc_daemon::run("nc-runner", |daemon| buried::bury(daemon, arguments.options, names));
    }
    nc_daemon::run("nc-runner", |daemon| serve::serve(daemon, arguments.options, arguments.instance))
}
