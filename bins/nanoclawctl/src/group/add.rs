//! Making a group: its folder first, then its rows in one transaction; where that fails the folder goes again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nc_model::{FolderName, naming};
use nc_store::{Group, NewChat, NewGroup, NewMainGroup, Store, StoreError};

use super::{parse_folder, settings};
use crate::cli;
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::{self, quoted};
use crate::user::UnixUser;

/// The channel of terminals.
pub(crate) const TERMINAL: &str = "terminal";

/// What the main group's agent is told, where the installation has no page of its own.
const MAIN_PAGE: &str = include_str!("../../../../groups/main/CLAUDE.md");

/// What every agent is told.
const GLOBAL_PAGE: &str = include_str!("../../../../groups/global/CLAUDE.md");

pub(super) fn add(installed: &Installed, add: &cli::GroupAdd) -> anyhow::Result<()> {
    let folder = folder_of(add)?;
    let wanted = settings::wanted(&add.settings, "{}")?;
    let new = NewGroup {
        provider: wanted.provider.flatten(),
        model: wanted.model.flatten(),
        container: wanted.container.unwrap_or_default(),
        ..NewGroup::new(add.name.trim(), folder)
    };
    let mut store = installed.store()?;
    let group = if add.main { add_main(installed, &mut store, new)? } else { add_other(installed, &mut store, &new)? };
    let dir = installed.paths().group_dir(&group.folder);
    output::line(format!(
        "group {:?} is made in {}; `nanoclawctl talk {}` talks to it",
        group.name,
        quoted(&dir),
        group.folder
    ))
}

/// Makes the main group, with this user as its first owner and this user's terminal wired to it.
pub(crate) fn add_main(installed: &Installed, store: &mut Store, new: NewGroup) -> anyhow::Result<Group> {
    let user = UnixUser::current();
    let owner = user.id();
    if let Some(main) = store.main_group()? {
        return Err(StoreError::MainExists { folder: main.folder }.into());
    }
    let folder = new.folder.clone();
    with_folder(installed, store, &folder, &page_of_main(installed), |store| {
        let chat = NewChat { channel: TERMINAL, platform_id: &user.name, name: None, is_group: false };
        let main = NewMainGroup { group: new, owner: &owner, owner_name: Some(&user.full_name), chat };
        Ok(store.create_main_group(&main)?.group)
    })
}

fn add_other(installed: &Installed, store: &mut Store, new: &NewGroup) -> anyhow::Result<Group> {
    let page = format!(
        "# {}\n\nYou are the agent of this group. `/workspace/global/CLAUDE.md` says what every agent here knows.\n\n\
         ## Memory\n\nWrite down here what you should still know next year.\n",
        new.name.replace(['\n', '\r'], " ")
    );
    let folder = new.folder.clone();
    with_folder(installed, store, &folder, &page, |store| Ok(store.create_group(new)?))
}

/// Makes what every agent may read, where it is missing.
pub(crate) fn ensure_global(installed: &Installed) -> anyhow::Result<()> {
    let dir = installed.paths().global_dir();
    installed.make_dir(&dir)?;
    installed.make_file(&dir.join("CLAUDE.md"), GLOBAL_PAGE)?;
    Ok(())
}

/// The page that lies in the installation's own `groups/main`, or ours.
fn page_of_main(installed: &Installed) -> String {
    let page = installed.paths().groups_dir().join("main/CLAUDE.md");
    fs::read_to_string(page).unwrap_or_else(|_| MAIN_PAGE.to_owned())
}

/// Makes the folder of a group with its page, then its rows; a folder that is there already is taken as it is.
fn with_folder(
    installed: &Installed,
    store: &mut Store,
    folder: &FolderName,
    page: &str,
    rows: impl FnOnce(&mut Store) -> anyhow::Result<Group>,
) -> anyhow::Result<Group> {
    if store.group_by_folder(folder)?.is_some() {
        return Err(StoreError::FolderTaken { folder: folder.clone() }.into());
    }
    ensure_global(installed)?;
    let mut made = Made::default();
    let result = made.folder(installed, &installed.paths().group_dir(folder), page).and_then(|()| rows(store));
    if result.is_err() {
        made.undo();
    }
    result
}

/// What was made for a group that may yet not be.
#[derive(Debug, Default)]
struct Made {
    dir: Option<PathBuf>,
    page: Option<PathBuf>,
}

impl Made {
    fn folder(&mut self, installed: &Installed, dir: &Path, page: &str) -> anyhow::Result<()> {
        if fs::symlink_metadata(dir).is_ok_and(|found| !found.is_dir()) {
            return Err(Refusal::look(format!(
                "{} is there and is not a directory: move it away, then try again",
                quoted(dir)
            )));
        }
        if installed.make_dir(dir)? {
            self.dir = Some(dir.to_owned());
        }
        let file = dir.join("CLAUDE.md");
        if installed.make_file(&file, page).with_context(|| format!("failed to fill {}", quoted(dir)))? {
            self.page = Some(file);
        }
        Ok(())
    }

    /// Takes it away again; what cannot be stays, and is taken as it is the next time.
    fn undo(self) {
        if let Some(page) = self.page {
            drop(fs::remove_file(page));
        }
        if let Some(dir) = self.dir {
            drop(fs::remove_dir(dir));
        }
    }
}

fn folder_of(add: &cli::GroupAdd) -> anyhow::Result<FolderName> {
    if add.name.trim().is_empty() {
        return Err(Refusal::look("the group's name may not be empty: `nanoclawctl group add NAME`"));
    }
    if let Some(folder) = &add.folder {
        return parse_folder(folder);
    }
    let made = if add.main { "main".to_owned() } else { naming::slug(&add.name) };
    FolderName::parse(&made).map_err(|error| {
        Refusal::look(format!("no folder can be made of the name {:?} ({error}): choose one with --folder", add.name))
    })
}
