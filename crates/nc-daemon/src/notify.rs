//! What the init system is told: `sd_notify(3)`.
//!
//! The crate sd-notify tells what must arrive. It waits where the socket is full, and knows neither abstract sockets nor a
//! path that does not fit into a socket's address; what may be dropped, and what is told over such, goes out here.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use sd_notify::NotifyState;
use tracing::debug;

use crate::address::Address;

/// The longest path of a socket's address, in bytes: `sun_path` of unix(7) without its end.
const LONGEST_PATH: usize = 107;

/// Tells whoever started us `states`; nothing happens where nobody asked.
///
/// A socket that is full is waited for where readiness is told, as `sd_notify(3)` does, since that must not be lost.
/// Everything else is dropped then: a supervisor that does not read must not stop the work.
pub fn notify(states: &[NotifyState<'_>]) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET").filter(|s| !s.is_empty()) else { return };
    let must_arrive = states.iter().any(|state| matches!(state, NotifyState::Ready));
    let is_path = socket.as_bytes().starts_with(b"/") && socket.len() <= LONGEST_PATH;
    let told = if must_arrive && is_path { sd_notify::notify(states) } else { send(&socket, states, must_arrive) };
    if let Err(error) = told {
        debug!(?socket, %error, "nobody hears what we notify");
    }
}

/// Tells that the configuration is read again, until readiness is told once more.
pub(crate) fn reloading() {
    // systemd.service(5), `Type=notify-reload` of newer versions: the time must go with it.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "the time cannot be told"),
    }
}

fn send(socket: &OsStr, states: &[NotifyState<'_>], waits: bool) -> io::Result<()> {
    let mut datagram = String::new();
    for state in states {
        writeln!(datagram, "{state}").map_err(io::Error::other)?;
    }
    let from = UnixDatagram::unbound()?;
    from.set_nonblocking(!waits)?;
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => from.send_to_addr(datagram.as_bytes(), &SocketAddr::from_abstract_name(name)?)?,
        None => from.send_to(datagram.as_bytes(), Address::of(Path::new(socket))?.path())?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_that_does_not_read_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let deaf = UnixDatagram::bind(&path).unwrap();
        // More than any socket queues (net.unix.max_dgram_qlen): where this blocked, the test would not end.
        let full = (0..100_000).any(|_| send(path.as_os_str(), &[NotifyState::Status("busy")], false).is_err());
        assert!(full, "the socket took everything");
        drop(deaf);
    }
}
