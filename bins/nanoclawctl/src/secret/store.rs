//! The directory of credentials: 0700, one 0600 file for each.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nc_config::Secret;

use crate::installed::Installed;
use crate::output::quoted;

/// What only the owner may.
const DIRECTORY: u32 = 0o700;
const FILE: u32 = 0o600;

/// The credentials of an installation, as files.
#[derive(Debug)]
pub(super) struct SecretFiles<'a> {
    installed: &'a Installed,
    dir: PathBuf,
}

impl<'a> SecretFiles<'a> {
    pub(super) fn of(installed: &'a Installed) -> Self {
        Self { installed, dir: installed.paths().credentials_dir() }
    }

    /// Keeps `secret` as `name`, in place of the one before: whoever reads sees the one or the other, whole.
    pub(super) fn set(&self, name: &str, secret: &Secret) -> anyhow::Result<PathBuf> {
        self.make_dir().with_context(|| format!("failed to make the directory {}", quoted(&self.dir)))?;
        let (path, new) = (self.dir.join(name), self.dir.join(format!(".{name}.new")));
        let written = self
            .write(&new, secret)
            .and_then(|()| Ok(nc_failpoint::before("secret", "rename")?))
            .and_then(|()| Ok(fs::rename(&new, &path)?))
            .and_then(|()| self.sync());
        if written.is_err() {
            drop(fs::remove_file(&new));
        }
        written.with_context(|| format!("failed to write {}", quoted(&path)))?;
        Ok(path)
    }

    /// Removes `name`; false where it is not there.
    pub(super) fn remove(&self, name: &str) -> anyhow::Result<bool> {
        let path = self.dir.join(name);
        nc_failpoint::before("secret", "remove")?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => {
                removed
                    .map_err(anyhow::Error::from)
                    .and_then(|()| self.sync())
                    .with_context(|| format!("failed to remove {}", quoted(&path)))?;
                Ok(true)
            }
        }
    }

    fn make_dir(&self) -> anyhow::Result<()> {
        nc_failpoint::before("secret", "make_directory")?;
        match DirBuilder::new().mode(DIRECTORY).create(&self.dir) {
            Ok(()) => return self.installed.give(&self.dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.dir.is_dir() => {}
            Err(error) => return Err(error.into()),
        }
        let mode = fs::metadata(&self.dir)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            fs::set_permissions(&self.dir, Permissions::from_mode(DIRECTORY))?;
            let dir = quoted(&self.dir);
            eprintln!("nanoclawctl: {dir} was open to others (mode {mode:04o}) and is now closed to them (0700)");
        }
        Ok(())
    }

    fn write(&self, new: &Path, secret: &Secret) -> anyhow::Result<()> {
        // One that was interrupted may have left it.
        match fs::remove_file(new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        nc_failpoint::before("secret", "create")?;
        let mut file = File::options().write(true).create_new(true).mode(FILE).open(new)?;
        self.installed.give(new)?;
        nc_failpoint::before("secret", "write")?;
        file.write_all(secret.expose().as_bytes())?;
        file.write_all(b"\n")?;
        nc_failpoint::before("secret", "sync")?;
        Ok(file.sync_all()?)
    }

    fn sync(&self) -> anyhow::Result<()> {
        Ok(File::open(&self.dir)?.sync_all()?)
    }
}
