//! Who is at the other end of a loopback connection.
//!
//! The sandbox shares the host's network, so every process of the host can connect. The kernel's table of sockets tells the
//! user and the inode of the other end; a process whose socket it is can be found in `/proc` only where it lives in this
//! sandbox, since no other process is to be seen there.

use std::fs;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;

use nix::unistd::geteuid;

/// The table of TCP sockets of IPv4, `proc_net_tcp` of the kernel's documentation.
const TABLE: &str = "/proc/net/tcp";

/// Why a connection is none of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    /// It belongs to somebody else.
    #[error("it belongs to the user {uid}, not to this one")]
    User {
        /// Whom; 65534 stands for everybody whom this sandbox does not know.
        uid: u32,
    },
    /// No process that is to be seen has it open.
    #[error("no process of this sandbox has it open")]
    Elsewhere,
    /// The table does not know it: it is closed already.
    #[error("it is closed already")]
    Closed,
}

/// Where there is no table to look into, only the token keeps others out.
#[derive(Debug, thiserror::Error)]
#[error("cannot see who connects: {0}")]
pub(super) struct CannotTell(io::Error);

struct Socket {
    uid: u32,
    inode: u64,
}

/// Whether the connection from `peer` to `own` was made by a process of this sandbox, and this user.
pub(super) fn check(peer: SocketAddr, own: SocketAddr) -> Result<Result<(), Stranger>, CannotTell> {
    let (SocketAddr::V4(peer), SocketAddr::V4(own)) = (peer, own) else { return Ok(Err(Stranger::Elsewhere)) };
    let table = fs::read_to_string(TABLE).map_err(CannotTell)?;
    let Some(socket) = find(&table, peer, own) else { return Ok(Err(Stranger::Closed)) };
    if socket.uid != geteuid().as_raw() {
        return Ok(Err(Stranger::User { uid: socket.uid }));
    }
    let is_here = is_open_here(socket.inode).map_err(CannotTell)?;
    Ok(if is_here { Ok(()) } else { Err(Stranger::Elsewhere) })
}

/// The other end's own line in the table: there our address is the remote one.
fn find(table: &str, peer: SocketAddrV4, own: SocketAddrV4) -> Option<Socket> {
    let (peer, own) = (column(peer), column(own));
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
        // The columns are: sl, local, remote, st, queues, timer, retransmits, uid, timeout, inode.
        let [_, local, remote, _, _, _, _, uid, _, inode] = fields.as_slice() else { return None };
        let found = *local == peer && *remote == own;
        found.then(|| Some(Socket { uid: uid.parse().ok()?, inode: inode.parse().ok()? }))?
    })
}

/// An address as the table has it: the four bytes as one number of this machine's byte order, and the port.
fn column(address: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

fn is_open_here(inode: u64) -> io::Result<bool> {
    let link = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let is_process = entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit);
        if is_process && has_open(&entry.path(), &link) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a process has a descriptor that links there. One that hides them, or has just ended, has not.
fn has_open(process: &Path, link: &str) -> bool {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target.as_os_str() == link)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_of_this_process_is_known_until_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        let stream = TcpStream::connect(own).unwrap();
        let (_held, peer) = listener.accept().unwrap();
        assert_eq!(check(peer, own).unwrap(), Ok(()));
        let other = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(check(peer, other).unwrap(), Err(Stranger::Closed), "it is no connection to there");
        drop(stream);
        assert!(check(peer, own).unwrap().is_err());
    }

    #[test]
    fn a_line_of_the_table_is_found_by_both_ends() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 41 1 0 20 4 30 10 -1\n\
             1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000    33        0 42 1 0 20 4 30 10 -1\n\
             2: broken\n";
        let (peer, own) = ("127.0.0.1:54321".parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
        let socket = find(table, peer, own).unwrap();
        assert_eq!((socket.uid, socket.inode), (33, 42));
        assert!(find(table, "127.0.0.1:1".parse().unwrap(), own).is_none());
    }
}
