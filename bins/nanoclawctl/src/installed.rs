//! The installation, as nanoclawctl finds and extends it. What root makes in an installation of another user belongs to
//! that user, as everything else there.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown, lchown,
};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nc_config::{ConfigError, Doorbell, Installation, Loaded, Options};
use nc_store::Store;
use nix::unistd::geteuid;

use crate::ending::Refusal;
use crate::output::quoted;

/// A directory that its group may write, and that hands its group on.
const SHARED: u32 = 0o2020;

/// An installation with its configuration.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) loaded: Loaded,
    owner: Option<(u32, u32)>,
}

impl Installed {
    /// Finds the installation and reads its configuration.
    pub(crate) fn load(options: &Options) -> anyhow::Result<Self> {
        Self::of(nc_config::load(options)?)
    }

    /// The same by what is right in the configuration, and what is wrong.
    pub(crate) fn load_what_is_right(options: &Options) -> anyhow::Result<(Self, Option<ConfigError>)> {
        let (loaded, wrong) = nc_config::load_what_is_right(options)?;
        Ok((Self::of(loaded)?, wrong))
    }

    fn of(loaded: Loaded) -> anyhow::Result<Self> {
        let dir = loaded.installation.dir();
        let found = fs::metadata(dir).with_context(|| format!("failed to look at the installation {}", quoted(dir)))?;
        let owner = Some((found.uid(), found.gid())).filter(|(uid, _)| geteuid().is_root() && *uid != 0);
        Ok(Self { loaded, owner })
    }

    /// The paths.
    pub(crate) fn paths(&self) -> &Installation {
        &self.loaded.installation
    }

    /// The store, made where it is missing.
    pub(crate) fn store(&self) -> anyhow::Result<Store> {
        self.make_dir(self.paths().store_dir())?;
        Ok(Store::open(&self.paths().store_file())?)
    }

    /// The store, where there is one: a command that only looks makes none.
    pub(crate) fn existing_store(&self) -> anyhow::Result<Store> {
        let file = self.paths().store_file();
        match fs::symlink_metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Refusal::look(format!(
                "there is no store at {} yet: make the main group with `nanoclawctl group add NAME --main`, or choose \
                 another installation with --dir",
                quoted(&file)
            ))),
            _ => Ok(Store::open(&file)?),
        }
    }

    /// Looks at what is there before anything is made, so that a bad place or store leaves nothing half done.
    pub(crate) fn look_first(&self) -> anyhow::Result<()> {
        let paths = self.paths();
        for dir in [paths.data_dir(), paths.store_dir(), paths.groups_dir(), paths.run_dir()] {
            is_dir(dir)?;
        }
        match paths.store_file().symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // What cannot be looked at is named as what cannot be opened.
            _ => Ok(Store::open(&paths.store_file()).map(drop)?),
        }
    }

    /// Where the router is rung.
    pub(crate) fn router_bell(&self) -> PathBuf {
        self.paths().doorbell(Doorbell::Router)
    }

    /// Makes a directory and those above it where they are missing; says whether it was. What lies below a directory
    /// that its group may write is made likewise, everything else 0700.
    pub(crate) fn make_dir(&self, path: &Path) -> anyhow::Result<bool> {
        let failed = || format!("failed to make the directory {}", quoted(path));
        if is_dir(path)? {
            return Ok(false);
        }
        let above = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.make_dir(above)?;
        nc_failpoint::before("files", "make_directory").with_context(failed)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            made => made.with_context(failed)?,
        }
        if fs::metadata(above).with_context(failed)?.mode() & SHARED == SHARED {
            fs::set_permissions(path, Permissions::from_mode(0o2770)).with_context(failed)?;
        }
        self.give(path)?;
        Ok(true)
    }

    /// Makes a file with this content, 0600 or as shared as its directory; false where something is there already, which
    /// stays.
    pub(crate) fn make_file(&self, path: &Path, content: &str) -> anyhow::Result<bool> {
        let failed = || format!("failed to make {}", quoted(path));
        if path.symlink_metadata().is_ok() {
            return Ok(false);
        }
        // Under another name first: half a file would be taken for a whole one the next time.
        let new = path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
        let made = self.fill(&new, path, content);
        let left = remove_if_there(&new);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            made => made.and(left).map(|()| true).with_context(failed),
        }
    }

    fn fill(&self, new: &Path, path: &Path, content: &str) -> io::Result<()> {
        nc_failpoint::before("files", "make")?;
        // One that was interrupted may have left it.
        remove_if_there(new)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
        self.give_file(&file)?;
        open_to_group(&file, path)?;
        nc_failpoint::before("files", "fill")?;
        file.write_all(content.as_bytes())?;
        nc_failpoint::before("files", "link")?;
        fs::hard_link(new, path)?;
        nc_failpoint::after("files", "link");
        Ok(())
    }

    /// A file to be written from its beginning, 0600, never through a link.
    pub(crate) fn fresh_file(&self, path: &Path) -> anyhow::Result<File> {
        let failed = || format!("failed to write {}", quoted(path));
        let flags = nix::fcntl::OFlag::O_NOFOLLOW.bits();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(flags);
        nc_failpoint::before("files", "open").with_context(failed)?;
        let file = options.open(path).with_context(failed)?;
        self.give_file(&file).with_context(failed)?;
        Ok(file)
    }

    /// Gives what root has just made to the installation's owner.
    pub(crate) fn give(&self, path: &Path) -> anyhow::Result<()> {
        let Some((uid, gid)) = self.owner else { return Ok(()) };
        lchown(path, Some(uid), Some(gid))
            .with_context(|| format!("failed to give {} to the installation's owner (uid {uid})", quoted(path)))
    }

    fn give_file(&self, file: &File) -> io::Result<()> {
        match self.owner {
            Some((uid, gid)) => fchown(file, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Lets the group of a directory that it shares read and write a file there: an agent's user is not who made it.
fn open_to_group(file: &File, path: &Path) -> io::Result<()> {
    match path.parent().map(fs::metadata).transpose()? {
        Some(above) if above.mode() & SHARED == SHARED => file.set_permissions(Permissions::from_mode(0o660)),
        _ => Ok(()),
    }
}

/// Whether there is a directory, or nothing yet; anything else in its place is for a person.
fn is_dir(path: &Path) -> anyhow::Result<bool> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(Refusal::look(format!("{} is not a directory: move it away, then try again", quoted(path)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("failed to look at the directory {}", quoted(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_shared_as_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        for (above, expected) in [(0o700, 0o600), (0o770, 0o600), (0o2770, 0o660)] {
            fs::set_permissions(dir.path(), Permissions::from_mode(above)).unwrap();
            let path = dir.path().join(format!("{above:o}"));
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
            open_to_group(&file, &path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, expected, "{above:o}");
        }
    }
}
