//! What the probe says of this very machine, against what a sandbox then does.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use nc_sandbox::probe::{Report, State, probe};
use nc_sandbox::{How, Identity, Limits, Mount, Sandbox, Spec, Streams, end_orphans, start, wait_until_gone};

fn identity() -> Identity {
    let place = tempfile::tempdir().expect("a directory");
    Identity::for_installation(place.path()).expect("an identity")
}

fn spec(name: &str, command: &[&str], mounts: Vec<Mount>) -> Spec {
    Spec {
        name: name.to_owned(),
        identity: identity(),
        mounts,
        env: vec![("PATH".to_owned(), "/usr/bin".into())],
        limits: Limits::default(),
        workdir: "/tmp".into(),
        command: command.iter().map(Into::into).collect(),
    }
}

fn begin(name: &str, command: &[&str], mounts: Vec<Mount>) -> Sandbox {
    let streams = Streams { stdin: Stdio::null(), stdout: Stdio::piped(), stderr: Stdio::piped() };
    let lock = tempfile::tempfile().expect("a lock");
    start(&spec(name, command, mounts), streams, lock.into()).expect("the sandbox starts")
}

fn report() -> Report {
    probe(identity())
}

#[test]
fn the_probe_and_a_sandbox_agree() {
    let report = report();
    let names: Vec<_> = report.findings.iter().map(|finding| finding.name).collect();
    assert_eq!(names, ["bubblewrap", "namespaces", "limits", "seccomp"], "{report:?}");
    assert!(report.works(), "{report:?}");
    for finding in &report.findings {
        assert_eq!(finding.remedy.is_some(), finding.state != State::Good, "{finding:?}");
    }
    let sandbox = begin("agree", &["true"], Vec::new());
    assert_eq!(sandbox.enforcement(), report.enforcement);
    assert_eq!(sandbox.wait().expect("it ends").how, How::Exited(0));
}

#[test]
fn an_end_has_its_words() {
    let ends = [
        (vec!["sh", "-c", "exit 5"], How::Exited(5)),
        (vec!["sh", "-c", "kill -SEGV $$"], How::Signalled(11)),
        (vec!["sh", "-c", "sleep 1000 & exit 0"], How::Exited(0)),
    ];
    for (command, how) in ends {
        let sandbox = begin("words", &command, Vec::new());
        // A command that ends at once may be gone before its sandbox has a name.
        let id = sandbox.id().map(str::to_owned);
        assert_eq!(sandbox.wait().expect("it ends").how, how, "{command:?}");
        let gone = id.is_none_or(|id| wait_until_gone(&id, Duration::ZERO).expect("the system says"));
        assert!(gone, "something of {command:?} is left");
    }
}

#[test]
fn a_sandbox_is_killed_with_everything_in_it_also_when_it_is_dropped() {
    for drop_it in [false, true] {
        let mut sandbox = begin("killed", &["sh", "-c", "sleep 1000 & echo ready; sleep 1000"], Vec::new());
        let mut ready = [0; 6];
        sandbox.take_stdout().expect("a pipe").read_exact(&mut ready).expect("it is ready");
        let id = sandbox.id().expect("it has a name").to_owned();
        assert!(
            !wait_until_gone(&id, Duration::ZERO).expect("the system says") && !sandbox.has_ended().expect("it says")
        );
        if drop_it {
            drop(sandbox);
        } else {
            sandbox.kill().expect("it is killed");
            assert_eq!(sandbox.wait().expect("it ends").how, How::Signalled(9));
        }
        assert!(wait_until_gone(&id, Duration::ZERO).expect("the system says"), "everything is gone");
    }
}

#[test]
fn a_mount_that_is_not_there_is_said() {
    if nix::unistd::geteuid().is_root() {
        println!("skipped: root finds it before bubblewrap does");
        return;
    }
    let mut sandbox = begin("missing", &["true"], vec![Mount::read_only("/nowhere", "/nowhere")]);
    let mut said = String::new();
    sandbox.take_stderr().expect("a pipe").read_to_string(&mut said).expect("it says why");
    assert_eq!(sandbox.wait().expect("it ends").how, How::NotBuilt);
    assert!(said.contains("/nowhere"), "{said}");
}

#[test]
fn the_lock_is_held_while_a_process_lives_and_no_longer() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("lock");
    let lock = File::create(&path).expect("a lock");
    lock.try_lock().expect("it is free");
    let spec = spec("lock", &["sleep", "1000"], Vec::new());
    let streams = Streams { stdin: Stdio::null(), stdout: Stdio::null(), stderr: Stdio::null() };
    let sandbox = start(&spec, streams, lock.into()).expect("the sandbox starts");
    let other = File::open(&path).expect("the lock");
    assert!(other.try_lock().is_err(), "our own descriptor is closed, and the sandbox has its copy");
    sandbox.kill().expect("it is killed");
    sandbox.wait().expect("it ends");
    other.try_lock().expect("it is free again");
}

/// Starts bubblewrap so that nothing ties it to anybody, kills its outer process, and returns the lock that the inner one keeps.
fn orphan(path: &Path) -> File {
    let lock = File::create(path).expect("a lock");
    lock.try_lock().expect("it is free");
    let mut bubblewrap = Command::new("bwrap");
    bubblewrap.args(["--unshare-user", "--unshare-pid", "--dev-bind", "/", "/", "--sync-fd", "10", "--"]);
    bubblewrap.args(["sh", "-c", "echo ready; exec sleep 1000"]).stdout(Stdio::piped());
    bubblewrap.fd_mappings(vec![FdMapping { parent_fd: lock.into(), child_fd: 10 }]).expect("it gets its number");
    let mut outer = bubblewrap.spawn().expect("bubblewrap starts");
    drop(bubblewrap);
    outer.stdout.take().expect("a pipe").read_exact(&mut [0; 6]).expect("it is ready");
    outer.kill().expect("it is killed");
    outer.wait().expect("it is gone");
    File::open(path).expect("the lock")
}

#[test]
fn a_sandbox_without_a_runner_is_ended_and_one_with_a_runner_is_not() {
    let place = tempfile::tempdir().expect("a directory");
    let left = orphan(&place.path().join("left"));
    assert!(left.try_lock().is_err(), "what is left of it keeps the lock");
    let other = File::create(place.path().join("other")).expect("another lock");
    assert!(!end_orphans(&other).expect("a look"), "it is not the one that has this lock");
    assert!(left.try_lock().is_err());
    assert!(end_orphans(&left).expect("it is ended"));
    left.try_lock().expect("the lock is free");
    assert!(!end_orphans(&left).expect("a look"), "there is nothing more");

    let path = place.path().join("lives");
    let lock = File::create(&path).expect("a lock");
    lock.try_lock().expect("it is free");
    let streams = Streams { stdin: Stdio::null(), stdout: Stdio::null(), stderr: Stdio::null() };
    let sandbox =
        start(&spec("lives", &["sleep", "1000"], Vec::new()), streams, lock.into()).expect("the sandbox starts");
    assert!(!end_orphans(&File::open(&path).expect("the lock")).expect("a look"), "we are its runner");
    assert!(!sandbox.has_ended().expect("the system says"));
}
