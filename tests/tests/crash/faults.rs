//! What fails outside of the programs: the disk is full, the file system read-only, the store locked by somebody else, the
//! clock set.
//!
//! A file system of a test's own is mounted in a namespace of its thread: it goes with the test, however that ends.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep, spawn};
use std::time::Duration;

use nc_testkit::{Action, PATIENCE, Signal, wait_for, wait_until};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rusqlite::Connection;

use crate::house::House;

/// How much there is room for: the store and its log, and a few sessions.
const ROOM: &str = "size=16m";

/// How often each trouble comes; `make crash` has more of it.
fn rounds() -> u64 {
    if crate::is_long() { 100 } else { 6 }
}

/// As much chance as is needed here.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    /// Waits for nothing: the trouble ends at any moment.
    fn pause(&mut self, most_ms: u64) -> Duration {
        Duration::from_millis(self.roll(most_ms))
    }
}

/// A file system at `path`, for the calling thread and what it starts.
struct Mounted {
    path: PathBuf,
}

impl Mounted {
    /// None, with the reason printed, where it may not be mounted.
    fn at(path: &Path, what: &str) -> Option<Self> {
        if let Err(errno) = unshare(CloneFlags::CLONE_NEWNS) {
            nc_testkit::skip(what, &format!("a mount namespace cannot be made ({errno})"));
            return None;
        }
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("what is mounted here stays here");
        mount(Some("nc-test"), path, Some("tmpfs"), MsFlags::empty(), Some(ROOM)).expect("a file system");
        Some(Self { path: path.to_owned() })
    }

    fn set_read_only(&self, read_only: bool) {
        let flags = if read_only { MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY } else { MsFlags::MS_REMOUNT };
        let done = || mount(Some("nc-test"), &self.path, Some("tmpfs"), flags, Some(ROOM)).is_ok();
        wait_until(PATIENCE, "nobody writes any more, and it is remounted", done);
    }

    /// Takes all room but for `left` bytes.
    fn fill(&self, left: u64) -> PathBuf {
        let ballast = self.path.join("ballast");
        let mut file = File::create(&ballast).expect("a file");
        let block = vec![0; 64 * 1024];
        while file.write_all(&block).is_ok() {}
        while file.write_all(&[0; 512]).is_ok() {}
        let length = file.metadata().expect("its length").len();
        file.set_len(length.saturating_sub(left)).expect("it is made shorter");
        ballast
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What still runs there keeps it until it ends.
        umount2(&self.path, MntFlags::MNT_DETACH).ok();
    }
}

/// Runs `test` in a thread of its own, which can have a namespace of its own.
fn apart(test: impl FnOnce() + Send + 'static) {
    assert!(spawn(test).join().is_ok(), "see above");
}

/// While people talk the disk is full again and again, or nearly.
pub(crate) fn full_disk() {
    apart(|| {
        let mut house = House::new_in(|dir| Mounted::at(dir, "a full disk"));
        let Some((mounted, house)) = house.as_mut() else { return };
        let mut dice = Dice(7);
        house.kit.up();
        house.exchange();
        for _ in 0..rounds() {
            if dice.roll(3) == 0 {
                house.chill();
            }
            let ballast = mounted.fill(dice.roll(2) * dice.roll(200_000));
            let pause = dice.pause(1500);
            thread::scope(|scope| {
                scope.spawn(move || {
                    sleep(pause);
                    fs::remove_file(ballast).expect("room is made");
                });
                house.exchange();
            });
        }
        house.settle();
    });
}

/// The file system becomes read-only while nothing runs: what is started says so and ends, and all is well afterwards.
pub(crate) fn read_only() {
    apart(|| {
        let mut house = House::new_in(|dir| Mounted::at(dir, "a read-only file system"));
        let Some((mounted, house)) = house.as_mut() else { return };
        house.kit.up();
        house.exchange();
        house.person.leave();
        assert_eq!(house.kit.stop(Signal::SIGTERM), Some(0));
        mounted.set_read_only(true);
        house.kit.start_up();
        assert_eq!(house.kit.up_ref().wait_end().code(), Some(78), "{}", house.kit.log());
        house.kit.up_ref().wait_said("whether the file system is read-only");
        house.kit.stop(Signal::SIGTERM);
        let talk = house.kit.talk_once("hello?");
        assert!(!talk.status.success(), "{talk:?}");
        mounted.set_read_only(false);
        house.kit.up();
        house.exchange();
        house.settle();
    });
}

