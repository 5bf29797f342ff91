//! `nanoclawctl wire` and `unwire`: which agents listen to which chat.

use std::process::ExitCode;

use nc_config::Options;
use nc_model::{EngageMode, Trigger};
use nc_store::NewWiring;

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::{chats, cli, group, output};

pub(crate) fn wire(options: &Options, wire: &cli::Wire) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    refuse_bad_pattern(wire)?;
    let mut store = installed.existing_store()?;
    let group = group::find(&store, &wire.group)?;
    let chat = chats::find(&mut store, &wire.chat)?;
    let wiring = NewWiring {
        session_mode: wire.session_mode,
        engage_mode: wire.engage,
        engage_pattern: wire.pattern.clone(),
        sender_scope: wire.senders,
        ignored_message_policy: wire.ignored,
        priority: wire.priority,
        ..NewWiring::new(chat.id, group.id)
    };
    let wired = store.wire(&wiring, wire.local_name.as_deref())?;
    // A live session of the group is to know its new destination.
    nc_daemon::ring(&installed.router_bell());
    let address = chats::address(&chat);
    output::line(format!(
        "group \"{}\" listens to {address}; its agent calls it {:?}",
        group.folder, wired.local_name
    ))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn unwire(options: &Options, unwire: &cli::Unwire) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let mut store = installed.existing_store()?;
    let group = group::find(&store, &unwire.group)?;
    let chat = chats::find(&mut store, &unwire.chat)?;
    let address = chats::address(&chat);
    if !store.unwire(chat.id, group.id)? {
        return Err(Refusal::no(format!(
            "group \"{}\" does not listen to {address}: nothing was changed",
            group.folder
        )));
    }
    nc_daemon::ring(&installed.router_bell());
    output::line(format!("group \"{}\" does not listen to {address} any more", group.folder))?;
    Ok(ExitCode::SUCCESS)
}

/// A pattern that nobody reads, or that cannot be read, is refused and not taken and forgotten.
fn refuse_bad_pattern(wire: &cli::Wire) -> anyhow::Result<()> {
    let Some(pattern) = &wire.pattern else { return Ok(()) };
    if wire.engage != EngageMode::Pattern {
        return Err(Refusal::look(format!(
            "--pattern {pattern:?} counts only with --engage pattern, and --engage is {}: leave one of them out",
            wire.engage
        )));
    }
    Trigger::pattern(pattern).map(drop).map_err(|error| Refusal::look(format!("--pattern: {error}")))
}
