//! `nanoclawctl wire` and `unwire`: which agents listen to which chat.

use std::process::ExitCode;
use std::str::FromStr;

use nc_config::Options;
use nc_model::{EngageMode, IgnoredMessagePolicy, SenderScope, SessionMode};
use nc_store::NewWiring;

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::{chats, cli, group, output};

pub(crate) fn wire(options: &Options, wire: &cli::Wire) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    refuse_what_is_not_built(wire)?;
    let mut store = installed.existing_store()?;
    let group = group::find(&store, &wire.group)?;
    let chat = chats::find(&mut store, &wire.chat)?;
    let wiring = NewWiring { priority: wire.priority, ..NewWiring::new(chat.id, group.id) };
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

/// Words that the store knows and the router does not act on yet are refused, not taken and forgotten.
fn refuse_what_is_not_built(wire: &cli::Wire) -> anyhow::Result<()> {
    built("--session-mode", &wire.session_mode, &SessionMode::Shared)?;
    built("--engage", &wire.engage, &EngageMode::Pattern)?;
    built("--senders", &wire.senders, &SenderScope::All)?;
    built("--ignored", &wire.ignored, &IgnoredMessagePolicy::Accumulate)?;
    if let Some(pattern) = &wire.pattern {
        return Err(Refusal::look(format!(
            "--pattern {pattern:?} is refused: patterns of one's own are not built yet; without it @NAME at the start calls \
             the agent"
        )));
    }
    Ok(())
}

fn built<T>(option: &str, given: &str, only: &T) -> anyhow::Result<()>
where
    T: FromStr + PartialEq + std::fmt::Display,
    T::Err: std::fmt::Display,
{
    let word = given.parse::<T>().map_err(|error| Refusal::look(format!("{option}: {error}")))?;
    if word == *only {
        return Ok(());
    }
    Err(Refusal::look(format!("{option} {given} is refused: it is not built yet; what works now is {option} {only}")))
}
