//! nc-ipcd takes what agents say out of their mailboxes into the store.
//!
//! ```text
//! reads    <data>/sessions/*/*/work/outbound.db        nc-mailbox(5)
//! writes   deliveries, sends, session_inbox, notices,  nanoclaw-store(5)
//!          the outcomes of routings, runs.collected_at
//!          <data>/rejected/<group>/, <data>/media/out/<delivery>/
//! trusts   nothing that an agent wrote, and nothing that it says of itself
//! exits    0 told to stop or idle, 64 usage, 75 try again, 78 a person must look
//! ```

mod bells;
mod check;
mod desk;
mod intake;
mod live;
mod look;
mod media;
mod patience;
mod reach;
mod readiness;
mod requests;
mod troubles;
mod way;

use std::process::ExitCode;

use clap::Parser;
use nc_config::Options;
use nc_daemon::{Daemon, Failure, Wakeup};
use tracing::warn;

use crate::desk::Desk;
use crate::patience::Patience;

/// Takes what agents say out of their mailboxes
#[derive(Debug, Parser)]
#[command(name = "nc-ipcd", version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    match nc_daemon::arguments::<Arguments>() {
        Ok(arguments) => nc_daemon::run("nc-ipcd", |daemon| serve(daemon, arguments.options)),
        Err(status) => status,
    }
}

async fn serve(mut daemon: Daemon, options: Options) -> Result<(), Failure> {
    let loaded = nc_config::load(&options).map_err(Failure::config)?;
    daemon.log_level(loaded.config.log_level.as_str());
    let mut desk = Desk::open(loaded.installation, &mut daemon)?;
    desk.pass().map_err(patience::failure)?;
    desk.ring_at_start().map_err(patience::failure)?;
    daemon.ready();
    let mut patience = Patience::default();
    loop {
        desk.show(&daemon);
        daemon.set_idle(desk.idle_after());
        // A store that refuses is not asked before its time, whatever is due.
        let due = patience.until().or_else(|| desk.due());
        let woken = tokio::select! {
            biased;
            wakeup = daemon.wait(due) => Some(wakeup),
            () = desk.changed() => None,
        };
        match woken {
            Some(Wakeup::Stop) => return desk.last_pass().await.map_err(patience::failure),
            Some(Wakeup::Idle) => return Ok(()),
            Some(Wakeup::Reload) => match nc_config::load(&options) {
                Ok(loaded) => daemon.log_level(loaded.config.log_level.as_str()),
                Err(error) => warn!(
                    message_id = nc_model::event::CONFIGURATION_REFUSED,
                    "the new configuration is refused and the former one kept: {error}"
                ),
            },
            Some(Wakeup::Doorbell) => desk.runs_changed(),
            Some(Wakeup::Due) | None => {}
        }
        match desk.pass() {
            Ok(()) => patience.restored(),
            Err(error) => patience.lost(error)?,
        }
    }
}
