//! What systemd and the daemon say to each other: sockets, readiness, watchdog, signals, exit statuses.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use support::{Place, Running, rings};

fn copy(bell: &UnixDatagram) -> OwnedFd {
    bell.try_clone().expect("a socket is copied").into()
}

#[test]
fn takes_a_passed_bell_hears_it_and_stops_when_told() {
    let place = Place::new();
    let bell = place.bell();
    let running = Running::start(place.activated(vec![copy(&bell)]));
    assert_eq!(place.heard(), "READY=1");
    assert_eq!(place.heard(), "STATUS=took 0");
    nc_daemon::ring(&place.path("sock"));
    assert_eq!(place.heard(), "STATUS=took 0");
    running.send(Signal::SIGTERM);
    place.heard_until("STOPPING=1");
    let (status, said) = running.end();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    assert_eq!(place.lines("log"), ["Doorbell", "Stop"]);
    assert!(place.path("sock").exists(), "a bell that was passed stays");
}

#[test]
fn a_passed_socket_that_blocks_is_made_not_to() {
    let place = Place::new();
    let bell = place.bell();
    let blocks = |socket: &UnixDatagram| {
        let flags = fcntl(socket, FcntlArg::F_GETFL).expect("flags are read");
        !OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK)
    };
    assert!(blocks(&bell));
    let _running = Running::start(place.activated(vec![copy(&bell)]));
    place.heard_until("READY=1");
    assert!(!blocks(&bell));
}

#[test]
fn a_socket_meant_for_another_process_is_left_alone() {
    let place = Place::new();
    let elsewhere = UnixDatagram::bind(place.path("elsewhere")).expect("a socket is bound");
    let mut command = place.command();
    support::pass(&mut command, vec![copy(&elsewhere)]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    nc_daemon::ring(&place.path("elsewhere"));
    let running = Running::start(command);
    place.heard_until("READY=1");
    assert!(rings(&elsewhere), "it was not drained");
    nc_daemon::ring(&place.path("sock"));
    place.heard_until("STATUS=took 0");
    running.send(Signal::SIGINT);
    assert_eq!(running.end().0.code(), Some(0));
    assert!(!place.path("sock").exists(), "its own bell goes with it");
}

#[test]
fn descriptors_that_are_not_there_are_survived() {
    let place = Place::new();
    let mut command = place.activated(Vec::new());
    command.env("LISTEN_FDS", "3");
    let running = Running::start(command);
    place.heard_until("READY=1");
    running.send(Signal::SIGTERM);
    assert_eq!(running.end().0.code(), Some(0));
}

#[test]
fn rings_from_before_the_start_are_drained_first_thing() {
    let place = Place::new();
    let bell = place.bell();
    for _ in 0..5 {
        nc_daemon::ring(&place.path("sock"));
    }
    let running = Running::start(place.activated(vec![copy(&bell)]));
    place.heard_until("STATUS=took 0");
    running.send(Signal::SIGTERM);
    running.end();
    assert_eq!(place.lines("log"), ["Stop"], "the first pass has seen what they were about");
}

#[test]
fn a_failure_says_why_once_drains_the_bell_and_has_its_status() {
    let cases = [("1", "given up"), ("75", "a later start may succeed"), ("78", "a person must look")];
    for (status, consequence) in cases {
        let place = Place::new();
        place.set("fails", status);
        let bell = place.bell();
        nc_daemon::ring(&place.path("sock"));
        let running = Running::start(place.activated(vec![copy(&bell)]));
        place.heard_until("STOPPING=1\nSTATUS=open the store: the disk is away");
        let (ended, said) = running.end();
        assert_eq!(ended.code().map(|code| code.to_string()).as_deref(), Some(status));
        assert!(said.contains("ERROR open the store: the disk is away; ") && said.contains(consequence), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!rings(&bell), "an unread ring would start it again at once ({status})");
    }
}

#[test]
fn files_are_its_own_unless_the_unit_says_otherwise() {
    let mode = |place: &Place| {
        let starts = std::fs::metadata(place.path("starts")).expect("it was started");
        std::os::unix::fs::PermissionsExt::mode(&starts.permissions()) & 0o777
    };
    let (by_hand, by_unit) = (Place::new(), Place::new());
    let _running = [Running::start(by_hand.command()), Running::start(by_unit.activated(Vec::new()))];
    by_hand.heard_until("READY=1");
    by_unit.heard_until("READY=1");
    assert_eq!((mode(&by_hand), mode(&by_unit)), (0o600, 0o660));
}

#[test]
fn a_closed_standard_error_changes_no_exit_status() {
    let place = Place::new();
    place.set("fails", "75");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = place.command();
    command.stderr(writer);
    assert_eq!(Running::start(command).status().code(), Some(75));
}

#[test]
fn a_socket_that_listens_is_not_taken_for_a_connection() {
    let place = Place::new();
    let door = std::os::unix::net::UnixListener::bind(place.path("door")).expect("a door is bound");
    let running = Running::start(place.activated(vec![door.into()]));
    place.heard_until("READY=1");
    running.send(Signal::SIGTERM);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0));
    assert!(said.contains("WARN was given a socket that it has no use for; closed"), "{said}");
}

