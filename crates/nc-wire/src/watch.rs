//! Waking when an agent has committed something to its `outbound.db`.
//!
//! SQLite's rollback journal tells: its removal is the commit (`IN_DELETE`), or its change where a container keeps it (`IN_MODIFY`,
//! `IN_CLOSE_WRITE`). The database file itself is not watched: a container that keeps its handle never closes it, and to wake on
//! each write meets its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};

/// The file in `work/` that tells of commits.
const JOURNAL: &str = "outbound.db-journal";

/// What is watched of a work directory.
const EVENTS: WatchMask = WatchMask::DELETE
    .union(WatchMask::MODIFY)
    .union(WatchMask::CLOSE_WRITE)
    .union(WatchMask::ONLYDIR)
    .union(WatchMask::DONT_FOLLOW);

/// Room for events in one read: some 40 of ours.
const BUFFER: usize = 4096;

/// How many times one call reads: 4 KiB of events each. An agent that makes events without end does not keep its caller.
const MAX_READS: usize = 64;

/// Watches the work directories of live sessions, each under a key of the caller's.
#[derive(Debug)]
pub struct LiveWatch<K> {
    inotify: Inotify,
    by_watch: BTreeMap<WatchDescriptor, K>,
    by_key: BTreeMap<K, WatchDescriptor>,
}

/// What happened since the last call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes<K> {
    /// The sessions whose `outbound.db` may have changed.
    pub keys: BTreeSet<K>,
    /// Whether events were lost: then every live session may have changed.
    pub overflow: bool,
}

impl<K: Ord + Clone> LiveWatch<K> {
    /// A watch of nothing yet.
    ///
    /// # Errors
    /// What the system says: EMFILE where the user has too many of them (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        let inotify = Inotify::init()?;
        Ok(Self { inotify, by_watch: BTreeMap::new(), by_key: BTreeMap::new() })
    }

    /// Watches `work` for `key`. What was committed before is not told: look once after this. A key that is watched already
    /// is watched at the new place.
    ///
    /// # Errors
    /// What the system says: ENOSPC where the user has too many watches (`fs.inotify.max_user_watches`).
    pub fn add(&mut self, key: K, work: &Path) -> io::Result<()> {
        let watch = self.inotify.watches().add(work, EVENTS)?;
        if let Some(before) = self.by_watch.insert(watch.clone(), key.clone())
            && before != key
        {
            self.by_key.remove(&before);
        }
        match self.by_key.insert(key, watch.clone()) {
            Some(old) if old != watch => self.forget(old),
            _ => {}
        }
        Ok(())
    }

    /// Stops watching for `key`, where it is watched.
    pub fn remove(&mut self, key: &K) {
        if let Some(watch) = self.by_key.remove(key) {
            self.forget(watch);
        }
    }

    /// Whether `key` is watched.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// The keys that are watched.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.by_key.keys()
    }

    /// What happened since the last call; it never waits.
    ///
    /// # Errors
    /// What the system says of the read.
    pub fn changes(&mut self) -> io::Result<Changes<K>> {
        let mut changes = Changes { keys: BTreeSet::new(), overflow: false };
        for _ in 0..MAX_READS {
            let mut buffer = [0; BUFFER];
            match self.inotify.read_events(&mut buffer) {
                Ok(events) => events.for_each(|event| self.note(&event, &mut changes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(changes)
    }

    fn note(&mut self, event: &Event<&OsStr>, changes: &mut Changes<K>) {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            changes.overflow = true;
        } else if event.mask.contains(EventMask::IGNORED) {
            self.gone(&event.wd);
        } else if event.name.is_some_and(|name| name == JOURNAL)
            && let Some(key) = self.by_watch.get(&event.wd)
        {
            changes.keys.insert(key.clone());
        }
    }

    /// The kernel ended a watch: its directory is gone, or it was removed here before.
    fn gone(&mut self, watch: &WatchDescriptor) {
        if let Some(key) = self.by_watch.remove(watch) {
            self.by_key.remove(&key);
        }
    }

    fn forget(&mut self, watch: WatchDescriptor) {
        self.by_watch.remove(&watch);
        if let Err(error) = self.inotify.watches().remove(watch) {
            // The directory went away and took its watch along; there is nothing else that it can say.
            debug_assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}

impl<K> AsFd for LiveWatch<K> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
