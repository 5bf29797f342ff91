//! Processes of the host, and the first one of a sandbox, which holds what no agent may have.

use std::fs;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::kernel::{NOWHERE, call};
use super::{Answer, Reached, Refused, Targets};

/// What of a process leads out of a sandbox, or shows what is the runner's.
const OF_A_PROCESS: &[&str] = &["environ", "cmdline", "root", "cwd", "fd", "mem", "maps"];

/// How many of a process's descriptors are tried for.
const DESCRIPTORS: i64 = 64;

/// `ptrace` with this does not stop the process.
const PTRACE_SEIZE: i64 = 0x4206;

/// The numbers of all processes that are seen but our own.
pub(super) fn all() -> impl Iterator<Item = u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| *pid != std::process::id())
}

pub(super) fn first_in_proc(targets: &Targets) -> Answer {
    let path = |name: &str| format!("/proc/{}/{name}", targets.first);
    let there = OF_A_PROCESS.iter().map(|name| path(name)).filter(|path| fs::metadata(path).is_ok());
    Answer::of_many(&there.collect::<Vec<_>>(), OF_A_PROCESS.len(), "files", "they are not there")
}

pub(super) fn descriptors(targets: &Targets) -> Answer {
    let pidfd = match call(libc::SYS_pidfd_open, [targets.first.into(), 0, 0, 0, 0, 0]) {
        Ok(pidfd) => pidfd,
        Err(errno) => return Refused(format!("pidfd_open: {errno}")),
    };
    let take = |number: i64| call(libc::SYS_pidfd_getfd, [pidfd, number, 0, 0, 0, 0]);
    match (0..DESCRIPTORS).map(take).find(Result::is_ok) {
        Some(_) => Reached("a descriptor was taken".to_owned()),
        None => Refused(take(0).map_or_else(|errno| format!("pidfd_getfd: {errno}"), |_| String::new())),
    }
}

pub(super) fn memory(targets: &Targets) -> Answer {
    // The kernel looks at the addresses only where it grants the call.
    let read = call(libc::SYS_process_vm_readv, [targets.first.into(), NOWHERE, 1, NOWHERE, 1, 0]);
    if matches!(read, Ok(_) | Err(Errno::EFAULT)) {
        return Reached("process_vm_readv is granted".to_owned());
    }
    let file = format!("/proc/{}/mem", targets.first);
    match fs::File::open(&file) {
        Ok(_) => Reached(format!("{file} can be opened")),
        Err(error) => Refused(format!("process_vm_readv: {}; {file}: {error}", read.err().unwrap_or(Errno::EFAULT))),
    }
}

pub(super) fn trace(targets: &Targets) -> Answer {
    match call(libc::SYS_ptrace, [PTRACE_SEIZE, targets.first.into(), 0, 0, 0, 0]) {
        Ok(_) => Reached("it is traced".to_owned()),
        Err(errno) => Answer::refused(errno),
    }
}

pub(super) fn environments(targets: &Targets) -> Answer {
    let mut seen = 0;
    for pid in all() {
        seen += 1;
        for name in ["environ", "cmdline"] {
            let text = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(&targets.mark) {
                return Reached(format!("the {name} of process {pid} was read"));
            }
        }
    }
    Refused(format!("{seen} other processes are seen, and none of them is the host's"))
}

/// A process of the host that gets the signal ends by it; whoever started it sees that, whatever this says.
pub(super) fn signal(targets: &Targets) -> Answer {
    match kill(Pid::from_raw(targets.process), Signal::SIGUSR1) {
        Ok(()) => Reached(format!("process {} was signalled", targets.process)),
        Err(errno) => Answer::refused(errno),
    }
}

/// Privileges that the process has, or that a program with a set-uid bit would give it.
pub(super) fn privileges(_: &Targets) -> Answer {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let expected = |name: &str| match name {
        "NoNewPrivs:" => "1",
        "Seccomp:" => "2",
        _ => "0000000000000000",
    };
    let names = ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:"];
    let wrong = names.iter().filter(|name| field(name) != Some(expected(name)));
    let wrong: Vec<_> = wrong.map(|name| format!("{name} {}", field(name).unwrap_or("unknown"))).collect();
    Answer::of_many(&wrong, names.len(), "fields", "no capability, no_new_privs, filtered")
}
