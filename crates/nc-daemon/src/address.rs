//! Unix sockets below paths of any length.
//!
//! A socket's address holds 107 bytes of path, and a checkout can lie deeper. The directory is opened and the socket
//! is addressed as `/proc/self/fd/N/name`, so that only the name itself is bounded.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use tokio::net::{UnixListener, UnixStream};
use tracing::debug;

/// Bytes of a path that fit into a socket's address: `sun_path` without its zero byte, unix(7).
const MAX_ADDRESS: usize = 107;

/// Room that is left for `.<pid>.new` behind a name while its socket is being made.
const MAX_NAME: usize = 64;

/// A directory that its group may write, and that hands its group on.
const SHARED: u32 = 0o2020;

/// A path that fits into a socket's address, valid while this value lives.
pub(crate) struct Address {
    path: PathBuf,
    /// The directory that `path` goes through, where it goes through one.
    _dir: Option<File>,
}

impl Address {
    /// Returns `path` itself where it is short enough, else the way through its opened directory.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= MAX_ADDRESS {
            return Ok(Self { path: path.to_owned(), _dir: None });
        }
        Self::through_directory(path)
    }

    fn through_directory(path: &Path) -> io::Result<Self> {
        let (parent, name) = split(path)?;
        let dir = File::options().read(true).custom_flags((OFlag::O_PATH | OFlag::O_DIRECTORY).bits()).open(parent)?;
        let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _dir: Some(dir) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn split(path: &Path) -> io::Result<(&Path, &std::ffi::OsStr)> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("a socket's path {what}"));
    let name = path.file_name().ok_or_else(|| invalid("ends with the socket's name"))?;
    if name.len() > MAX_NAME {
        return Err(invalid(&format!("ends with a name of at most {MAX_NAME} bytes")));
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((parent, name))
}

/// Makes a socket at `path` by `bind`, 0600 (0660 in a directory that its group shares), in place of one that may be there.
///
/// The new socket gets its name by renaming, so there is no moment without a socket and none with one that refuses.
/// Whoever has the old one keeps hearing nothing. What is there and is no socket stays, and is an error.
pub(crate) fn bind_replacing<S>(path: &Path, bind: impl FnOnce(&Path) -> io::Result<S>) -> io::Result<(S, Placed)> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            let why = "something that is not a socket is there: move it away";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let (_, name) = split(path)?;
    let fresh = path.with_file_name(format!("{}.{}.new", name.to_string_lossy(), std::process::id()));
    nc_failpoint::before("socket", "bind")?;
    remove_if_there(&fresh)?;
    let socket = bind(Address::of(&fresh)?.path())?;
    nc_failpoint::before("socket", "set_mode")?;
    let placed = open_to(path)
        .and_then(|mode| fs::set_permissions(&fresh, Permissions::from_mode(mode)))
        .and_then(|()| nc_failpoint::before("socket", "rename"))
        .and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = placed {
        remove_if_there(&fresh)?;
        return Err(error);
    }
    nc_failpoint::after("socket", "rename");
    Ok((socket, Placed { path: path.to_owned(), identity: identity(path)? }))
}

/// The mode of a socket at `path`: whoever shares the directory rings there too.
fn open_to(path: &Path) -> io::Result<u32> {
    let above = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(if fs::metadata(above)?.mode() & SHARED == SHARED { 0o660 } else { 0o600 })
}

/// The file of a socket that we made, by which we know our own again. It goes with this value, unless a successor has
/// put its own in this place.
#[derive(Debug)]
pub(crate) struct Placed {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for Placed {
    fn drop(&mut self) {
        nc_failpoint::after("socket", "use");
        if identity(&self.path).is_ok_and(|there| there == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            debug!(path = ?self.path, %error, "a socket stays behind");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let there = fs::symlink_metadata(path)?;
    Ok((there.dev(), there.ino()))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Connects to the stream socket at `path`, which may be longer than a socket's address.
///
/// # Errors
/// As connect(2): no socket there (`NotFound`), nobody listening (`ConnectionRefused`), and `WouldBlock` where the
/// listener has as many unanswered connections as it takes.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let address = Address::of(path)?;
    UnixStream::connect(address.path()).await
}

/// A stream socket that listens. Its file goes with it.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    _placed: Placed,
}

impl Door {
    /// The next connection. Nothing is lost when the future is dropped before.
    ///
    /// # Errors
    /// As accept(2). The connection still waits then, where no descriptor was left for it.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        let (connection, _) = self.listener.accept().await?;
        Ok(connection)
    }
}

/// Listens at `path` (0600, or 0660 in a directory that its group shares), which may be longer than a socket's address; a
/// socket that is there is replaced.
///
/// # Errors
/// As bind(2), and `AlreadyExists` where something that is not a socket is there.
pub fn listen(path: &Path) -> io::Result<Door> {
    let (listener, placed) = bind_replacing(path, |address| UnixListener::bind(address))?;
    Ok(Door { listener, _placed: placed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_open_to_whoever_shares_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bell.sock");
        for (above, expected) in [(0o700, 0o600), (0o770, 0o600), (0o2770, 0o660)] {
            fs::set_permissions(dir.path(), Permissions::from_mode(above)).unwrap();
            let bind = |path: &Path| std::os::unix::net::UnixDatagram::bind(path);
            let (_socket, _placed) = bind_replacing(&path, bind).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, expected, "{above:o}");
        }
    }
}
