//! Tries from inside of a sandbox what a sandbox must refuse, and says how it went: a line a try, `name: ok` or `name: EPERM`.
//!
//! ```text
//! probe calls          every call that the filters refuse, with arguments that do no harm where they are allowed
//! probe architecture   a call as a program of another architecture makes it: ends the process where that is refused
//! probe lock           every way to the descriptors of the sandbox's first process
//! probe forks          as many processes as there may be, and their number
//! probe memory         as much memory as there may be in one process, and how many MiB
//! probe print BYTES    so many bytes on standard output
//! probe wait           nothing, until it is killed, whatever it is asked
//! ```
#![expect(clippy::expect_used, reason = "a probe stops at the first surprise")]
#![expect(
    unsafe_code,
    reason = "the library has no names for most of these calls, and to try them is what this is for"
)]

use std::io::Write;

use nix::errno::Errno;
use nix::libc::{self, c_long};

/// An address that no process has: the kernel answers EFAULT where it looks at it at all.
const NOWHERE: c_long = 1;

/// A descriptor that is not open, and a process that does not exist.
const NONE: c_long = -1;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["calls"] => calls(),
        ["architecture"] => architecture(),
        ["lock"] => lock(),
        ["forks"] => forks(),
        ["memory"] => memory(),
        ["print", bytes] => print(bytes.parse().expect("a number of bytes")),
        ["wait"] => wait(),
        _ => panic!("a probe of these: calls, architecture, lock, forks, memory, print BYTES, wait"),
    }
}

fn say(name: &str, result: Result<c_long, Errno>) {
    match result {
        Ok(_) => println!("{name}: ok"),
        Err(errno) => println!("{name}: {errno:?}"),
    }
}

/// Makes one call.
fn call(number: c_long, args: [c_long; 6]) -> Result<c_long, Errno> {
    // SAFETY: every address among the arguments in this file is null, `NOWHERE`, or of a live array of the caller's, so
    // the kernel reads and writes nothing that Rust does not know of.
    Errno::result(unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]) })
}

const BAD: [c_long; 6] = [NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, 0];
const MISSING: [c_long; 6] = [NONE, NOWHERE, 0, 0, 0, 0];