#[test]
fn gives_its_sign_of_life_while_it_waits() {
    let place = Place::new();
    let mut command = place.command();
    // Half of it is the beat; no test waits for seconds.
    command.env("WATCHDOG_USEC", "20000");
    let _running = Running::start(command);
    for _ in 0..3 {
        place.heard_until("WATCHDOG=1");
    }
}

#[test]
fn gives_no_sign_of_life_that_another_process_was_asked_for() {
    let place = Place::new();
    let mut command = place.command();
    command.env("WATCHDOG_USEC", "1").env("WATCHDOG_PID", "1");
    let running = Running::start(command);
    let mut heard = place.heard_until("STATUS=took 0");
    nc_daemon::ring(&place.path("sock"));
    heard.extend(place.heard_until("STATUS=took 0"));
    running.send(Signal::SIGTERM);
    heard.extend(place.heard_until("STOPPING=1"));
    assert_eq!(heard, ["READY=1"]);
}

#[test]
fn a_hangup_asks_to_read_the_configuration_again() {
    let place = Place::new();
    let running = Running::start(place.command());
    place.heard_until("STATUS=took 0");
    running.send(Signal::SIGHUP);
    let reloading = place.heard();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!([place.heard(), place.heard()], ["STATUS=took 0", "READY=1"], "ready once it was read");
    running.send(Signal::SIGTERM);
    running.end();
    assert_eq!(place.lines("log"), ["Reload", "Stop"]);
}

#[test]
fn a_second_program_finds_the_lock_held_and_says_by_whom() {
    let place = Place::new();
    let first = Running::start(place.command());
    place.heard_until("READY=1");
    let (status, said) = Running::start(place.command()).end();
    assert_eq!(status.code(), Some(75));
    assert!(said.contains(&format!("is held by process {}", first.pid())), "{said}");
}

#[test]
fn notifies_over_an_abstract_socket_and_over_a_long_path() {
    use std::os::linux::net::SocketAddrExt as _;
    let place = Place::new();
    let name = format!("nc-daemon-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
    let abstract_socket = UnixDatagram::bind_addr(&address).expect("a socket is bound");
    let deep = place.path("d".repeat(150).as_str());
    std::fs::create_dir(&deep).expect("a directory is made");
    std::os::unix::fs::symlink(&deep, place.path("near")).expect("a short way to it");
    let deep_socket = UnixDatagram::bind(place.path("near").join("n")).expect("a socket is bound");
    for (socket, path) in [(abstract_socket, format!("@{name}")), (deep_socket, deep.join("n").display().to_string())] {
        socket.set_read_timeout(Some(support::PATIENCE)).expect("a timeout is set");
        let running = Running::start({
            let mut command = place.command();
            command.env("NOTIFY_SOCKET", path);
            command
        });
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).expect("it notifies");
        assert_eq!(buffer[..length].trim_ascii_end(), b"READY=1");
        drop(running);
    }
}
