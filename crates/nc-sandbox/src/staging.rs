//! Lets a sandbox of another uid reach files below directories that only root may enter.
//!
//! An installation may lie below a 0700 directory, e.g. a clone in root's home, and bubblewrap, started as the sandbox's
//! user, could not get there. So root binds what the sandbox needs into a small tmpfs that everybody may enter, in a mount
//! namespace of its own that no other program sees.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::{Mount, SandboxError};

/// Where the tmpfs is mounted. The directory stays, empty, for other programs.
const STAGE: &str = "/run/nc-sandbox";

/// Binds the sources of `mounts` where everybody may enter, and returns the mounts from there.
///
/// The calling thread gets a mount namespace of its own.
pub(crate) fn stage(mounts: &[Mount]) -> Result<Vec<Mount>, SandboxError> {
    let stage = Path::new(STAGE);
    nc_failpoint::before("stage", "make_directory").map_err(|e| SandboxError::file("make", stage, e))?;
    make_directory(stage)?;
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(SandboxError::system("make a mount namespace (root without CAP_SYS_ADMIN?)"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount_one(None, Path::new("/"), None, private, None)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_one(Some(Path::new("tmpfs")), stage, Some("tmpfs"), flags, Some("size=64k,nr_inodes=256,mode=0755"))?;
    mounts.iter().enumerate().map(|(index, mount)| bind(mount, stage.join(index.to_string()))).collect()
}

fn bind(mount: &Mount, staged: PathBuf) -> Result<Mount, SandboxError> {
    let is_dir = std::fs::metadata(&mount.source).map_err(|e| SandboxError::file("read", &mount.source, e))?.is_dir();
    nc_failpoint::before("stage", "make").map_err(|e| SandboxError::file("make", &staged, e))?;
    let made = if is_dir { std::fs::create_dir(&staged) } else { File::create(&staged).map(drop) };
    made.map_err(|e| SandboxError::file("make", &staged, e))?;
    mount_one(Some(&mount.source), &staged, None, MsFlags::MS_BIND, None)?;
    Ok(Mount { source: staged, ..mount.clone() })
}

fn make_directory(path: &Path) -> Result<(), SandboxError> {
    match DirBuilder::new().recursive(true).mode(0o755).create(path) {
        Ok(()) => Ok(()),
        Err(source) => Err(SandboxError::file("make", path, source)),
    }
}

fn mount_one(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
) -> Result<(), SandboxError> {
    mount(source, target, kind, flags, options)
        .map_err(|errno| SandboxError::file("mount", source.filter(|_| kind.is_none()).unwrap_or(target), errno))
}
