//! The harness itself: it starts the real programs, as root and as an ordinary user, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nc_testkit::{Signal, Toolkit, processes};

/// Nobody's user on any machine: between the system's and people's.
const USER: u32 = 54_321;

#[test]
fn an_installation_runs_is_killed_and_leaves_nothing() {
    let mut kit = Toolkit::new();
    let dir = kit.dir();
    kit.ctl_ok(["group", "add", "Main", "--main"]);
    kit.up();
    let (up, router) = (kit.up_ref().pid(), kit.process("nc-router"));
    kit.kill("nc-router", Signal::SIGKILL);
    assert_ne!(kit.process("nc-router").pid, router.pid);
    assert!(!processes::below(up).is_empty());
    drop(kit);
    assert!(!dir.exists());
    assert!(processes::all().iter().all(|process| process.pid != up));
}

#[test]
fn up_that_was_told_to_stop_can_be_started_again() {
    let mut kit = Toolkit::new();
    for _ in 0..2 {
        kit.up();
        assert_eq!(kit.stop(Signal::SIGTERM), Some(0), "{}", kit.log());
    }
}

#[test]
fn an_ordinary_user_has_an_installation_of_his_own() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("a second user: the test does not run as root");
    }
    let mut kit = Toolkit::as_user(USER);
    kit.ctl_ok(["group", "add", "Main", "--main"]);
    kit.up();
    let router = kit.process("nc-router");
    let owner = |path: &str| fs::metadata(path).expect("it is there").uid();
    assert_eq!(owner(&format!("/proc/{}", router.pid)), USER);
    assert_eq!(fs::metadata(kit.installation().store_file()).expect("it is there").uid(), USER);
    assert_eq!(kit.stop(Signal::SIGTERM), Some(0));
}

fn skipped(what: &str) {
    println!("skipped: {what}");
}