/// The calls, with arguments that are wrong in a way that the kernel sees only after it has granted the call itself, or
/// that change nothing but this process.
const CALLS: &[(&str, c_long, [c_long; 6])] = &[
    ("mount", libc::SYS_mount, [NOWHERE, NOWHERE, NOWHERE, 0, 0, 0]),
    ("umount2", libc::SYS_umount2, [NOWHERE, 0, 0, 0, 0, 0]),
    ("pivot_root", libc::SYS_pivot_root, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
    ("chroot", libc::SYS_chroot, [NOWHERE, 0, 0, 0, 0, 0]),
    ("open_tree", 428, MISSING),
    ("move_mount", 429, [NONE, NOWHERE, NONE, NOWHERE, 0, 0]),
    ("fsopen", 430, [NOWHERE, 0, 0, 0, 0, 0]),
    ("fsconfig", 431, [NONE, 0, 0, 0, 0, 0]),
    ("fsmount", 432, [NONE, 0, 0, 0, 0, 0]),
    ("fspick", 433, MISSING),
    ("mount_setattr", 442, [NONE, NOWHERE, 0, NOWHERE, 32, 0]),
    ("open_tree_attr", 467, [NONE, NOWHERE, 0, NOWHERE, 32, 0]),
    ("setns", libc::SYS_setns, [NONE, 0, 0, 0, 0, 0]),
    ("process_vm_readv", libc::SYS_process_vm_readv, [NONE, NOWHERE, 1, NOWHERE, 1, 0]),
    ("process_vm_writev", libc::SYS_process_vm_writev, [NONE, NOWHERE, 1, NOWHERE, 1, 0]),
    ("process_madvise", 440, [NONE, NOWHERE, 1, 0, 0, 0]),
    ("pidfd_getfd", 438, [NONE, 0, 0, 0, 0, 0]),
    ("kcmp", libc::SYS_kcmp, [NONE, NONE, 0, 0, 0, 0]),
    ("ptrace", libc::SYS_ptrace, [16, NONE, 0, 0, 0, 0]),
    ("bpf", libc::SYS_bpf, [0, NOWHERE, 16, 0, 0, 0]),
    ("perf_event_open", libc::SYS_perf_event_open, [NOWHERE, 0, NONE, NONE, 0, 0]),
    ("userfaultfd", libc::SYS_userfaultfd, [NONE, 0, 0, 0, 0, 0]),
    ("io_uring_setup", 425, [1, NOWHERE, 0, 0, 0, 0]),
    ("io_uring_enter", 426, MISSING),
    ("io_uring_register", 427, MISSING),
    ("add_key", libc::SYS_add_key, BAD),
    ("request_key", libc::SYS_request_key, BAD),
    ("keyctl", libc::SYS_keyctl, [NONE, 0, 0, 0, 0, 0]),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, MISSING),
    ("fanotify_init", libc::SYS_fanotify_init, [NONE, 0, 0, 0, 0, 0]),
    ("kexec_load", libc::SYS_kexec_load, [0, NONE, NOWHERE, NONE, 0, 0]),
    ("init_module", libc::SYS_init_module, [NOWHERE, 4, NOWHERE, 0, 0, 0]),
    ("finit_module", libc::SYS_finit_module, MISSING),
    ("delete_module", libc::SYS_delete_module, [NOWHERE, 0, 0, 0, 0, 0]),
    ("reboot", libc::SYS_reboot, [0, 0, 0, 0, 0, 0]),
    ("swapon", libc::SYS_swapon, [NOWHERE, 0, 0, 0, 0, 0]),
    ("swapoff", libc::SYS_swapoff, [NOWHERE, 0, 0, 0, 0, 0]),
    ("acct", libc::SYS_acct, [NOWHERE, 0, 0, 0, 0, 0]),
    ("quotactl", libc::SYS_quotactl, BAD),
    ("quotactl_fd", 443, MISSING),
    ("syslog", libc::SYS_syslog, [10, 0, 0, 0, 0, 0]),
    ("settimeofday", libc::SYS_settimeofday, [NOWHERE, 0, 0, 0, 0, 0]),
    ("clock_settime", libc::SYS_clock_settime, [0, NOWHERE, 0, 0, 0, 0]),
    ("socket vsock", libc::SYS_socket, [40, 1, 0, 0, 0, 0]),
    ("socket alg", libc::SYS_socket, [38, 5, 0, 0, 0, 0]),
    ("socket packet", libc::SYS_socket, [17, 3, 0, 0, 0, 0]),
    ("socketpair vsock", libc::SYS_socketpair, [40, 1, 0, NOWHERE, 0, 0]),
    ("TIOCSTI", libc::SYS_ioctl, [NONE, 0x5412, NOWHERE, 0, 0, 0]),
    ("TIOCSTI with more bits", libc::SYS_ioctl, [NONE, (1 << 32) | 0x5412, NOWHERE, 0, 0, 0]),
    ("TIOCLINUX", libc::SYS_ioctl, [NONE, 0x541c, NOWHERE, 0, 0, 0]),
];

fn calls() {
    for (name, number, arguments) in CALLS {
        say(name, call(*number, *arguments));
    }
    of_this_processor();
    spaces();
    say("clone3", call(435, [NOWHERE, 64, 0, 0, 0, 0]));
    let mine = i64::from(std::process::id());
    say("allowed: getpgid", call(libc::SYS_getpgid, [mine, 0, 0, 0, 0, 0]));
    say("allowed: socket inet", call(libc::SYS_socket, [2, 1, 0, 0, 0, 0]));
    say("allowed: socketpair unix", call(libc::SYS_socketpair, [1, 1, 0, [0_i32; 2].as_mut_ptr() as c_long, 0, 0]));
    say("allowed: unshare of files", call(libc::SYS_unshare, [0x400, 0, 0, 0, 0, 0]));
}

#[cfg(target_arch = "x86_64")]
fn of_this_processor() {
    say("kexec_file_load", call(libc::SYS_kexec_file_load, [NONE, NONE, 0, NOWHERE, NONE, 0]));
    say("iopl", call(libc::SYS_iopl, [0, 0, 0, 0, 0, 0]));
    say("ioperm", call(libc::SYS_ioperm, [0, 1, 0, 0, 0, 0]));
    // getpid by its second number.
    say("x32", call(0x4000_0000 + libc::SYS_getpid, [0; 6]));
}

#[cfg(not(target_arch = "x86_64"))]
fn of_this_processor() {
    say("kexec_file_load", call(294, [NONE, NONE, 0, NOWHERE, NONE, 0]));
}

