//! Being a child of a supervisor that is no init system.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use nc_daemon::holder::HeldBell;
use nix::sys::signal::Signal;
use nix::unistd::getpid;
use support::{Place, Running, wait_until};

#[test]
fn ends_in_order_when_its_supervisor_is_killed() {
    let place = Place::new();
    let mut supervisor = place.command();
    let program = supervisor.get_program().to_owned();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"NC_SUPERVISOR=$$ "$0" & wait"#]).arg(program);
    shell.envs(supervisor.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running::start(shell);
    place.heard_until("STATUS=took 0");
    running.send(Signal::SIGKILL);
    place.heard_until("STOPPING=1");
    wait_until("it was told to stop", || place.lines("log") == ["Stop"]);
    supervisor.env("NC_SUPERVISOR", getpid().to_string());
    let next = Running::start(supervisor);
    place.heard_until("READY=1");
    next.send(Signal::SIGTERM);
    assert_eq!(next.end().0.code(), Some(0));
}

#[test]
fn does_nothing_where_its_supervisor_is_gone_already() {
    let place = Place::new();
    let mut command = place.command();
    // The parent is this test.
    command.env("NC_SUPERVISOR", "1");
    let (status, _) = Running::start(command).end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(place.lines("starts"), [""; 0]);
}

#[test]
fn takes_the_bell_of_a_supervisor_that_cannot_know_its_process_id() {
    let place = Place::new();
    let bell = HeldBell::bind(&place.path("sock")).expect("a bell is bound");
    let mut command = place.command();
    nc_daemon::holder::supervise(&mut command);
    bell.pass(&mut command).expect("a bell is passed");
    let running = Running::start(command);
    place.heard_until("STATUS=took 0");
    nc_daemon::ring(&place.path("sock"));
    place.heard_until("STATUS=took 0");
    running.send(Signal::SIGTERM);
    assert_eq!(running.end().0.code(), Some(0));
    assert_eq!(place.lines("log"), ["Doorbell", "Stop"]);
}

#[test]
fn never_idles_under_a_supervisor_or_with_a_bell_of_its_own() {
    for supervised in [true, false] {
        let place = Place::new();
        place.set("idles", "1");
        let bell = HeldBell::bind(&place.path("other.sock")).expect("a bell is bound");
        let mut command = place.command();
        if supervised {
            nc_daemon::holder::supervise(&mut command);
            bell.pass(&mut command).expect("a bell is passed");
        }
        // A beat shows that more time has passed than it might idle.
        command.env("WATCHDOG_USEC", "40000");
        let running = Running::start(command);
        for _ in 0..3 {
            place.heard_until("WATCHDOG=1");
        }
        running.send(Signal::SIGTERM);
        running.end();
        assert_eq!(place.lines("log"), ["Stop"], "supervised: {supervised}");
    }
}

#[test]
fn a_connection_as_standard_input_is_served_and_closed_with_the_program() {
    for passed in [false, true] {
        let place = Place::new();
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let command = if passed {
            place.activated(vec![theirs.into()])
        } else {
            let mut command = place.command();
            command.stdin(Stdio::from(OwnedFd::from(theirs)));
            command
        };
        // The command holds a copy of the connection until it is dropped, and `start` drops it.
        let running = Running::start(command);
        let mut lines = BufReader::new(ours).lines().map(|line| line.expect("a line is read"));
        assert!(lines.next().is_some_and(|line| line.starts_with("started ")), "passed: {passed}");
        running.send(Signal::SIGTERM);
        assert_eq!(lines.next().as_deref(), Some("ended"));
        assert_eq!(lines.next(), None, "nobody else holds the connection");
        assert_eq!(running.end().0.code(), Some(0));
    }
}
