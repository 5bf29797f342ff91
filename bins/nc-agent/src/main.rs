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
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, error};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt};

use crate::failure::Failure;
use crate::options::Options;

/// Logs to standard error, which nc-runner reads. Libraries are heard from a warning on: what they say below may be a secret.
fn log(level: &str) {
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let is_wanted = |event: &Metadata<'_>| *event.level() <= Level::WARN || event.target().starts_with("nc_");
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false).with_target(false);
    Registry::default().with(level).with(lines.with_filter(filter_fn(is_wanted))).init();
}

fn main() -> ExitCode {
    // Before any secret is read: what else runs in the sandbox has the same user, and could read this process.
    let hidden = set_dumpable(false);
    let options = match Options::read() {
        Ok(options) => options,
        Err(status) => return status,
    };
    // The host's group reads what is made here, nobody else.
    umask(Mode::S_IWGRP | Mode::S_IRWXO);
    log(&options.log_level);
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
