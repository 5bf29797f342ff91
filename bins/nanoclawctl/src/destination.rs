//! `nanoclawctl destination`: what an agent may write to, by its own names.

use std::process::ExitCode;

use nc_config::Options;
use nc_model::TargetKind;
use nc_store::{Destination, Store};

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::{chats, cli, group, names, output};

pub(crate) fn run(options: &Options, command: &cli::Destination) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let mut store = installed.existing_store()?;
    match command {
        cli::Destination::Add(add) => allow(&installed, &mut store, add)?,
        cli::Destination::Remove(remove) => forbid(&installed, &mut store, remove)?,
        cli::Destination::List(list) => {
            let group = group::find(&store, &list.group)?;
            print(&store.destinations_of(group.id)?, list.json.json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn allow(installed: &Installed, store: &mut Store, add: &cli::DestinationAdd) -> anyhow::Result<()> {
    let group = group::find(store, &add.group)?;
    let (kind, target, shown) = match (&add.agent, &add.chat) {
        (Some(agent), _) => {
            let other = group::find(store, agent)?;
            if other.id == group.id {
                return Err(Refusal::look(format!(
                    "--agent {agent}: an agent does not write to itself; name another group"
                )));
            }
            (TargetKind::Agent, other.id.0, format!("the agent of {}", other.folder))
        }
        (None, Some(chat)) => {
            let chat = chats::find(store, chat)?;
            (TargetKind::Chat, chat.id.0, chats::address(&chat))
        }
        // The command line asks for one of them.
        (None, None) => return Err(Refusal::look("a destination is a CHAT, or --agent GROUP")),
    };
    store.add_destination(group.id, &add.name, kind, target)?;
    // A live session of the group is to know it.
    nc_daemon::ring(&installed.router_bell());
    output::line(format!("the agent of \"{}\" may write to {shown} as {:?}", group.folder, add.name))?;
    if kind == TargetKind::Agent {
        eprintln!(
            "nanoclawctl: this version carries no messages between agents yet; until then they are refused and the agent is told"
        );
    }
    Ok(())
}

fn forbid(installed: &Installed, store: &mut Store, remove: &cli::DestinationRemove) -> anyhow::Result<()> {
    let group = group::find(store, &remove.group)?;
    if !store.remove_destination(group.id, &remove.name)? {
        let known: Vec<String> = store.destinations_of(group.id)?.into_iter().map(|d| d.local_name).collect();
        let meant = nc_model::nearest(&remove.name, known.iter().map(String::as_str)).map(str::to_owned);
        return Err(Refusal::no(format!(
            "the agent of \"{}\" has no destination {:?}{}: nothing was changed",
            group.folder,
            remove.name,
            names::question(meant)
        )));
    }
    nc_daemon::ring(&installed.router_bell());
    output::line(format!("the agent of \"{}\" has no destination {:?} any more", group.folder, remove.name))
}

fn print(destinations: &[Destination], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(&destinations.iter().map(group::destination).collect::<Vec<_>>());
    }
    let row = |d: &Destination| vec![d.local_name.clone(), group::target(&d.target)];
    let rows = destinations.iter().map(row).collect();
    output::table(&["name", "writes to"], rows, "none: the agent answers only where it was asked")
}
