//! The filters alone, on a process that has every capability: what is refused there, the filters refuse. The same calls are
//! made without them first, and none may be refused then.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use command_fds::{CommandFdExt, FdMapping};
use nc_sandbox::seccomp::{NAMESPACES, REFUSED, TERMINAL, filters};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Runs the probe as root with every capability that the test has, in the host's namespaces.
fn probe(what: &str, filtered: bool) -> Output {
    let mut bubblewrap = Command::new("bwrap");
    bubblewrap.args(["--dev-bind", "/", "/", "--cap-add", "ALL"]);
    if filtered {
        let files = (10..).zip(filters().expect("filters for this processor"));
        let files: Vec<FdMapping> =
            files.map(|(child_fd, filter)| FdMapping { parent_fd: file(&filter), child_fd }).collect();
        for file in &files {
            bubblewrap.args(["--add-seccomp-fd", &file.child_fd.to_string()]);
        }
        bubblewrap.fd_mappings(files).expect("each descriptor has its number");
    }
    bubblewrap.arg("--").arg(nc_testkit::example("nc-testkit", "probe")).arg(what);
    bubblewrap.output().expect("bubblewrap starts")
}

fn file(bytes: &[u8]) -> OwnedFd {
    let mut file = File::from(memfd_create("filter", MFdFlags::MFD_CLOEXEC).expect("a file in memory"));
    file.write_all(bytes).expect("it takes the filter");
    file.rewind().expect("it goes back to its beginning");
    file.into()
}

/// What the probe said of each call.
fn answers(filtered: bool) -> BTreeMap<String, String> {
    let output = probe("calls", filtered);
    let said = String::from_utf8(output.stdout).expect("the probe writes text");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.lines().filter_map(|line| line.rsplit_once(": ")).map(|(name, answer)| (name.into(), answer.into())).collect()
}

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!(
            "skipped: without capabilities the kernel refuses most of these calls by itself; run the test as root"
        );
    }
    root
}

#[test]
fn every_call_is_refused_by_the_filters_and_by_nothing_else() {
    if !is_root() {
        return;
    }
    let (free, held) = (answers(false), answers(true));
    for (name, answer) in &free {
        assert_ne!(
            answer, "EPERM",
            "{name} is refused without the filters: this machine cannot prove anything about it"
        );
        let expected = match name.as_str() {
            "clone3" => "ENOSYS",
            name if name.starts_with("allowed: ") => "ok",
            _ => "EPERM",
        };
        assert_eq!(held.get(name).map(String::as_str), Some(expected), "{name}, {answer} without the filters");
    }
}

#[test]
fn the_probe_tries_everything_that_the_filters_name() {
    let tried = answers(false);
    let named = REFUSED.iter().map(|(name, _)| (*name).to_owned());
    let spaces = NAMESPACES.iter().flat_map(|(name, _)| [format!("unshare {name}"), format!("clone {name}")]);
    let terminal = TERMINAL.iter().map(|(name, _)| (*name).to_owned());
    let others = ["unshare time", "clone3", "socket vsock", "socketpair vsock"].map(str::to_owned);
    for name in named.chain(spaces).chain(terminal).chain(others) {
        assert!(tried.contains_key(&name), "nobody tries {name}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_call_of_another_architecture_ends_the_process() {
    const SIGSYS: i32 = 31;
    let free = probe("architecture", false);
    if !free.status.success() {
        println!("skipped: this kernel runs no 32-bit programs: {:?}", free.status);
        return;
    }
    let held = probe("architecture", true);
    let ended = held.status.signal().or_else(|| held.status.code().map(|code| code - 128));
    assert_eq!(ended, Some(SIGSYS), "{:?} {}", held.status, String::from_utf8_lossy(&held.stdout));
}
