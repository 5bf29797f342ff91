//! Who lives below a process, and the end of all of them.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::deadline::{PATIENCE, wait_until};

/// One process that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its name as the kernel keeps it: the first 15 bytes.
    pub name: String,
    /// When it started, in ticks since the boot: with the number it names a process for good.
    started: u64,
}

/// Returns all processes that live, but for those that have ended and wait to be noticed.
#[must_use]
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Returns the processes below `ancestor`, itself not among them, each before its children.
#[must_use]
pub fn below(ancestor: i32) -> Vec<Process> {
    let mut others = all();
    others.retain(|process| process.pid != ancestor);
    let (mut found, mut parent, mut next) = (Vec::<Process>::new(), ancestor, 0);
    loop {
        found.extend(others.extract_if(.., |process| process.parent == parent));
        let Some(process) = found.get(next) else { return found };
        (parent, next) = (process.pid, next + 1);
    }
}

/// Whether `process` is still the one that it was, and alive.
#[must_use]
pub fn lives(process: &Process) -> bool {
    read(process.pid).is_some_and(|now| now.started == process.started)
}

/// Sends a signal to `pid`; one that is gone is no error.
pub fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).ok();
}

/// Kills `ancestor` and everything below it, and returns when all are gone. Parents go before their children: none lives
/// to see a child's end, and to clean up after it or start another.
///
/// # Panics
/// Where something is still there after a while.
pub fn kill_all(ancestor: i32) {
    let mut family: Vec<_> = read(ancestor).into_iter().chain(below(ancestor)).collect();
    wait_until(PATIENCE, "everything that was started is gone", || {
        // Who is killed in the middle of a start leaves a child that was not seen before.
        let more: Vec<_> = family.iter().flat_map(|process| below(process.pid)).collect();
        family.extend(more);
        family.retain(lives);
        for process in &family {
            send(process.pid, Signal::SIGKILL);
        }
        family.is_empty()
    });
}

/// Every process that has `variable` (`NAME=VALUE`) in its environment.
#[must_use]
pub fn all_with(variable: &str) -> Vec<Process> {
    let has = |process: &Process| {
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|one| one == variable.as_bytes())
    };
    all().into_iter().filter(has).collect()
}

/// Kills every process that has `variable` (`NAME=VALUE`) in its environment and everything below it, and returns when
/// all are gone.
///
/// # Panics
/// Where something is still there after a while.
pub fn kill_all_with(variable: &str) {
    for process in all_with(variable) {
        kill_all(process.pid);
    }
}

fn read(pid: i32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc_pid_stat(5): `pid (name) state parent …`, the name with any character in it.
    let (head, tail) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    Some(Process { pid, parent: fields.get(1)?.parse().ok()?, name, started: fields.get(19)?.parse().ok()? })
}
