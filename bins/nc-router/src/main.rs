//! nc-router decides who answers a message, fills the sessions' mailboxes, and asks for runs.
//!
//! ```text
//! reads    messages, wirings, roles, session_inbox, notices, runs   nanoclaw-store(5)
//!          the names in a group's folder, where an admin asks
//! writes   routings, sessions, approvals, deliveries of notices     nanoclaw-store(5)
//!          <data>/sessions/*/*/in/                                  nc-mailbox(5)
//! asks     <run>/runner.sock for runs                               nc-run(5)
//! trusts   no text of a message; whatever is written there is handed on as it is
//! exits    0 told to stop or idle, 1 there is no such session (--place), 64 usage, 75 try again, 78 a person must look
//! ```

mod asks;
mod backoff;
mod batch;
mod commands;
mod content;
mod desk;
mod files;
mod judge;
mod mailboxes;
mod orphans;
mod pass;
mod patience;
mod place;
mod rules;
mod runner;
mod runs;
mod tell;
mod way;

use std::process::ExitCode;

use clap::Parser;
use nc_config::Options;
use nc_daemon::{Daemon, Failure, Wakeup};
use tracing::warn;

use crate::desk::{Desk, Woken};
use crate::patience::Patience;

/// Decides who answers a message
#[derive(Debug, Parser)]
#[command(name = "nc-router", version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Put into one session's mailbox what waits for it, and leave
    #[arg(long, value_name = "SESSION")]
    place: Option<String>,
}

fn main() -> ExitCode {
    match nc_daemon::arguments::<Arguments>() {
        Ok(arguments) => nc_daemon::run("nc-router", |daemon| serve(daemon, arguments)),
        Err(status) => status,
    }
}

async fn serve(mut daemon: Daemon, arguments: Arguments) -> Result<(), Failure> {
    let loaded = nc_config::load(&arguments.options).map_err(Failure::config)?;
    daemon.log_level(loaded.config.log_level.as_str());
    let mut desk = Desk::open(loaded)?;
    if let Some(session) = arguments.place {
        return desk.place_one(&session);
    }
    daemon.bell(&desk.bell()).map_err(Failure::config)?;
    desk.recover()?;
    daemon.ready();
    let mut patience = Patience::default();
    loop {
        let due = match desk.pass() {
            Ok(due) => {
                patience.restored();
                due
            }
            Err(error) => patience.lost(error)?,
        };
        daemon.status(format_args!("{}", desk.status()));
        daemon.set_idle(desk.idle_after(due));
        match desk.wait(&mut daemon, due).await {
            Woken::Daemon(Wakeup::Stop | Wakeup::Idle) => return Ok(()),
            Woken::Daemon(Wakeup::Reload) => match nc_config::load(&arguments.options) {
                Ok(loaded) => desk.reload(loaded, &daemon),
                Err(error) => warn!(
                    message_id = nc_model::event::CONFIGURATION_REFUSED,
                    "the new configuration is refused and the former one kept: {error}"
                ),
            },
            Woken::Daemon(Wakeup::Doorbell | Wakeup::Due) | Woken::Run => {}
        }
    }
}
