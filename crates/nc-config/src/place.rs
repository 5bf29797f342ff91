//! Finds the installation that is meant.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::ConfigError;

/// The configuration file in the installation's directory.
pub(crate) const FILE: &str = "nanoclaw.toml";

/// The installation of a machine that has one, where nothing else says which.
const MACHINE_WIDE: &str = "/var/lib/nanoclaw";

/// The installation's directory, absolute: `--dir`, else `NANOCLAW_DIR`, else the nearest directory from the current one
/// upwards that holds a nanoclaw.toml or is a checkout, else the machine's.
pub(crate) fn find(option: Option<&Path>, variable: Option<&OsStr>) -> Result<PathBuf, ConfigError> {
    if let Some(dir) = option {
        return given(dir, "option --dir");
    }
    if let Some(dir) = variable {
        return given(Path::new(dir), "environment variable NANOCLAW_DIR");
    }
    let current = std::env::current_dir().map_err(|source| ConfigError::File { path: PathBuf::from("."), source })?;
    let above = current.ancestors().find(|dir| is_installation(dir)).map(Path::to_owned);
    above.or_else(machine_wide).ok_or(ConfigError::NoInstallation)
}

fn given(dir: &Path, given_by: &'static str) -> Result<PathBuf, ConfigError> {
    let refuse = |source| ConfigError::Directory { path: dir.to_owned(), given_by, source };
    if !std::fs::metadata(dir).map_err(refuse)?.is_dir() {
        return Err(refuse(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    std::path::absolute(dir).map_err(refuse)
}

fn is_installation(dir: &Path) -> bool {
    let checkout = || dir.join("Cargo.toml").is_file() && dir.join("bins/nc-router").is_dir();
    // A file that cannot be looked at is still named as such, and not passed over for one further up.
    dir.join(FILE).symlink_metadata().is_ok() || checkout()
}

fn machine_wide() -> Option<PathBuf> {
    Path::new(MACHINE_WIDE).is_dir().then(|| PathBuf::from(MACHINE_WIDE))
}
