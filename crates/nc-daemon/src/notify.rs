//! What the init system is told: `sd_notify(3)`, over a path of any length.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use tracing::debug;

use crate::address::Address;

/// Tells whoever started us `assignments`, lines such as `READY=1` or `STATUS=…`; nothing happens where nobody asked.
///
/// A socket that is full is waited for where readiness is told, as `sd_notify(3)` does, since that must not be lost.
/// Everything else is dropped then: a supervisor that does not read must not stop the work.
pub fn notify(assignments: &str) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET").filter(|s| !s.is_empty()) else { return };
    if let Err(error) = send(&socket, assignments.as_bytes()) {
        debug!(?socket, %error, "nobody hears what we notify");
    }
}

fn send(socket: &std::ffi::OsStr, datagram: &[u8]) -> io::Result<()> {
    let from = UnixDatagram::unbound()?;
    from.set_nonblocking(!datagram.split(|&b| b == b'\n').any(|line| line == b"READY=1"))?;
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => from.send_to_addr(datagram, &SocketAddr::from_abstract_name(name)?)?,
        None => from.send_to(datagram, Address::of(Path::new(socket))?.path())?,
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
        let full = (0..100_000).any(|_| send(path.as_os_str(), b"STATUS=busy").is_err());
        assert!(full, "the socket took everything");
        drop(deaf);
    }
}
