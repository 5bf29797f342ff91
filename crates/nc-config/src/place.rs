//! Finds the installation that is meant.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::ConfigError;

/// The configuration file in the installation's directory.
pub(crate) const FILE: &str = "nanoclaw.toml";

/// The directory of further files beside it, which every installed one has.
pub(crate) const DROP_INS: &str = "nanoclaw.toml.d";

/// The installation of a machine that has one, where nothing else says which.
const MACHINE_WIDE: &str = "/etc/nanoclaw";

/// The installation's directory, absolute: `--dir`, else `NANOCLAW_DIR`, else the nearest directory from the current one
/// upwards that holds a nanoclaw.toml or is a checkout, else the installed one of the user whose configuration is in
/// `home`, else the machine's.
pub(crate) fn find(
    option: Option<&Path>,
    variable: Option<&OsStr>,
    home: Option<&Path>,
) -> Result<PathBuf, ConfigError> {
    if let Some(dir) = option {
        return given(dir, "option --dir");
    }
    if let Some(dir) = variable {
        return given(Path::new(dir), "environment variable NANOCLAW_DIR");
    }
    let current = std::env::current_dir().map_err(|source| ConfigError::File { path: PathBuf::from("."), source })?;
    let above = current.ancestors().find(|dir| is_installation(dir)).map(Path::to_owned);
    let installed = || home.map(|dir| dir.join("nanoclaw")).into_iter().chain([MACHINE_WIDE.into()]);
    above.or_else(|| installed().find(|dir| is_installed(dir))).ok_or(ConfigError::NoInstallation)
}

/// The directory of a user's configuration, of all programs: `XDG_CONFIG_HOME`, which counts only where it is absolute, else
/// that in `HOME`.
pub(crate) fn home(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    let of = |name| {
        variables.iter().find(|(had, _)| had == name).map(|(_, dir)| PathBuf::from(dir)).filter(|dir| dir.is_absolute())
    };
    of("XDG_CONFIG_HOME").or_else(|| Some(of("HOME")?.join(".config")))
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

fn is_installed(dir: &Path) -> bool {
    [FILE, DROP_INS].into_iter().any(|name| dir.join(name).symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_of(variables: &[(&str, &str)]) -> Option<PathBuf> {
        home(&variables.iter().map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>())
    }

    #[test]
    fn a_users_configuration_is_where_the_environment_says() {
        assert_eq!(home_of(&[("HOME", "/home/ann")]), Some("/home/ann/.config".into()));
        assert_eq!(home_of(&[("HOME", "/home/ann"), ("XDG_CONFIG_HOME", "/elsewhere")]), Some("/elsewhere".into()));
        assert_eq!(home_of(&[("HOME", "/home/ann"), ("XDG_CONFIG_HOME", "")]), Some("/home/ann/.config".into()));
        assert_eq!(home_of(&[("HOME", "relative")]), None);
        assert_eq!(home_of(&[]), None);
    }
}
