//! Sockets that we were started with: `sd_listen_fds(3)`, or a connection as standard input as inetd does it.

use std::env;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{SockType, UnixAddr, getpeername, getsockopt, sockopt};
use tracing::warn;

/// The first descriptor that is passed, `sd_listen_fds(3)`.
pub(crate) const FIRST: RawFd = 3;

/// More than a program of ours is ever given; a larger number is a mistake.
const MAX_SOCKETS: RawFd = 16;

/// The sockets that came with us, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// A doorbell.
    pub(crate) bell: Option<OwnedFd>,
    /// A connection that is ours alone (`Accept=yes`).
    pub(crate) connection: Option<OwnedFd>,
}

impl Inherited {
    /// Takes the sockets over, once in the life of the process; a second call finds none.
    ///
    /// They are ours where `LISTEN_PID` is our process id or, under a supervisor (`supervised`), where it is not set.
    pub(crate) fn take(supervised: bool) -> Self {
        let mut all = Self::default();
        for socket in passed(supervised) {
            match getsockopt(&socket, sockopt::SockType) {
                Ok(SockType::Datagram) if all.bell.is_none() => all.bell = Some(socket),
                Ok(SockType::Stream) if all.connection.is_none() && !listens(&socket) => all.connection = Some(socket),
                _ => warn!("was given a socket that it has no use for; closed"),
            }
        }
        all
    }
}

/// A socket that listens is no connection: the unit lacks `Accept=yes`.
fn listens(socket: &OwnedFd) -> bool {
    getsockopt(socket, sockopt::AcceptConn) == Ok(true)
}

fn passed(supervised: bool) -> Vec<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let ours = env::var("LISTEN_PID").map_or(supervised, |pid| pid == std::process::id().to_string());
    let count = env::var("LISTEN_FDS").ok().and_then(|n| n.parse::<RawFd>().ok()).unwrap_or(0);
    if !ours || TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    (FIRST..FIRST + count.clamp(0, MAX_SOCKETS)).filter_map(own).collect()
}

/// Keeps every descriptor above 2 that this process has from the programs that it will start.
///
/// What a caller left open (a build tool's pipes, an editor's sockets) has no business in a daemon, and less in a
/// sandbox. To be called first thing, while there is one thread; what is opened later says so for itself.
pub fn close_on_exec() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    for fd in numbers.filter(|&fd| fd >= FIRST) {
        // SAFETY: it was open a moment ago, there is no other thread that could have closed it, and it is borrowed for
        // one fcntl(2) that changes neither what it refers to nor its owner.
        #[expect(unsafe_code, reason = "descriptors of unknown origin have no owner in the type system")]
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        // Refused only where it is closed, and then it cannot leak.
        fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok();
    }
}

/// Takes over descriptor `fd` where it is an open socket.
fn own(fd: RawFd) -> Option<OwnedFd> {
    let there = std::fs::metadata(format!("/proc/self/fd/{fd}")).ok()?;
    if !there.file_type().is_socket() {
        return None;
    }
    // SAFETY: the descriptor is open (just seen) and nobody else in this process owns it: whoever started us passed it
    // (LISTEN_FDS for our process id), it was open before `main`, the standard library owns none above 2, and `TAKEN`
    // lets this be reached once.
    #[expect(unsafe_code, reason = "a descriptor that arrives by its number has no owner in the type system")]
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    Some(socket)
}

/// Takes over standard input where it is a connected unix stream socket, and leaves `/dev/null` in its place, so that
/// the other side sees the end when this one handle is closed.
pub(crate) fn standard_input() -> io::Result<Option<UnixStream>> {
    let stdin = io::stdin();
    let connected = getsockopt(&stdin, sockopt::SockType) == Ok(SockType::Stream)
        && getpeername::<UnixAddr>(stdin.as_raw_fd()).is_ok();
    if !connected {
        return Ok(None);
    }
    let connection = stdin.as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(Some(UnixStream::from(connection)))
}
