//! The credentials that runs get through us.

use nc_config::{CREDENTIALS, Credentials};

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::vault::Vault;

/// What `nanoclawctl run` handed over, where it started us.
pub(crate) fn handed_over() -> anyhow::Result<Credentials> {
    match nc_daemon::handed_over().map_err(|error| Refusal::look(error.to_string()))? {
        Some(bytes) => Ok(Credentials::handed_on(&bytes)?),
        None => Ok(Credentials::default()),
    }
}

/// What is handed to runs: `handed`, and what our own environment has besides. What lies in the installation's files is
/// looked at, since now a person sees what is wrong with it, and left there: runs read it themselves.
pub(crate) fn for_runs(installed: &Installed, handed: Credentials) -> anyhow::Result<Credentials> {
    hide_where_needed(installed)?;
    let ours = handed.or(Credentials::from_environment()?).or(encrypted(installed)?);
    Credentials::from_directory(&installed.paths().credentials_dir())?;
    Ok(ours)
}

/// What a run would get that we started: of our environment, else of the installation's files.
pub(crate) fn all(installed: &Installed) -> anyhow::Result<Credentials> {
    hide_where_needed(installed)?;
    let files = Credentials::from_directory(&installed.paths().credentials_dir())?;
    Ok(Credentials::from_environment()?.or(encrypted(installed)?).or(files))
}

/// Those that only this machine can decrypt: runs cannot do it themselves.
fn encrypted(installed: &Installed) -> anyhow::Result<Credentials> {
    Vault::of(installed).map_or_else(|| Ok(Credentials::default()), |vault| vault.open())
}

/// Hides this process from others of its user, where it holds a credential or may come to hold one.
fn hide_where_needed(installed: &Installed) -> anyhow::Result<()> {
    let in_environment = CREDENTIALS.iter().any(|known| std::env::var_os(known.name).is_some());
    if in_environment || installed.paths().credentials_dir().exists() || Vault::of(installed).is_some() {
        nc_daemon::hide()?;
    }
    Ok(())
}
