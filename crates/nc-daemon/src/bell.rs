//! Doorbells: one datagram, no payload that matters, never waiting for the one who is rung.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::path::{Path, PathBuf};

use nix::sys::socket::{MsgFlags, recv};
use tokio::net::UnixDatagram;
use tracing::{debug, warn};

use crate::address::{Address, Placed, bind_replacing};

/// Datagrams taken at most in one go; more stay for the next look. A socket queues 10 (`net.unix.max_dgram_qlen`), but
/// whoever rings without end must not keep the listener from its work.
const MAX_DRAIN: usize = 64;

/// A doorbell could not be had.
#[derive(Debug, thiserror::Error)]
#[error("bind the doorbell {path:?}")]
pub struct BellError {
    /// Where it should be.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// A doorbell that can be heard. One that [`Bell::bind`] made is removed from its directory with it.
#[derive(Debug)]
pub struct Bell {
    socket: UnixDatagram,
    placed: Option<Placed>,
}

impl Bell {
    /// Makes a doorbell at `path`, readable and writable for its owner alone, in place of one that may be there.
    ///
    /// Must be called inside a tokio runtime. Read the store after this, not before: until then nobody could ring.
    ///
    /// # Errors
    /// [`BellError`] with the system's reason: no directory, no permission, or something there that is not a socket.
    pub fn bind(path: &Path) -> Result<Self, BellError> {
        let failed = |source| BellError { path: path.to_owned(), source };
        let (socket, placed) = bind_replacing(path, |address| UnixDatagram::bind(address)).map_err(failed)?;
        Ok(Self { socket, placed: Some(placed) })
    }

    /// Takes over a datagram socket that somebody else made and keeps.
    pub(crate) fn inherited(socket: OwnedFd) -> io::Result<Self> {
        let socket = StdDatagram::from(socket);
        // A socket from outside may block, and the runtime refuses such a one.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixDatagram::from_std(socket)?, placed: None })
    }

    /// Returns when the bell has been rung since it was last drained, and drains it. Nothing is lost when the future is
    /// dropped before.
    pub async fn rung(&self) {
        loop {
            if let Err(error) = self.socket.readable().await {
                // The runtime is going away: nobody will ring.
                debug!(%error, "the doorbell is deaf");
                std::future::pending::<()>().await;
            }
            if Self::take(|buffer| self.socket.try_recv(buffer)) > 0 {
                return;
            }
        }
    }

    /// Takes all rings that wait, without waiting for any.
    pub fn drain(&self) {
        Self::take(|buffer| recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT).map_err(Into::into));
    }

    fn take(mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>) -> usize {
        let mut buffer = [0; 16];
        (0..MAX_DRAIN).take_while(|_| receive(&mut buffer).is_ok()).count()
    }

    /// Whether closing this bell takes the doorbell away, so that nobody can ring any more.
    pub(crate) fn is_own(&self) -> bool {
        self.placed.is_some()
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Rings the doorbell at `path`, without waiting and without an answer.
///
/// Nobody there, nobody listening and a bell that is ringing already are as good as done: who is not there reads the
/// store when it starts. Anything else, such as a missing permission, is logged as a warning: what was stored is then
/// seen late.
pub fn ring(path: &Path) {
    match try_ring(path) {
        Ok(()) => {}
        Err(error) if is_done(&error) => debug!(?path, %error, "rang at a door that does not hear"),
        Err(error) => warn!(?path, %error, "cannot ring; what is stored will be seen late"),
    }
}

/// Whether somebody has the doorbell at `path`, so that a ring would be heard now or by a program that starts for it.
/// Nothing is sent.
#[must_use]
pub fn hears(path: &Path) -> bool {
    let connected = || StdDatagram::unbound()?.connect(Address::of(path)?.path());
    connected().is_ok()
}

/// Rings every `*.sock` in `dir`, and removes those that nobody listens at any more. A missing directory is an empty one.
pub fn ring_all(dir: &Path) {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return warn!(?dir, %error, "cannot look for doorbells; what is stored will be seen late"),
    };
    for path in entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "sock")) {
        match try_ring(&path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => remove_left_behind(&path),
            Err(error) if !is_done(&error) => warn!(?path, %error, "cannot ring; what is stored will be seen late"),
            _ => {}
        }
    }
}

fn remove_left_behind(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => debug!(?path, "removed a doorbell that was left behind"),
        Err(error) => debug!(?path, %error, "a doorbell that was left behind stays"),
    }
}

/// One datagram; an error where it did not get into the socket.
fn try_ring(path: &Path) -> io::Result<()> {
    let address = Address::of(path)?;
    let socket = StdDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(b"!", address.path())?;
    Ok(())
}

/// Full (it will wake anyway), nobody listening, nobody there.
fn is_done(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound, WouldBlock};
    matches!(error.kind(), WouldBlock | ConnectionRefused | NotFound)
}
