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
mod gateway;
mod in_flight;
mod instructions;
mod mail;
mod options;
mod outbox;
mod parts;
mod prompt;
mod provider;
mod run;
mod tools;
mod usage;

use std::io;
use std::process::ExitCode;

use nix::sys::prctl::set_dumpable;
use nix::sys::stat::{Mode, umask};
use tracing::error;

use crate::failure::Failure;
use crate::options::Options;

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
        Ok(()) => run::serve(&options),
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
