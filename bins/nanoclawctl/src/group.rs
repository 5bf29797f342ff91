//! `nanoclawctl group`: who answers.

mod add;
mod settings;
mod show;

use std::process::ExitCode;

use nc_config::Options;
use nc_model::FolderName;
use nc_store::{Group, GroupEdit, Store};

pub(crate) use self::add::{TERMINAL, add_main};
use crate::cli;
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output;

/// How many groups are read at once.
const PAGE: u32 = 500;

pub(crate) fn run(options: &Options, command: &cli::Group) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    match command {
        cli::Group::Add(add) => add::add(&installed, add)?,
        cli::Group::List(list) => show::list(&installed.existing_store()?, list.json)?,
        cli::Group::Show(show) => show::show(&installed, show)?,
        cli::Group::Edit(edit) => change(&installed, edit)?,
        cli::Group::Remove(remove) => take_away(&installed, &remove.group)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The group in this folder.
pub(crate) fn find(store: &Store, folder: &str) -> anyhow::Result<Group> {
    let folder = parse_folder(folder)?;
    store.group_by_folder(&folder)?.ok_or_else(|| {
        Refusal::no(format!(
            "there is no group in the folder \"{folder}\": `nanoclawctl group list` shows those that are"
        ))
    })
}

/// The name of a folder, as given on the command line.
fn parse_folder(folder: &str) -> anyhow::Result<FolderName> {
    FolderName::parse(folder).map_err(|error| Refusal::look(error.to_string()))
}

/// All groups, by folder.
fn all(store: &Store) -> anyhow::Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    loop {
        let after = groups.last().map(|g| g.folder.as_str().to_owned()).unwrap_or_default();
        let page = store.groups_page(&after, PAGE)?;
        if page.is_empty() {
            return Ok(groups);
        }
        groups.extend(page);
    }
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