/// Somebody else, such as a person's sqlite3, keeps the store locked again and again for longer than SQLite waits.
pub(crate) fn kept_lock() {
    let mut house = House::new();
    let mut dice = Dice(11);
    house.kit.up();
    house.exchange();
    let (path, over) = (house.kit.store().path().to_owned(), AtomicBool::new(false));
    let longest = if crate::is_long() { 40_000 } else { 7_000 };
    let pauses: Vec<_> = (0..rounds() / 3).map(|_| (dice.pause(longest), dice.pause(300))).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let conn = Connection::open(path).expect("the store");
            conn.busy_timeout(PATIENCE).expect("a timeout");
            for (kept, free) in pauses {
                conn.execute_batch("BEGIN IMMEDIATE").expect("the lock");
                sleep(kept);
                conn.execute_batch("ROLLBACK").expect("it is let go");
                sleep(free);
            }
            over.store(true, Ordering::SeqCst);
        });
        while !over.load(Ordering::SeqCst) {
            if dice.roll(4) == 0 {
                house.chill();
            }
            house.exchange();
        }
    });
    house.settle();
}

/// Somebody holds the lock of the session, so that no run of it can begin, until he does not.
pub(crate) fn kept_session_lock() {
    let mut house = House::new();
    house.kit.up();
    house.exchange();
    house.person.leave();
    // A run that is lost, and not buried yet, would be taken to live while somebody has the lock.
    house.kit.kill("nc-agent", Signal::SIGKILL);
    house.kit.up_ref().wait_said("a run is over and everything of it taken in");
    let lock = wait_for(PATIENCE, || find(&house.kit.installation().data_dir().join("sessions"), "lock"))
        .expect("a session's lock");
    let file = File::options().read(true).write(true).open(lock).expect("the lock");
    let held = wait_for(PATIENCE, || file.try_lock().ok());
    assert!(held.is_some(), "the run that is over holds it");
    thread::scope(|scope| {
        let kit = &house.kit;
        scope.spawn(move || {
            // It is asked for a run, and says that there is one.
            let said = wait_for(PATIENCE, || kit.log().contains("the session has a run").then_some(()));
            file.unlock().expect("it is let go");
            assert!(said.is_some(), "{}", kit.log());
        });
        house.person.converse(kit, "locked.", crate::house::ANSWERED_WITHIN);
    });
    house.settle();
}

fn find(below: &Path, name: &str) -> Option<PathBuf> {
    let entries: io::Result<Vec<_>> = fs::read_dir(below).ok()?.collect();
    let paths: Vec<PathBuf> = entries.ok()?.into_iter().map(|entry| entry.path()).collect();
    let found = paths.iter().find(|path| path.ends_with(name) && path.is_file()).cloned();
    found.or_else(|| paths.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name)))
}

/// The clock jumps between messages, and back by an hour while a message waits to be tried again.
pub(crate) fn clock() {
    const HOUR: i64 = 3_600_000;
    let mut house = House::new();
    house.kit.up();
    house.exchange();
    for ahead in [HOUR, -HOUR, 24 * HOUR, -24 * HOUR, 0, -HOUR, 365 * 24 * HOUR, 0] {
        house.points.set_clock(ahead);
        house.exchange();
        house.chill();
        house.exchange();
        // Two agents in a row are killed with the message: it is tried again after a second.
        let (first, second) = ("nc-agent.outbound.take.after", "nc-agent.outbound.settle.before");
        house.points.arm(first, Action::Kill);
        house.points.arm(second, Action::Kill);
        let points = house.points.clone();
        let back = spawn(move || {
            wait_until(PATIENCE * 3, "both were killed", || points.fired(second));
            points.set_clock(ahead - HOUR);
        });
        house.exchange();
        back.join().expect("the clock is set");
    }
    house.points.set_clock(0);
    house.exchange();
    house.settle();
}
