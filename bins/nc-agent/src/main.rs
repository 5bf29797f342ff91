//! nc-agent answers what comes into one session's mailbox, inside the sandbox.
//!
//! ```text
//! reads    the start object on standard input      nc-mailbox(5)
//!          <workspace>/inbound.db                  nc-mailbox(5)
//! writes   <workspace>/outbound.db, .heartbeat     nc-mailbox(5)
//! trusts   the host, and no text that a person or a model wrote
//! exits    0 told to leave or idle, 64 usage, 75 try again, 78 a person must look
//! ```

mod address;
mod agent;
mod desk;
mod failure;
mod in_flight;
mod mail;
mod options;
mod parts;
mod prompt;
mod provider;
mod usage;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use nc_wire::mailbox::container::Mailbox;
use nc_wire::start::StartObject;
use nix::sys::prctl::set_dumpable;
use nix::sys::stat::{Mode, umask};
use tracing::{error, info};

use crate::agent::Agent;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::mail::Mail;
use crate::options::Options;
use crate::prompt::context;
use crate::provider::{Echo, Provider};

/// Where the start object names none.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

fn main() -> ExitCode {
    // Before any secret is read: what else runs in the sandbox has the same user, and could read this process.
    let hidden = set_dumpable(false);
    let options = match Options::read() {
        Ok(options) => options,
        Err(status) => return status,
    };
    // The host's group reads what is made here, nobody else.
    umask(Mode::S_IWGRP | Mode::S_IRWXO);
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).with_target(false).init();
    let ended = match hidden {
        Ok(()) => serve(&options),
        Err(errno) => Err(Failure::Again(anyhow::Error::from(errno).context("hide this process from others"))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{failure}");
            failure.status()
        }
    }
}

/// Reads what the host says, and works by it.
fn serve(options: &Options) -> Result<(), Failure> {
    let start = StartObject::read(io::stdin().lock()).map_err(Failure::look)?;
    match start.provider.as_str() {
        "echo" => {
            let echo = Echo::new(start.model.as_deref().unwrap_or_default()).map_err(Failure::look)?;
            work(options, start, echo)
        }
        other => Err(Failure::Look(anyhow::anyhow!("there is no provider {other:?}: allowed is echo"))),
    }
}

fn work(options: &Options, start: StartObject, provider: impl Provider) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::again)?;
    let mailbox = Mailbox::open(&options.workspace).map_err(Failure::again)?;
    let idle_timeout = match start.limits.idle_timeout_ms {
        0 => IDLE_TIMEOUT,
        ms => Duration::from_millis(ms),
    };
    let context = context(&start.timezone);
    info!("run {} of session {}, provider {}", start.run, start.session, start.provider);
    runtime
        .block_on(async {
            let mail = Mail::new(&options.workspace, options.look_every);
            let desk = Desk::new(mailbox, start.run, start.provider, context);
            Agent::new(desk, provider, mail, idle_timeout)?.run().await
        })
        .map_err(Failure::Again)?;
    info!("left in order");
    Ok(())
}
