//! A work directory as a sandbox leaves it, and looks at it that prove that nothing in it was touched.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nc_wire::files::Directory;
use nc_wire::mailbox::schema;
use nc_wire::snapshot::{self, Limits, Look, OutRow, Rows, Snapshot, SnapshotError};
use nix::time::{ClockId, clock_gettime};
use rusqlite::{Connection, params};
use tempfile::TempDir;

/// No look may take more of the processor than this: the time that SQLite has, and as much again for an unoptimized build.
const MOST: Duration = Duration::from_millis(600);

/// A table whose columns take any type, as a hostile container would make it.
pub(crate) const LOOSE: &str =
    "CREATE TABLE messages_out (id, seq, in_reply_to, timestamp, deliver_after, recurrence, kind,
    platform_id, channel_type, thread_id, content)";

/// A session's `work/`.
pub(crate) struct Work {
    directory: TempDir,
}

impl Work {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory can be made") }
    }

    /// One with the protocol's tables and no rows.
    pub(crate) fn with_tables() -> Self {
        let work = Self::new();
        work.sql(schema::OUTBOUND);
        work
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join(schema::OUTBOUND_FILE)
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path().join("outbound.db-journal")
    }

    /// A connection as a container has it.
    pub(crate) fn container(&self) -> Connection {
        let conn = Connection::open(self.database()).expect("the container opens its file");
        conn.busy_timeout(Duration::from_secs(5)).expect("a timeout is set");
        conn
    }

    /// Runs statements as the container.
    pub(crate) fn sql(&self, sql: &str) {
        self.container().execute_batch(sql).expect("the container runs its statements");
    }

    /// Writes a chat row as the container.
    pub(crate) fn say(&self, id: &str, seq: i64, text: &str) {
        say(&self.container(), id, seq, text);
    }

    /// Writes a file of any bytes under the database's name.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        std::fs::write(self.database(), bytes).expect("the file is written");
    }

    /// Looks, and proves that no file was made, changed or removed and that it did not take long.
    pub(crate) fn look(&self) -> Result<Look, SnapshotError> {
        self.watched(|| self.look_unwatched())
    }

    /// Looks.
    pub(crate) fn look_unwatched(&self) -> Result<Look, SnapshotError> {
        let work = Directory::open(self.path()).expect("the work directory opens");
        snapshot::read(&work, &Limits::default(), None)
    }

    /// Looks, and expects a copy.
    pub(crate) fn snapshot(&self) -> Box<Snapshot> {
        match self.look().expect("a look") {
            Look::Snapshot(snapshot) => snapshot,
            other => panic!("no snapshot but {other:?}"),
        }
    }

    /// Looks, and takes all the rows.
    pub(crate) fn rows(&self) -> Rows<OutRow> {
        self.watched(|| self.snapshot().messages_out(|_| false).expect("the rows are listed"))
    }

    /// Looks, and takes all the rows, however long it takes.
    pub(crate) fn rows_unwatched(&self) -> Rows<OutRow> {
        match self.look_unwatched() {
            Ok(Look::Snapshot(snapshot)) => snapshot.messages_out(|_| false).expect("the rows are listed"),
            other => panic!("no snapshot but {other:?}"),
        }
    }

    /// Looks, takes the rows, and returns what is said of a file that cannot be read, with all its causes.
    pub(crate) fn refusal(&self) -> (SnapshotError, String) {
        let error = self.watched(|| match self.look_unwatched() {
            Err(error) => error,
            Ok(Look::Snapshot(snapshot)) => match snapshot.messages_out(|_| false) {
                Err(error) => error,
                Ok(rows) => panic!("it was read: {rows:?}"),
            },
            Ok(other) => panic!("it was not refused: {other:?}"),
        });
        let text = chain(&error);
        (error, text)
    }

    fn watched<T>(&self, look: impl FnOnce() -> T) -> T {
        let (before, start) = (self.listing(), processor_time());
        let seen = look();
        let took = processor_time().saturating_sub(start);
        assert!(took < MOST, "a look took {took:?}");
        assert_eq!(self.listing(), before, "a look changed a file");
        seen
    }

    /// Every name in the directory with size, times and inode.
    pub(crate) fn listing(&self) -> BTreeMap<PathBuf, (u64, u64, i64, i64, u32)> {
        let entry = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.expect("an entry");
            let found = entry.path().symlink_metadata().expect("its metadata");
            let changed = found.ctime() * 1_000_000_000 + found.ctime_nsec();
            let modified = found.mtime() * 1_000_000_000 + found.mtime_nsec();
            (entry.path(), (found.ino(), found.size(), changed, modified, found.mode()))
        };
        std::fs::read_dir(self.path()).expect("the directory lists").map(entry).collect()
    }
}

/// Writes a chat row.
pub(crate) fn say(conn: &Connection, id: &str, seq: i64, text: &str) {
    let content = serde_json::json!({ "text": text }).to_string();
    let sql = "INSERT INTO messages_out (id, seq, timestamp, kind, content) VALUES (?1, ?2, '2026-11-24 18:00:00', 'chat', ?3)";
    conn.execute(sql, params![id, seq, content]).expect("the container writes its row");
}

/// The ids of the rows that were taken.
pub(crate) fn ids(rows: &Rows<OutRow>) -> Vec<&str> {
    rows.rows.iter().flatten().map(|row| row.id.as_str()).collect()
}

/// What was said of the rows that were refused.
pub(crate) fn refusals(rows: &Rows<OutRow>) -> Vec<String> {
    rows.rows.iter().filter_map(|row| row.as_ref().err()).map(ToString::to_string).collect()
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the thread has a clock").into()
}
