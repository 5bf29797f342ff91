//! `nanoclawctl up` with stand-ins for its programs: who is started, how, when again, and how all of it ends.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nc_config::Doorbell;
use nc_testkit::{PATIENCE, Signal, Toolkit, example, finish, processes, wait_until};
use tempfile::TempDir;

/// An installation whose programs are stand-ins.
struct House {
    kit: Toolkit,
    _programs: TempDir,
}

const PROGRAMS: &[&str] = &["nc-router", "nc-ipcd", "nc-runner"];

impl House {
    fn new() -> Self {
        let programs = tempfile::tempdir().expect("a temporary directory");
        let place = |from: &Path, name: &str| {
            let to = programs.path().join(name);
            // Linked where that is possible: an executable that was just written may still be busy.
            if fs::hard_link(from, &to).is_err() {
                fs::copy(from, &to).expect("a program is copied");
            }
        };
        place(Path::new(env!("CARGO_BIN_EXE_nanoclawctl")), "nanoclawctl");
        for name in PROGRAMS {
            place(&example("nc-daemon", "stand-in"), name);
        }
        let mut kit = Toolkit::with_programs(programs.path());
        kit.set("max_runs=1");
        Self { kit, _programs: programs }
    }

    fn up() -> Self {
        let mut house = Self::new();
        house.kit.up();
        house
    }

    fn set(&self, file: &str, text: &str) {
        fs::write(self.kit.dir().join(file), text).expect("a file is written");
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.kit.dir().join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Rings a program until it has heard it: one that is just starting drains its bell first thing.
    fn ring(&self, name: &str, bell: Doorbell<'_>) {
        let log = format!("{name}.log");
        let before = self.lines(&log).len();
        let path = self.kit.installation().doorbell(bell);
        wait_until(PATIENCE, &format!("{name} hears its bell"), || {
            nc_daemon::ring(&path);
            self.lines(&log).len() > before
        });
    }

    /// Asks for a run; its line, empty where the connection was closed without one.
    fn connect(&self) -> (BufReader<UnixStream>, String) {
        let path = self.kit.installation().runner_socket();
        let mut connection = BufReader::new(UnixStream::connect(path).expect("it connects"));
        connection.get_ref().set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        let mut line = String::new();
        connection.read_line(&mut line).expect("a line or the end");
        (connection, line)
    }
}

#[test]
fn starts_everything_and_ends_it_runs_first_and_the_router_last() {
    let mut house = House::up();
    let (mut connection, started) = house.connect();
    let runner = house.kit.process("nc-runner");
    assert_eq!(started, format!("started {}\n", runner.pid));
    house.ring("nc-router", Doorbell::Router);
    house.ring("nc-ipcd", Doorbell::Ipcd);
    house.kit.up_ref().wait_said(&format!("nc-runner[{}]: a line on standard output\n", runner.pid));
    house.kit.up_ref().wait_said(&format!("nc-runner[{}]: a line on standard error\n", runner.pid));
    assert_eq!(house.kit.stop(Signal::SIGTERM), Some(0));
    let stops: Vec<_> = house.lines("all.log").into_iter().filter(|line| line.ends_with("Stop")).collect();
    assert_eq!(stops, ["nc-runner Stop", "nc-ipcd Stop", "nc-router Stop"]);
    let mut rest = String::new();
    connection.read_to_string(&mut rest).expect("it ends");
    assert_eq!(rest, "ended\n");
    let left = fs::read_dir(house.kit.installation().run_dir()).expect("a directory").flatten();
    let sockets: Vec<_> = left.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket())).collect();
    assert!(sockets.is_empty(), "{sockets:?} stay behind");
}

