//! `nanoclawctl group`: who answers.

mod add;
mod settings;
mod show;

use std::process::ExitCode;

use nc_config::Options;
use nc_model::{FolderName, GroupId};
use nc_store::{Group, GroupEdit, Store};

pub(crate) use self::add::{TERMINAL, add_main};
pub(crate) use self::show::{destination, how, target};
use crate::cli;
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::{names, output};

pub(crate) fn run(options: &Options, command: &cli::Group) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    match command {
        cli::Group::Add(add) => add::add(&installed, add)?,
        cli::Group::List(list) => show::list(&installed.existing_store()?, list)?,
        cli::Group::Show(show) => show::show(&installed, show)?,
        cli::Group::Edit(edit) => change(&installed, edit)?,
        cli::Group::Remove(remove) => take_away(&installed, &remove.group)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The group that `given` means: its folder, or its number.
pub(crate) fn find(store: &Store, given: &str) -> anyhow::Result<Group> {
    let folder = parse_folder(given)?;
    if let Some(group) = store.group_by_folder(&folder)? {
        return Ok(group);
    }
    if let Ok(id) = given.parse() {
        return Ok(store.group(GroupId(id))?);
    }
    let meant = names::question(names::nearest_group(store, given)?);
    Err(Refusal::no(format!(
        "there is no group in the folder \"{folder}\"{meant}: `nanoclawctl group list` shows those that are"
    )))
}

/// The name of a folder, as given on the command line.
fn parse_folder(folder: &str) -> anyhow::Result<FolderName> {
    FolderName::parse(folder).map_err(|error| Refusal::look(error.to_string()))
}

fn change(installed: &Installed, edit: &cli::GroupEdit) -> anyhow::Result<()> {
    let mut store = installed.existing_store()?;
    let group = find(&store, &edit.group)?;
    let wanted = settings::wanted(&edit.settings, &group.container_config)?;
    let change = GroupEdit {
        name: edit.name.clone(),
        provider: wanted.provider,
        model: wanted.model,
        container: wanted.container,
    };
    if change == GroupEdit::default() {
        return Err(Refusal::look("nothing to change was given: `nanoclawctl group edit --help` shows what can be"));
    }
    let changed = store.edit_group(group.id, &change)?;
    output::line(format!("group \"{}\" is changed; an agent that runs keeps what it started with", changed.folder))
}

fn take_away(installed: &Installed, folder: &str) -> anyhow::Result<()> {
    let mut store = installed.existing_store()?;
    let group = find(&store, folder)?;
    let removed = store.remove_group(group.id)?;
    // Its agent's chats and mailboxes are to forget it: the router looks again.
    nc_daemon::ring(&installed.router_bell());
    let dir = installed.paths().group_dir(&removed.folder);
    output::line(format!(
        "group \"{}\" is removed; its folder {} and its history stay",
        removed.folder,
        output::quoted(&dir)
    ))
}
