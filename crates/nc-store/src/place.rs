//! The place where the store lies: its directory and an empty file with the right owner and mode.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use crate::StoreError;

/// A directory of our own making.
const DIR_MODE: u32 = 0o700;
/// The file in a directory that only its owner may write.
const FILE_MODE: u32 = 0o600;
/// The file in a directory that its group may write.
const SHARED_FILE_MODE: u32 = 0o660;
const GROUP_WRITES: u32 = 0o020;

/// Makes directory and file where they are missing.
///
/// The file is opened only where it is new: closing any descriptor of it would drop the locks that SQLite holds on it
/// for another connection of this process.
pub(crate) fn make_place(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => return Err(StoreError::NotAFile { path: path.to_owned() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(file("look at", path, e)),
    }
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    nc_failpoint::before("store", "make_directory").map_err(|e| file("make the directory", dir, e))?;
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir).map_err(|e| file("make the directory", dir, e))?;
    nc_failpoint::before("store", "make_file").map_err(|e| file("make the store", path, e))?;
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(made) => follow_directory(&made, dir).map_err(|e| file("set owner and mode of", path, e)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_file() => Ok(()),
        // A link to nothing.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(StoreError::NotAFile { path: path.to_owned() }),
        Err(e) => Err(file("make the store", path, e)),
    }
}

/// Gives the file to its directory's owner (where root makes it for another user), and to the group where that writes too.
fn follow_directory(new: &File, dir: &Path) -> io::Result<()> {
    nc_failpoint::before("store", "set_mode")?;
    let parent = fs::metadata(dir)?;
    if new.metadata()?.uid() != parent.uid() {
        // Only root can. Whoever else may write here keeps what he made.
        fchown(new, Some(parent.uid()), Some(parent.gid())).or_else(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => Ok(()),
            _ => Err(e),
        })?;
    }
    let mode = if parent.mode() & GROUP_WRITES == 0 { FILE_MODE } else { SHARED_FILE_MODE };
    new.set_permissions(Permissions::from_mode(mode))
}

fn file(operation: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::File { operation, path: path.to_owned(), source }
}