#[test]
fn programs_get_what_is_theirs_and_nothing_else() {
    let mut house = House::new();
    // What only whoever goes out of this machine needs, and a proxy's password with it.
    house
        .kit
        .env("HTTPS_PROXY", "http://a:b@proxy")
        .env("SSL_CERT_DIR", "/etc/ssl/certs")
        .env("ANTHROPIC_API_KEY", "x");
    house.kit.up();
    house.connect();
    let fields = |name: &str, field: &str| {
        let start = house.lines(&format!("{name}.starts")).pop().expect("it was started");
        let value = start.split_whitespace().find_map(|part| part.strip_prefix(field).map(str::to_owned));
        value.expect("the stand-in writes all fields").split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    let common = ["HOME", "LANG", "NANOCLAW_DIR", "NANOCLAW_MAX_RUNS", "NC_SUPERVISOR", "PATH", "RUST_BACKTRACE"];
    let and = |others: &[&'static str]| {
        let mut all = [&common[..], others].concat();
        all.sort_unstable();
        all
    };
    assert_eq!(fields("nc-runner", "env="), and(&["HTTPS_PROXY", "NC_HANDOVER", "SSL_CERT_DIR"]));
    for name in ["nc-router", "nc-ipcd"] {
        assert_eq!(fields(name, "env="), and(&["LISTEN_FDNAMES", "LISTEN_FDS", "NOTIFY_SOCKET"]));
    }
    let open = |name: &str| fields(name, "fds=").into_iter().filter(|fd| !is_own(fd)).collect::<Vec<_>>();
    for name in ["nc-router", "nc-ipcd"] {
        assert_eq!(open(name), ["0:/dev/null", "1:pipe", "2:pipe", "3:socket"]);
    }
    let of_the_runner = open("nc-runner");
    assert_eq!(of_the_runner[..3], ["0:socket", "1:pipe", "2:pipe"]);
    assert!(of_the_runner.len() == 4 && of_the_runner[3].contains("nanoclaw-handover"), "{of_the_runner:?}");
}

/// What the stand-in has opened itself by then: its runtime's event descriptors, a socket pair for signals with a copy
/// of one half, and the directory in which it looks.
fn is_own(descriptor: &str) -> bool {
    let (number, kind) = descriptor.split_once(':').expect("NUMBER:KIND");
    let own_kind = kind == "anon_inode" || kind == "socket" || kind.ends_with("/fd");
    number.parse::<u32>().expect("a number") > 3 && own_kind || number == "3" && kind == "anon_inode"
}

#[test]
fn a_second_one_beside_it_says_who_is_there() {
    let house = House::up();
    let second = finish(house.kit.program("nanoclawctl").arg("up"));
    assert_eq!(second.status.code(), Some(75));
    let said = String::from_utf8_lossy(&second.stderr);
    let pid = house.kit.up_ref().pid();
    assert!(said.contains(&format!("process {pid} already runs the installation in ")), "{said}");
    house.ring("nc-router", Doorbell::Router);
    assert_eq!(house.lines("nc-router.starts").len(), 1);
}

#[test]
fn a_program_that_is_killed_is_started_again_with_the_same_bell_however_often() {
    let house = House::up();
    for (name, bell) in [("nc-router", Doorbell::Router), ("nc-ipcd", Doorbell::Ipcd)] {
        for round in 1..=12 {
            let before = house.kit.process(name);
            let begun = Instant::now();
            house.kit.kill(name, Signal::SIGKILL);
            house.ring(name, bell);
            assert_ne!(house.kit.process(name).pid, before.pid);
            // With the waits after faults the sixth would take 16 s.
            assert!(begun.elapsed() < Duration::from_secs(5), "{name} was away for {:?}", begun.elapsed());
            assert_eq!(house.lines(&format!("{name}.starts")).len(), round + 1);
        }
        house.kit.up_ref().wait_said(&format!("{name} was killed by SIGKILL; it is started again now"));
    }
}

#[test]
fn a_program_that_a_person_must_look_at_ends_everything() {
    let mut house = House::new();
    house.set("nc-ipcd.fails", "78");
    house.kit.start_up();
    assert_eq!(house.kit.up_ref().wait_end().code(), Some(78));
    let said = house.kit.log();
    assert!(said.contains("nc-ipcd: ") && said.contains("ERROR open the store: the disk is away"), "{said}");
    assert!(said.contains("nc-ipcd ended with status 78: a person must look at what it said"), "{said}");
    assert_eq!(house.lines("nc-ipcd.starts").len(), 1, "it was not tried again");
    assert_eq!(processes::below(house.kit.up_ref().pid()), []);
}

#[test]
fn a_program_that_may_succeed_later_is_tried_again() {
    let mut house = House::new();
    house.set("nc-ipcd.fails", "75");
    house.kit.start_up();
    house.kit.up_ref().wait_said("nc-ipcd ended with status 75; it is started again now");
    house.kit.up_ref().wait_said("nc-ipcd ended with status 75; it is started again in 1 s");
    fs::remove_file(house.kit.dir().join("nc-ipcd.fails")).expect("a file is removed");
    house.kit.up_ref().wait_ready();
    assert_eq!(house.kit.stop(Signal::SIGTERM), Some(0));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let mut house = House::new();
    let program = house.kit.programs().join("nc-ipcd");
    fs::remove_file(&program).expect("a program is removed");
    house.kit.set("libexec_dir=/nonexistent").start_up();
    assert_eq!(house.kit.up_ref().wait_end().code(), Some(78));
    house.kit.up_ref().wait_said("start /nonexistent/nc-ipcd: No such file");
}

#[test]
fn what_it_started_ends_with_it_and_the_next_one_starts_clean() {
    let mut house = House::up();
    let (mut connection, _) = house.connect();
    let programs: Vec<_> = PROGRAMS.iter().map(|name| house.kit.process(name)).collect();
    assert_eq!(house.kit.stop(Signal::SIGKILL), None);
    wait_until(PATIENCE, "everything ended", || !programs.iter().any(processes::lives));
    let mut rest = String::new();
    connection.read_to_string(&mut rest).expect("it ends");
    assert_eq!(rest, "ended\n", "the run came to an orderly end");
    house.kit.up();
    house.ring("nc-router", Doorbell::Router);
    assert_eq!(house.kit.stop(Signal::SIGINT), Some(0));
}

#[test]
fn the_next_one_waits_for_a_program_that_takes_its_time() {
    let mut house = House::new();
    let lock = house.kit.installation().lock_file("router");
    fs::create_dir_all(lock.parent().expect("a directory")).expect("it is made");
    let held = nc_daemon::lock(&lock).expect("it is free");
    house.kit.start_up();
    house.kit.up_ref().wait_said("waiting for an earlier nc-router to end");
    assert_eq!(house.lines("nc-router.starts"), [""; 0]);
    drop(held);
    house.kit.up_ref().wait_ready();
}

#[test]
fn runs_over_the_limit_are_refused_and_the_end_of_one_is_seen() {
    let house = House::up();
    let runs: Vec<_> = (0..2).map(|_| house.connect()).collect();
    assert!(runs.iter().all(|(_, line)| line.starts_with("started ")));
    assert_eq!(house.connect().1, "", "one more than twice max_runs");
    house.kit.kill("nc-runner", Signal::SIGKILL);
    // One of the two connections ends, whichever it was: nobody else holds it.
    let ended = |(connection, _): &(BufReader<UnixStream>, String)| {
        let mut socket = connection.get_ref();
        socket.set_nonblocking(true).expect("a mode is set");
        matches!(socket.read(&mut [0; 16]), Ok(0))
    };
    wait_until(PATIENCE, "the end of the connection is seen", || runs.iter().any(ended));
    house.kit.up_ref().wait_said("] was killed by SIGKILL");
    assert!(house.connect().1.starts_with("started "), "there is room again");
}

#[test]
fn a_second_interrupt_kills_who_does_not_end() {
    let mut house = House::up();
    house.set("nc-runner.stays", "");
    let (_connection, _) = house.connect();
    house.kit.up_ref().send(Signal::SIGINT);
    wait_until(PATIENCE, "the run was asked to end", || house.lines("nc-runner.log") == ["Stop"]);
    assert_eq!(house.lines("nc-router.log"), [""; 0], "the others live while a run lives");
    assert_eq!(house.kit.stop(Signal::SIGINT), Some(1));
}

#[test]
fn a_hangup_hands_a_right_configuration_on_and_keeps_from_a_wrong_one() {
    let house = House::up();
    house.set("nanoclaw.toml", "max_runs = 0\n");
    house.kit.up_ref().send(Signal::SIGHUP);
    house.kit.up_ref().wait_said("everything goes on with the configuration it has");
    assert_eq!(house.lines("all.log"), [""; 0]);
    house.set("nanoclaw.toml", "max_runs = 3\n");
    house.kit.up_ref().send(Signal::SIGHUP);
    wait_until(PATIENCE, "both reload", || {
        let mut log = house.lines("all.log");
        log.sort();
        log == ["nc-ipcd Reload", "nc-router Reload"]
    });
}

#[test]
fn goes_on_when_nobody_takes_what_it_says() {
    let house = House::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = house.kit.program("nanoclawctl");
    nc_daemon::holder::supervise(&mut command);
    let mut up = command.arg("up").stdout(Stdio::null()).stderr(writer).spawn().expect("up starts");
    drop(command);
    let pid = i32::try_from(up.id()).expect("a process id is small");
    let router = || processes::below(pid).into_iter().find(|process| process.name == "nc-router");
    wait_until(PATIENCE, "the router is there", || house.lines("nc-router.starts").len() == 1 && router().is_some());
    processes::send(router().expect("it is there").pid, Signal::SIGKILL);
    wait_until(PATIENCE, "the router is back", || house.lines("nc-router.starts").len() == 2);
    house.ring("nc-router", Doorbell::Router);
    processes::send(pid, Signal::SIGTERM);
    assert_eq!(up.wait().expect("it ends").code(), Some(0));
}
