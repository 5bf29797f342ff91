//! What one program hands to another arrives whole, lies nowhere else, and is taken once.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Output, Stdio};

use nc_daemon::Handover;

const VARIABLE: &str = "NC_HANDOVER";
const SECRET: &[u8] = b"hunter2\0\xff";

/// Starts the test `name` of this file in a process of its own, which prints what it has to say on standard error.
fn play(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
    command.args([name, "--exact", "--ignored", "--nocapture"]).env_remove(VARIABLE);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The descriptors that we have and that are no file of the test's own making.
fn memory_files() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("our descriptors").flatten();
    open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().contains("memfd:"))).count()
}

#[test]
#[ignore = "played by the other tests"]
fn takes() {
    let environment: Vec<u8> = std::fs::read("/proc/self/environ").expect("our environment");
    assert!(!environment.windows(7).any(|part| part == b"hunter2"), "it lies in the environment");
    assert_eq!(memory_files(), 1);
    let taken = nc_daemon::handed_over().expect("something was handed over").expect("it was");
    assert_eq!(taken.as_slice(), SECRET);
    assert_eq!(memory_files(), 0, "it stays open");
    assert!(!nix::sys::prctl::get_dumpable().expect("a flag"), "others may look at it");
    assert!(nc_daemon::handed_over().is_err(), "it is taken twice");
    eprintln!("taken");
}

#[test]
#[ignore = "played by the other tests"]
fn complains() {
    eprintln!("{:?}", nc_daemon::handed_over().map(|bytes| bytes.is_some()).map_err(|error| error.to_string()));
}

#[test]
fn what_is_handed_over_arrives_in_every_child_at_once() {
    let handover = Handover::new(SECRET).expect("memory");
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = play("takes");
            handover.pass(&mut command).expect("passed");
            command.spawn().expect("a child starts")
        })
        .collect();
    for child in children {
        assert!(said(&child.wait_with_output().expect("it ends")).contains("taken"));
    }
    // Whoever is not given it has nothing.
    assert!(said(&play("complains").output().expect("it ends")).contains("Ok(false)"));
}

#[test]
fn what_is_no_handover_is_refused_in_a_sentence() {
    let other = File::open("/dev/null").expect("a file");
    for wrong in ["", "x", "-1", "0", "2", "999", "3x", &other.as_raw_fd().to_string()] {
        let output = play("complains").env(VARIABLE, wrong).output().expect("it ends");
        let said = said(&output);
        assert!(said.contains("names no descriptor that nanoclawctl passes"), "{wrong:?}: {said}");
    }
}

#[test]
fn nobody_changes_what_is_handed_over_and_there_is_a_limit() {
    let handover = Handover::new(b"short").expect("memory");
    let link = std::fs::read_dir("/proc/self/fd").expect("our descriptors").flatten().map(|fd| fd.path());
    let mut ours = link.filter(|fd| std::fs::read_link(fd).is_ok_and(|to| to.to_string_lossy().contains("handover")));
    let path = ours.next().expect("it is open");
    assert!(std::fs::write(&path, b"other").is_err(), "it was changed");
    assert!(Handover::new(&vec![0; 1024 * 1024 + 1]).is_err());
    drop(handover);
}
