//! `nanoclawctl run`: everything in one command, and nothing left behind. And `up`, as it is started by itself.

mod behind;
mod model;

use std::process::ExitCode;

use nc_config::{Credentials, Options};
use nc_model::FolderName;
use nc_store::{NewGroup, Store};

use self::behind::Behind;
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::user::UnixUser;
use crate::{cli, credentials, group, talk};

/// The folder of the main group.
const MAIN: &str = "main";

/// `nanoclawctl up`. Where `run` started it, it ends with it, however that ends.
pub(crate) fn up(options: &Options) -> anyhow::Result<ExitCode> {
    if !nc_daemon::holder::end_with_parent() {
        return Err(Refusal::again("whoever started this is gone"));
    }
    let handed = credentials::handed_over()?;
    let installed = Installed::load(options)?;
    look_first(&installed)?;
    make_places(&installed)?;
    let credentials = credentials::for_runs(&installed, handed)?;
    crate::up::run(&installed.loaded, options, &credentials)
}

/// `nanoclawctl run`.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    look_first(&installed)?;
    make_places(&installed)?;
    let mut store = installed.store()?;
    ensure_main(&installed, &mut store)?;
    let plain = cli::Talk::default();
    // Before anything is started: whoever cannot talk here is told at once.
    talk::choose(&store, &UnixUser::current(), plain.group.as_deref())?;
    let credentials = credentials::for_runs(&installed, Credentials::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // The main thread starts the child: the kernel takes the end of the starting thread for the end of the parent.
    runtime.block_on(async {
        if nc_daemon::hears(&installed.router_bell()) {
            if !credentials.is_empty() {
                eprintln!("nanoclawctl: an `up` runs here already, with credentials of its own: ours are not used");
            }
            return talk::with(&installed, store, &plain).await;
        }
        model::prepare(&installed, &store, options).await?;
        let mut behind = Behind::start(&installed, options, &credentials).await?;
        let talked = tokio::select! {
            talked = talk::with(&installed, store, &plain) => talked,
            error = behind.ended() => return Err(error),
        };
        let stopped = behind.stop().await;
        let status = talked?;
        stopped.map(|()| status)
    })
}

/// What would make every message fail is said before anything is made or started.
fn look_first(installed: &Installed) -> anyhow::Result<()> {
    match nc_sandbox::missing() {
        Some(missing) => Err(Refusal::look(missing.to_string())),
        None => installed.look_first(),
    }
}

/// The directories that every program expects, with the installation's owner.
fn make_places(installed: &Installed) -> anyhow::Result<()> {
    let paths = installed.paths();
    let run = paths.run_dir();
    let below_run = ["talk", "runs", "channel"].map(|name| run.join(name));
    for dir in [paths.data_dir(), paths.store_dir(), paths.groups_dir(), run] {
        installed.make_dir(dir)?;
    }
    for dir in below_run.into_iter().chain([paths.logs_dir()]) {
        installed.make_dir(&dir)?;
    }
    Ok(())
}

/// Makes the main group on first use, called as the assistant is.
fn ensure_main(installed: &Installed, store: &mut Store) -> anyhow::Result<()> {
    if store.main_group()?.is_some() {
        return Ok(());
    }
    let folder = FolderName::parse(MAIN)?;
    let name = installed.loaded.config.assistant_name.clone();
    let made = group::add_main(installed, store, NewGroup::new(name, folder))?;
    eprintln!("nanoclawctl: made the main group {:?}; you are its owner", made.name);
    Ok(())
}
