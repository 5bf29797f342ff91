//! `nanoclawctl secret`: credentials as files of the installation.

mod store;
mod value;

use std::path::PathBuf;
use std::process::ExitCode;

use nc_config::{CREDENTIALS, Options, Secret};
use serde::Serialize;

use self::store::SecretFiles;
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::{self, line, quoted};
use crate::vault::Vault;
use crate::{cli, credentials};

pub(crate) fn run(options: &Options, command: &cli::Secret) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let files = SecretFiles::of(&installed);
    match command {
        cli::Secret::Set(set) => {
            // Before there is a value to hide.
            nc_daemon::hide()?;
            let secret = value::read(&set.name)?;
            let path = keep(&installed, &files, &set.name, &secret)?;
            line(format!("{} is kept in {}; runs that begin from now on have it", set.name, quoted(&path)))?;
        }
        cli::Secret::List(list) => show(&installed, list.json)?,
        cli::Secret::Rm(rm) => {
            let encrypted = Vault::of(&installed).map(|vault| vault.remove(&rm.name)).transpose()?.unwrap_or(false);
            if !files.remove(&rm.name)? && !encrypted {
                return Err(Refusal::no(format!("{} is not kept here: nothing was changed", rm.name)));
            }
            line(format!("{} is removed; an agent that runs keeps what it started with", rm.name))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Keeps a credential encrypted where the machine can, else in the clear; never in both ways.
fn keep(installed: &Installed, files: &SecretFiles<'_>, name: &str, secret: &Secret) -> anyhow::Result<PathBuf> {
    let Some(vault) = Vault::of(installed) else { return files.set(name, secret) };
    match vault.set(name, secret) {
        Ok(path) => {
            files.remove(name)?;
            Ok(path)
        }
        Err(why) => {
            eprintln!("nanoclawctl: {name} is not encrypted, since this machine cannot: {why:#}");
            let path = files.set(name, secret)?;
            vault.remove(name)?;
            Ok(path)
        }
    }
}

/// One credential as it is shown: never its value.
#[derive(Debug, Serialize)]
struct Shown {
    name: &'static str,
    from: Option<String>,
    secret: bool,
    provider: &'static str,
    about: &'static str,
}

fn show(installed: &Installed, as_json: bool) -> anyhow::Result<()> {
    let held = credentials::all(installed)?;
    let from = |name: &str| held.names().find(|(held, _)| *held == name).map(|(_, source)| source.to_string());
    let all: Vec<Shown> = CREDENTIALS
        .iter()
        .map(|known| Shown {
            name: known.name,
            from: from(known.name),
            secret: known.secret,
            provider: known.provider.as_str(),
            about: known.about,
        })
        .collect();
    if as_json {
        return output::json(&all);
    }
    let row = |one: Shown| vec![one.name.to_owned(), one.from.unwrap_or_else(|| "-".to_owned()), one.about.to_owned()];
    output::table(&["name", "from", "what it is"], all.into_iter().map(row).collect(), "")
}
