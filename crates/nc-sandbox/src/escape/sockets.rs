//! Sockets of the host.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{Answer, Reached, Targets};

pub(super) fn by_path(targets: &Targets) -> Answer {
    let (above, name) = (targets.socket.parent(), targets.socket.file_name());
    let Some((above, name)) = above.zip(name) else { return Answer::refused("it has no name") };
    // Its whole path may be longer than an address can be.
    let connected = File::open(above).and_then(|above| {
        UnixStream::connect(format!("/proc/self/fd/{}/{}", above.as_raw_fd(), name.to_string_lossy()))
    });
    connected.map_or_else(Answer::refused, |_| Reached("it was connected to".to_owned()))
}

pub(super) fn by_abstract_name(targets: &Targets) -> Answer {
    let address = SocketAddr::from_abstract_name(&targets.abstract_name);
    let connected = address.and_then(|address| UnixStream::connect_addr(&address));
    connected.map_or_else(Answer::refused, |_| Reached("it was connected to".to_owned()))
}

pub(super) fn by_port(targets: &Targets) -> Answer {
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, targets.port));
    connected.map_or_else(Answer::refused, |_| Reached("it was connected to".to_owned()))
}

pub(super) fn of_other_kinds(_: &Targets) -> Answer {
    let kinds = [
        ("vsock", AddressFamily::Vsock, SockType::Stream),
        ("alg", AddressFamily::Alg, SockType::SeqPacket),
        ("packet", AddressFamily::Packet, SockType::Raw),
        ("bluetooth", AddressFamily::Bluetooth, SockType::Raw),
    ];
    let made = kinds.iter().filter(|(_, family, kind)| socket(*family, *kind, SockFlag::SOCK_CLOEXEC, None).is_ok());
    let made: Vec<_> = made.map(|(name, ..)| (*name).to_owned()).collect();
    Answer::of_many(&made, kinds.len(), "kinds", "none is to be had")
}
