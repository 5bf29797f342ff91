//! Which calls of the kernel an agent may not make.
//!
//! Everything else is allowed: a list of what is allowed would break tools that nobody foresaw. What is refused here is
//! refused although the agent has no capability in the host's user namespace anyway: these are the calls through which
//! sandboxes have been left.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use crate::SandboxError;

/// Calls that answer EPERM whatever their arguments.
///
/// The numbers from 424 on are the same on every processor, and some are newer than the library that names the others.
pub const REFUSED: &[(&str, i64)] = &[
    // The tree of mounts: a mount may uncover what another hides, e.g. /proc/1.
    ("mount", libc::SYS_mount),
    ("umount2", libc::SYS_umount2),
    ("pivot_root", libc::SYS_pivot_root),
    ("chroot", libc::SYS_chroot),
    ("open_tree", 428),
    ("move_mount", 429),
    ("fsopen", 430),
    ("fsconfig", 431),
    ("fsmount", 432),
    ("fspick", 433),
    ("mount_setattr", 442),
    ("open_tree_attr", 467),
    // Other namespaces; making new ones is a matter of flags, below.
    ("setns", libc::SYS_setns),
    // Other processes' memory and descriptors: bubblewrap's first process has the session's lock.
    ("ptrace", libc::SYS_ptrace),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("process_madvise", 440),
    ("pidfd_getfd", 438),
    ("kcmp", libc::SYS_kcmp),
    // Large interfaces with a history of holes.
    ("bpf", libc::SYS_bpf),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("io_uring_setup", 425),
    ("io_uring_enter", 426),
    ("io_uring_register", 427),
    // Keys are not in any namespace.
    ("add_key", libc::SYS_add_key),
    ("request_key", libc::SYS_request_key),
    ("keyctl", libc::SYS_keyctl),
    // Files by handle, past every mount.
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    ("fanotify_init", libc::SYS_fanotify_init),
    // The machine itself.
    ("kexec_load", libc::SYS_kexec_load),
    ("kexec_file_load", KEXEC_FILE_LOAD),
    ("init_module", libc::SYS_init_module),
    ("finit_module", libc::SYS_finit_module),
    ("delete_module", libc::SYS_delete_module),
    ("reboot", libc::SYS_reboot),
    ("swapon", libc::SYS_swapon),
    ("swapoff", libc::SYS_swapoff),
    ("acct", libc::SYS_acct),
    ("quotactl", libc::SYS_quotactl),
    ("quotactl_fd", 443),
    ("syslog", libc::SYS_syslog),
    ("settimeofday", libc::SYS_settimeofday),
    ("clock_settime", libc::SYS_clock_settime),
    #[cfg(target_arch = "x86_64")]
    ("iopl", libc::SYS_iopl),
    #[cfg(target_arch = "x86_64")]
    ("ioperm", libc::SYS_ioperm),
];

#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: i64 = libc::SYS_kexec_file_load;
// asm-generic/unistd.h; the library has no name for it there.
#[cfg(not(target_arch = "x86_64"))]
const KEXEC_FILE_LOAD: i64 = 294;

/// A new namespace, as `unshare` and `clone` are asked for one: each answers EPERM.
pub const NAMESPACES: &[(&str, u64)] = &[
    ("mount", 0x0002_0000),
    ("cgroup", 0x0200_0000),
    ("uts", 0x0400_0000),
    ("ipc", 0x0800_0000),
    ("user", 0x1000_0000),
    ("pid", 0x2000_0000),
    ("net", 0x4000_0000),
];

/// A new time namespace. `clone` has the signal of the child's end in that bit.
pub const TIME_NAMESPACE: u64 = 0x80;

/// Kinds of socket that an agent may make; every other answers EPERM, above all `AF_VSOCK`, which ends outside of a virtual
/// machine, and `AF_ALG`, `AF_PACKET` and their like.
pub const SOCKETS: &[(&str, u64)] = &[("unix", 1), ("inet", 2), ("inet6", 10), ("netlink", 16)];

/// What a terminal may not be asked for: to take input as if it were typed.
pub const TERMINAL: &[(&str, u64)] = &[("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541c)];

/// The first number of the calls of x32, a second set of the same calls with other numbers.
pub const X32: u32 = 0x4000_0000;

/// `clone3` has its flags where no filter can read them. It answers ENOSYS, and the C library takes `clone` instead.
const CLONE3: i64 = 435;

/// The filters as the kernel takes them. Each has one answer, so there are three. A call of another architecture ends the
/// process.
///
/// # Errors
/// [`SandboxError::Filter`] on a processor other than x86-64 and 64-bit ARM.
pub fn filters() -> Result<[Vec<u8>; 3], SandboxError> {
    let refused = filter(refused()?, libc::EPERM)?;
    let absent = filter(BTreeMap::from([(CLONE3, Vec::new())]), libc::ENOSYS)?;
    Ok([bytes(&refused), bytes(&absent), bytes(&second_set())])
}

fn refused() -> Result<BTreeMap<i64, Vec<SeccompRule>>, SandboxError> {
    let mut rules: BTreeMap<_, _> = REFUSED.iter().map(|(_, number)| (*number, Vec::new())).collect();
    let asks = |flag: u64| condition(0, Width::Qword, Compare::MaskedEq(flag), flag);
    let spaces = || NAMESPACES.iter().map(|(_, flag)| rule(vec![asks(*flag)?]));
    rules.insert(libc::SYS_clone, spaces().collect::<Result<_, _>>()?);
    let time = rule(vec![asks(TIME_NAMESPACE)?]);
    rules.insert(libc::SYS_unshare, spaces().chain([time]).collect::<Result<_, _>>()?);
    let strange = SOCKETS.iter().map(|(_, family)| condition(0, Width::Dword, Compare::Ne, *family));
    let strange = rule(strange.collect::<Result<_, _>>()?)?;
    rules.insert(libc::SYS_socket, vec![strange.clone()]);
    rules.insert(libc::SYS_socketpair, vec![strange]);
    let requests = TERMINAL.iter().map(|(_, request)| rule(vec![condition(1, Width::Dword, Compare::Eq, *request)?]));
    rules.insert(libc::SYS_ioctl, requests.collect::<Result<_, _>>()?);
    Ok(rules)
}

fn condition(argument: u8, width: Width, compare: Compare, value: u64) -> Result<SeccompCondition, SandboxError> {
    SeccompCondition::new(argument, width, compare, value).map_err(broken)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, SandboxError> {
    SeccompRule::new(conditions).map_err(broken)
}

fn filter(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<BpfProgram, SandboxError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(broken)?;
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, answer, arch).and_then(BpfProgram::try_from).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::Filter { reason: error.to_string() }
}

/// Refuses every number from [`X32`] on, which the library has no words for: the filters above compare exact numbers, and
/// on a kernel with x32 the same call by its second number would pass.
fn second_set() -> BpfProgram {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let program =
        [(LOAD_WORD, 0, 0), (JUMP_IF_AT_LEAST, 1, X32), (RETURN, 0, libc::SECCOMP_RET_ALLOW), (RETURN, 0, refuse)];
    program.into_iter().map(|(code, jt, k)| sock_filter { code, jt, jf: 0, k }).collect()
}

/// `struct sock_filter` as it lies in memory: two bytes, two times one, four.
fn bytes(program: &BpfProgram) -> Vec<u8> {
    let words = program.iter().map(|s| [&s.code.to_ne_bytes()[..], &[s.jt, s.jf], &s.k.to_ne_bytes()].concat());
    words.flatten().collect()
}
