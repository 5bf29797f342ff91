//! Landlock: a sandbox with the host's network does not get at the host's abstract sockets, which lie in no file system, nor signal
//! what is not in it. landlock(7); since Linux 6.12.
//!
//! No file is handled by it: what an agent sees is a matter of mounts, and making them is refused to who is held by file rules.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::prctl::set_no_new_privs;

/// The kernel's numbers, the same on every processor: linux/landlock.h.
const CREATE_RULESET: c_long = 444;
const RESTRICT_SELF: c_long = 446;
const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1 << 0;
const SCOPE_SIGNAL: u64 = 1 << 1;

const SET_UID: u32 = 0o4000;

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct Ruleset {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// Holds whatever `command` becomes, where the kernel can. It is to be asked for before descriptors are numbered: it needs one, whose
/// number may then be taken.
///
/// A `bwrap` with a set-uid bit would lose what it needs that bit for, and is not held.
pub(crate) fn hold(command: &mut Command, bwrap: &Path) {
    let privileged = std::fs::metadata(bwrap).is_ok_and(|found| found.permissions().mode() & SET_UID != 0);
    let Some(ruleset) = (!privileged).then(ruleset).flatten() else { return };
    let enter = move || {
        set_no_new_privs()?;
        restrict(&ruleset)
    };
    #[expect(unsafe_code, reason = "there is no other moment between the fork and the program")]
    // SAFETY: the closure makes two system calls, and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(enter);
    }
}

/// The rules; none where the kernel does not have them, or something forbids to ask.
#[expect(unsafe_code, reason = "the library has no name for the call")]
fn ruleset() -> Option<OwnedFd> {
    let rules =
        Ruleset { handled_access_fs: 0, handled_access_net: 0, scoped: SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL };
    // SAFETY: the kernel reads as many bytes as `rules` has.
    let made = unsafe { libc::syscall(CREATE_RULESET, &raw const rules, size_of::<Ruleset>(), 0) };
    let fd = i32::try_from(Errno::result(made).ok()?).ok()?;
    // SAFETY: the kernel has just made this descriptor for us, close-on-exec, and nobody else knows of it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[expect(unsafe_code, reason = "the library has no name for the call")]
fn restrict(ruleset: &OwnedFd) -> io::Result<()> {
    // SAFETY: the call takes no address.
    let held = unsafe { libc::syscall(RESTRICT_SELF, ruleset.as_raw_fd(), 0) };
    Errno::result(held).map(drop).map_err(io::Error::from)
}
