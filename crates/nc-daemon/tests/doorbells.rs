//! Rings: heard, never waited for, and none lost between a program that leaves and the next one.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener as StdListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nc_daemon::{Bell, ring, ring_all};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use support::{Place, Running};

const RINGS: usize = 1_000;

#[test]
fn a_thousand_rings_are_heard_by_a_program_that_leaves_all_the_time() {
    let place = Place::new();
    let bell = place.bell();
    place.set("idles", "1");
    let work = place.path("work");
    fs::create_dir(&work).expect("a directory is made");
    let (over, starts, lost) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| hold(&place, &bell, &over, &starts));
        for number in 0..RINGS {
            let row = work.join(number.to_string());
            File::create(&row).expect("a row is committed");
            ring(&place.path("sock"));
            // Each ring for itself: the next one would make good a loss.
            let deadline = Instant::now() + support::PATIENCE;
            while row.exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_micros(100));
            }
            if row.exists() {
                lost.store(number + 1, Ordering::SeqCst);
                break;
            }
            // Not a wait: rings fall into every moment around the program's leaving, 1 ms after its last pass.
            std::thread::sleep(Duration::from_micros((number as u64 * 7_919) % 2_500));
        }
        over.store(true, Ordering::SeqCst);
        ring(&place.path("sock"));
    });
    assert_eq!(lost.load(Ordering::SeqCst), 0, "the ring of this number, counted from 1, was lost");
    let mut taken: Vec<usize> = place.lines("taken").iter().map(|name| name.parse().expect("a number")).collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..RINGS).collect::<Vec<_>>());
    let starts = starts.load(Ordering::SeqCst);
    assert!(starts > 20, "it left and came back only {starts} times: nothing was raced");
}

/// What a socket unit does: watch the socket, start the program when it is rung, look away while it lives.
fn hold(place: &Place, bell: &UnixDatagram, over: &AtomicBool, starts: &AtomicUsize) {
    // The last ring may be heard by the program or by us: look on both sides of the wait.
    while !over.load(Ordering::SeqCst) {
        let mut watched = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        poll(&mut watched, PollTimeout::NONE).expect("the bell is watched");
        if over.load(Ordering::SeqCst) {
            return;
        }
        starts.fetch_add(1, Ordering::SeqCst);
        let mut command = place.activated(vec![bell.try_clone().expect("a socket is copied").into()]);
        command.env_remove("NOTIFY_SOCKET");
        let (status, said) = Running::start(command).end();
        assert_eq!(status.code(), Some(0), "{said}");
    }
}

/// A directory whose sockets do not fit into a socket's address.
fn deep(place: &Place) -> PathBuf {
    let dir = place.path("deep").join("d".repeat(100)).join("e".repeat(100));
    fs::create_dir_all(&dir).expect("directories are made");
    dir
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(support::PATIENCE, work).await.expect("it comes to an end") })
}

#[test]
fn a_bell_is_heard_below_a_path_of_any_length_and_goes_with_its_owner() {
    let place = Place::new();
    for path in [place.path("near.sock"), deep(&place).join("far.sock")] {
        in_runtime(async {
            let bell = Bell::bind(&path).expect("the bell is bound");
            let there = fs::symlink_metadata(&path).expect("it is there");
            assert!(there.file_type().is_socket());
            assert_eq!(there.permissions().mode() & 0o777, 0o600);
            for _ in 0..3 {
                ring(&path);
                bell.rung().await;
            }
            drop(bell);
            assert!(!path.exists());
        });
    }
}

#[test]
fn ringing_never_waits_and_many_rings_are_one() {
    let place = Place::new();
    let path = place.path("bell");
    in_runtime(async {
        let bell = Bell::bind(&path).expect("the bell is bound");
        // Many more than a socket queues.
        for _ in 0..500 {
            ring(&path);
        }
        bell.rung().await;
        let again = tokio::time::timeout(Duration::ZERO, bell.rung()).await;
        assert!(again.is_err(), "it was drained");
        ring(&path);
        bell.drain();
        let again = tokio::time::timeout(Duration::ZERO, bell.rung()).await;
        assert!(again.is_err(), "it was drained by hand");
        ring(&path);
        bell.rung().await;
    });
}

#[test]
fn a_successor_takes_the_place_of_a_bell_and_keeps_it() {
    let place = Place::new();
    let path = place.path("bell");
    in_runtime(async {
        let old = Bell::bind(&path).expect("the bell is bound");
        let new = Bell::bind(&path).expect("a second one is bound");
        drop(old);
        ring(&path);
        new.rung().await;
        assert_eq!(fs::read_dir(path.parent().expect("a directory")).expect("is read").count(), 2, "bell and notify");
    });
}

#[test]
fn what_is_no_socket_is_left_where_it_is() {
    let place = Place::new();
    let path = place.path("bell");
    fs::write(&path, "precious").expect("a file is written");
    in_runtime(async {
        let error = Bell::bind(&path).expect_err("it is refused");
        assert_eq!(error.source.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("stand-in.bell"), "{error}");
    });
    assert_eq!(fs::read_to_string(&path).expect("is read"), "precious");
}

#[test]
fn ringing_nobody_is_done() {
    let place = Place::new();
    ring(&place.path("never-there"));
    drop(UnixDatagram::bind(place.path("left-behind")).expect("a socket is bound"));
    ring(&place.path("left-behind"));
    assert!(place.path("left-behind").exists(), "only a directory of bells is tidied");
    ring_all(&place.path("no-directory"));
}

#[test]
fn all_bells_of_a_directory_are_rung_and_those_left_behind_are_removed() {
    let place = Place::new();
    let dir = deep(&place);
    in_runtime(async {
        let first = Bell::bind(&dir.join("1.sock")).expect("the bell is bound");
        let second = Bell::bind(&dir.join("2.sock")).expect("the bell is bound");
        leave_behind(&dir, "3.sock");
        leave_behind(&dir, "other");
        ring_all(&dir);
        first.rung().await;
        second.rung().await;
        assert!(!dir.join("3.sock").exists());
        assert!(dir.join("other").exists(), "what is not called *.sock is none of ours");
    });
}

fn leave_behind(dir: &Path, name: &str) {
    let near = dir.parent().expect("a directory").join("near");
    std::os::unix::fs::symlink(dir, &near).ok();
    // Bound by way of a short path below a directory of its own, since the real one is too long.
    let home = tempfile::tempdir().expect("a temporary directory");
    let way = home.path().join("way");
    std::os::unix::fs::symlink(dir, &way).expect("a short way is made");
    drop(UnixDatagram::bind(way.join(name)).expect("a socket is bound"));
}

#[test]
fn streams_connect_and_listen_below_a_path_of_any_length() {
    let place = Place::new();
    let path = deep(&place).join("runner.sock");
    in_runtime(async {
        let missing = nc_daemon::connect(&path).await.expect_err("nobody listens");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let door = nc_daemon::listen(&path).expect("it listens");
        nc_daemon::connect(&path).await.expect("it connects");
        door.accept().await.expect("it accepts");
        let second = nc_daemon::listen(&path).expect("a second one takes its place");
        drop(door);
        nc_daemon::connect(&path).await.expect("it connects");
        drop(second);
        assert!(!path.exists());
        drop(StdListener::bind(place.path("left")).expect("a socket is bound"));
        let refused = nc_daemon::connect(&place.path("left")).await.expect_err("nobody listens any more");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}