/// New namespaces by `unshare` and by `clone`, each in a child so that one does not change what the next finds.
fn spaces() {
    let flags: &[(&str, c_long)] = &[
        ("mount", 0x0002_0000),
        ("cgroup", 0x0200_0000),
        ("uts", 0x0400_0000),
        ("ipc", 0x0800_0000),
        ("user", 0x1000_0000),
        ("pid", 0x2000_0000),
        ("net", 0x4000_0000),
        ("user and pid", 0x3000_0000),
    ];
    for (name, flag) in flags.iter().chain(&[("time", 0x80)]) {
        say(&format!("unshare {name}"), in_child(|| call(libc::SYS_unshare, [*flag, 0, 0, 0, 0, 0])));
    }
    for (name, flag) in flags {
        let cloned = call(libc::SYS_clone, [*flag | libc::c_long::from(libc::SIGCHLD), 0, 0, 0, 0, 0]);
        if cloned == Ok(0) {
            leave(0);
        }
        say(&format!("clone {name}"), cloned);
    }
}

fn in_child(attempt: impl FnOnce() -> Result<c_long, Errno>) -> Result<c_long, Errno> {
    // SAFETY: this program has one thread, so the child finds nothing half done.
    match unsafe { nix::unistd::fork() }.expect("a child") {
        nix::unistd::ForkResult::Child => leave(attempt().err().map_or(0, |errno| errno as i32)),
        nix::unistd::ForkResult::Parent { child } => match nix::sys::wait::waitpid(child, None) {
            Ok(nix::sys::wait::WaitStatus::Exited(_, 0)) => Ok(0),
            Ok(nix::sys::wait::WaitStatus::Exited(_, code)) => Err(Errno::from_raw(code)),
            other => panic!("{other:?}"),
        },
    }
}

fn leave(status: i32) -> ! {
    // SAFETY: it ends this process, without the buffers of the standard library, which are the parent's.
    unsafe { libc::_exit(status) }
}

#[cfg(target_arch = "x86_64")]
fn architecture() {
    let result: i32;
    // SAFETY: int 0x80 is the call of 32-bit programs; 20 is getpid there, which reads and writes no memory.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("eax") 20 => result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    println!("architecture: {result}");
}

#[cfg(not(target_arch = "x86_64"))]
fn architecture() {
    println!("architecture: there is no other");
}

/// Looks for descriptors of processes that are not this one's own.
fn lock() {
    let mine = std::fs::read_dir("/proc/self/fd").expect("its own descriptors");
    // One is the directory that is being read.
    println!("own: {}", mine.count() - 1);
    for path in ["/proc/1/fd", "/proc/1/environ", "/proc/1/cmdline", "/proc/1/root", "/proc/1/cwd", "/proc/1/mem"] {
        let there = std::fs::metadata(path);
        println!("{path}: {}", there.err().map_or_else(|| "there".to_owned(), |error| error.kind().to_string()));
    }
    let pidfd = call(libc::SYS_pidfd_open, [1, 0, 0, 0, 0, 0]);
    say("pidfd_open of the first process", pidfd);
    let taken = (0..64).filter(|fd| call(438, [pidfd.unwrap_or(NONE), *fd, 0, 0, 0, 0]).is_ok()).count();
    println!("descriptors taken: {taken}");
    say("kill the first process", call(libc::SYS_kill, [1, 9, 0, 0, 0, 0]));
    say("stop the first process", call(libc::SYS_kill, [1, 19, 0, 0, 0, 0]));
    println!("still here");
}

fn forks() {
    let mut count = 0;
    let refused = loop {
        // SAFETY: as above.
        match unsafe { nix::unistd::fork() } {
            Ok(nix::unistd::ForkResult::Child) => loop {
                nix::unistd::pause();
            },
            Ok(nix::unistd::ForkResult::Parent { .. }) => count += 1,
            Err(errno) => break errno,
        }
        if count >= 5000 {
            break Errno::from_raw(0);
        }
    };
    println!("forks: {count} {refused:?}");
}

fn memory() {
    const MIB: usize = 1024 * 1024;
    let mut held: Vec<Vec<u8>> = Vec::new();
    // What the kernel has killed says nothing: the number stands there before.
    while held.len() < 8192 {
        let mut more = Vec::new();
        if more.try_reserve_exact(MIB).is_err() {
            println!("memory: refused at {}", held.len());
            return;
        }
        more.resize(MIB, 1);
        held.push(more);
        if held.len().is_multiple_of(64) {
            println!("memory: {}", held.len());
        }
    }
    println!("memory: no limit");
}

fn print(bytes: usize) {
    let mut out = std::io::stdout().lock();
    let line = [b'x'; 1024];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(line.len());
        out.write_all(&line[..count]).expect("standard output takes it");
        left -= count;
    }
}

fn wait() {
    // SAFETY: to ignore a signal runs no code of ours.
    unsafe { nix::sys::signal::signal(nix::sys::signal::SIGTERM, nix::sys::signal::SigHandler::SigIgn) }
        .expect("a signal can be ignored");
    println!("waiting");
    loop {
        nix::unistd::pause();
    }
}
