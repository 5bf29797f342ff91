//! What drives the agent of a run: its provider, with the credentials and the binary that it needs.

use std::path::Path;

use nc_config::{Choice, Credentials, Loaded, Provider};
use nc_daemon::Failure;

use crate::refusal::Refusal;

/// What drives an agent.
#[derive(Clone, Debug)]
pub(crate) struct Driver {
    /// The provider, with its binary.
    pub(crate) choice: Choice,
    /// What it proves itself with, and nothing else.
    pub(crate) credentials: Credentials,
}

impl Driver {
    /// Chooses what `wanted` asks for. `handed` are the credentials that whoever started this program handed over.
    ///
    /// A credential comes from systemd, else from whoever started this, else from a file of the installation.
    pub(crate) fn choose(wanted: Provider, loaded: &Loaded, handed: Credentials) -> Result<Self, Refusal> {
        let all = if wanted == Provider::Echo { Credentials::default() } else { gather(loaded, handed)? };
        let choice =
            Choice::make(wanted, &all, || find(loaded)).map_err(|error| Refusal::Request(error.to_string()))?;
        let credentials = all.only(choice.provider());
        Ok(Self { choice, credentials })
    }

    /// The same without credentials: for a person's own command, that sees what the agent would see.
    pub(crate) fn for_shell(wanted: Provider, loaded: &Loaded) -> Self {
        let choice = match find(loaded) {
            Ok(claude) if wanted != Provider::Echo => Choice::Claude(claude),
            _ => Choice::Echo { for_want_of: None },
        };
        Self { choice, credentials: Credentials::default() }
    }
}

fn gather(loaded: &Loaded, handed: Credentials) -> Result<Credentials, Refusal> {
    // Before the first of them is read.
    nc_daemon::hide().map_err(|error| Refusal::Failure(Failure::again(error)))?;
    let refused = |error: nc_config::CredentialError| Refusal::Request(format!("{:#}", anyhow::Error::new(error)));
    let kept = loaded.installation.credentials_dir();
    let files = || if is_kept_for_us(&kept) { Ok(Credentials::default()) } else { Credentials::from_directory(&kept) };
    Ok(Credentials::from_systemd().map_err(refused)?.or(handed).or(files().map_err(refused)?))
}

/// As a unit we are given what the init system has read for us from a directory that only root may enter.
fn is_kept_for_us(kept: &Path) -> bool {
    let given = std::env::var_os("CREDENTIALS_DIRECTORY").is_some();
    given && std::fs::read_dir(kept).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

fn find(loaded: &Loaded) -> Result<nc_config::Claude, nc_config::NoClaude> {
    nc_config::find_claude(&loaded.config, &loaded.installation, std::env::var_os("PATH").as_deref())
}
