//! The kernel itself: keys, namespaces, mounts, and the calls that the filters refuse.

use std::fs::{self, File};

use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};

use super::{Answer, Reached, Targets};
use crate::seccomp::{NAMESPACES, REFUSED, TERMINAL};

/// An address that no process has, a descriptor that is not open, a process that does not exist.
pub(super) const NOWHERE: c_long = -1;

/// Where a key is put that ends with the process.
const PROCESS_KEYRING: c_long = -2;

const NAMESPACE_KINDS: &[&str] = &["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];

/// Makes one call.
#[expect(unsafe_code, reason = "the library has no names for most of these calls, and to try them is what this is for")]
pub(super) fn call(number: c_long, args: [c_long; 6]) -> Result<c_long, Errno> {
    // SAFETY: every address among the arguments that this module's callers give is `NOWHERE`, null, or of a static text, so
    // the kernel reads and writes nothing that Rust does not know of.
    Errno::result(unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]) })
}

pub(super) fn keyrings(_: &Targets) -> Answer {
    let (kind, name) = (c"user".as_ptr() as c_long, c"nanoclaw-prove".as_ptr() as c_long);
    match call(libc::SYS_add_key, [kind, name, name, 8, PROCESS_KEYRING, 0]) {
        Ok(_) => Reached("a key was added".to_owned()),
        Err(errno) => Answer::refused(errno),
    }
}

/// The filters look at the request before the kernel looks at the descriptor.
pub(super) fn terminal(_: &Targets) -> Answer {
    let ask = |request: u64| call(libc::SYS_ioctl, [NOWHERE, c_long::try_from(request).unwrap_or(0), NOWHERE, 0, 0, 0]);
    let granted = TERMINAL.iter().filter(|(_, request)| ask(*request) != Err(Errno::EPERM));
    let granted: Vec<_> = granted.map(|(name, _)| (*name).to_owned()).collect();
    Answer::of_many(&granted, TERMINAL.len(), "requests", "each answers EPERM")
}

/// With arguments that no call takes: where it is granted it says so, and does nothing.
pub(super) fn calls(_: &Targets) -> Answer {
    let granted = REFUSED.iter().filter(|(_, number)| call(*number, [NOWHERE; 6]) != Err(Errno::EPERM));
    let granted: Vec<_> = granted.map(|(name, _)| (*name).to_owned()).collect();
    Answer::of_many(&granted, REFUSED.len(), "calls", "each answers EPERM")
}

/// Makes namespaces. In a user namespace whoever made it keeps his numbers, without which no other can be made in it.
fn make(flags: CloneFlags) -> Result<(), Errno> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(flags)?;
    if flags.contains(CloneFlags::CLONE_NEWUSER) {
        let map = [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{uid} {uid} 1")),
            ("gid_map", format!("{gid} {gid} 1")),
        ];
        for (file, text) in map {
            drop(fs::write(format!("/proc/self/{file}"), text));
        }
    }
    Ok(())
}

pub(super) fn namespaces(_: &Targets) -> Answer {
    // A user namespace first: where there is one, it has the right to make the others.
    let user = NAMESPACES.iter().filter(|(name, _)| *name == "user");
    let others = NAMESPACES.iter().filter(|(name, _)| *name != "user");
    let flags = |bits: u64| CloneFlags::from_bits_retain(i32::try_from(bits).unwrap_or(0));
    let made = user.chain(others).filter(|(_, bits)| make(flags(*bits)).is_ok());
    let made: Vec<_> = made.map(|(name, _)| (*name).to_owned()).collect();
    Answer::of_many(&made, NAMESPACES.len(), "kinds", "none is to be had")
}

pub(super) fn others(targets: &Targets) -> Answer {
    let paths = [targets.first, targets.process]
        .map(|pid| format!("/proc/{pid}/ns"))
        .into_iter()
        .chain(["/proc/self/ns".into()]);
    let paths: Vec<_> = paths.flat_map(|ns| NAMESPACE_KINDS.iter().map(move |kind| format!("{ns}/{kind}"))).collect();
    let enters = |path: &&String| File::open(path).is_ok_and(|space| setns(space, CloneFlags::empty()).is_ok());
    let entered: Vec<_> = paths.iter().filter(enters).cloned().collect();
    Answer::of_many(&entered, paths.len(), "namespaces", "none can be entered")
}

/// In namespaces of its own, so that nobody else would see it.
pub(super) fn mounts(targets: &Targets) -> Answer {
    let mounted = make(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(Some("none"), &targets.scratch, Some("tmpfs"), MsFlags::MS_NODEV, None::<&str>));
    match mounted {
        Ok(()) => Reached("a file system was mounted".to_owned()),
        Err(errno) => Answer::refused(errno),
    }
}
