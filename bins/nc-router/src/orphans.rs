//! Live runs that this router holds no connection to: begun before it, by hand, or by a runner that went away.
//!
//! Such a run is lost when its session's lock is free. Nobody says so, but the kernel tells when somebody closed the
//! lock's file for good; then the lock is tried, and a few times more, since it is let go a moment after the file is closed.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::unix::AsyncFd;
use tracing::warn;

/// The waits between the tries after the lock's file was closed: 5 ms, doubling, eight of them. A guess: a sandbox whose
/// runner was killed is gone within milliseconds.
const FIRST_TRY: Duration = Duration::from_millis(5);
const TRIES: u32 = 8;

/// The runs that are watched, by their ids.
#[derive(Debug)]
pub(crate) struct Orphans {
    watch: AsyncFd<Watch>,
    runs: HashMap<String, Orphan>,
}

#[derive(Debug)]
struct Orphan {
    /// Open all the time, so that trying the lock closes nothing and so tells us nothing of our own.
    lock: Option<File>,
    descriptor: Option<WatchDescriptor>,
    /// When the lock is tried next, and how often it was since the last event.
    next: Option<Instant>,
    tries: u32,
}

/// The lock of a lost run; while it lives, no other run of the session can begin.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) run: String,
    _held: Flock<File>,
}

#[derive(Debug)]
struct Watch(Inotify);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Orphans {
    /// Nobody yet.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "Watch owns its descriptor and names the same one as long as it lives, as is asked for"
        )]
        let watch = AsyncFd::new(Watch(inotify))?;
        Ok(Self { watch, runs: HashMap::new() })
    }

    /// Whether `run` is watched.
    pub(crate) fn watches(&self, run: &str) -> bool {
        self.runs.contains_key(run)
    }

    /// Watches `run`, whose session's lock is `lock` at `path`; the lock is tried at the next look.
    pub(crate) fn add(&mut self, run: &str, path: &Path, lock: File) {
        let watched = self.watch.get_ref().0.add_watch(path, AddWatchFlags::IN_CLOSE);
        if let Err(error) = watched {
            warn!(
                run,
                ?path,
                "the end of a run without a connection is seen only when something else happens: {error}"
            );
        }
        let orphan = Orphan { lock: Some(lock), descriptor: watched.ok(), next: Some(Instant::now()), tries: 0 };
        self.runs.insert(run.to_owned(), orphan);
    }

    /// Watches no run any more but those that `keep`.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self.runs.keys().filter(|run| !keep(run)).cloned().collect();
        for run in gone {
            self.forget(&run);
        }
    }

    /// The runs whose lock was free at a try that was due; each is watched no more.
    pub(crate) fn lost(&mut self, now: Instant) -> Vec<Lost> {
        let due: Vec<String> =
            self.runs.iter().filter(|(_, o)| o.next.is_some_and(|at| at <= now)).map(|(run, _)| run.clone()).collect();
        due.into_iter().filter_map(|run| self.try_lock(run, now)).collect()
    }

    /// When a lock is to be tried next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.runs.values().filter_map(|o| o.next).min()
    }

    /// Returns when somebody has closed a lock's file, and the lock is to be tried.
    pub(crate) async fn closed(&mut self) {
        loop {
            let Ok(mut ready) = self.watch.readable().await else { return std::future::pending().await };
            let Ok(Ok(events)) = ready.try_io(|watch| Ok(watch.get_ref().0.read_events()?)) else { continue };
            let overflow = events.iter().any(|e| e.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
            let closed = |orphan: &Orphan| overflow || events.iter().any(|e| Some(e.wd) == orphan.descriptor);
            let mut any = false;
            for orphan in self.runs.values_mut().filter(|orphan| closed(orphan)) {
                (orphan.next, orphan.tries, any) = (Some(Instant::now()), 0, true);
            }
            if any {
                return;
            }
        }
    }

    fn try_lock(&mut self, run: String, now: Instant) -> Option<Lost> {
        let orphan = self.runs.get_mut(&run)?;
        match Flock::lock(orphan.lock.take()?, FlockArg::LockExclusiveNonblock) {
            Ok(held) => {
                self.forget(&run);
                Some(Lost { run, _held: held })
            }
            Err((lock, errno)) => {
                if errno != Errno::EWOULDBLOCK {
                    warn!(run, "the lock of a session cannot be tried: {errno}");
                }
                orphan.lock = Some(lock);
                orphan.tries += 1;
                orphan.next = (orphan.tries <= TRIES).then(|| now + FIRST_TRY * 2_u32.pow(orphan.tries - 1));
                None
            }
        }
    }

    fn forget(&mut self, run: &str) {
        if let Some(Orphan { descriptor: Some(descriptor), .. }) = self.runs.remove(run) {
            // A session's lock is watched for one run at a time; a file that is gone took its watch with it.
            let _gone = self.watch.get_ref().0.rm_watch(descriptor);
        }
    }
}
