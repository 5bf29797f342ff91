//! The safe copy of `outbound.db`: the only way in which the host reads what a sandbox wrote.
//!
//! The file may be any bytes and is never opened in place. [`read`] opens it without following anything, takes SQLite's own
//! shared lock without waiting, reads it into memory, and gives that copy to SQLite as a read-only database without files. What
//! a dead writer left half done is rolled back on a private copy. The rows come out checked, each for itself.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use nc_wire::{files::Directory, snapshot::{self, Limits, Look}};
//!
//! let work = Directory::open("data/sessions/1/s/work".as_ref())?;
//! let mut last = None;
//! match snapshot::read(&work, &Limits::default(), last.as_ref())? {
//!     Look::Absent | Look::Unchanged => {}
//!     Look::Busy => { /* again after snapshot::busy_delay(n), or at the next event */ }
//!     Look::Snapshot(snapshot) => {
//!         for row in snapshot.messages_out(|_id| false)?.rows { /* take or refuse it */ }
//!         last = Some(snapshot.fingerprint().clone());
//!     }
//! }
//! # Ok(()) }
//! ```

mod copy;
mod database;
mod error;
mod fields;
mod fingerprint;
mod lock;
mod messages;
mod rollback;
mod scan;
mod state;
mod table;

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use nc_model::limits::{MAX_LOOK_BYTES, MAX_MAILBOX_BYTES, MAX_ROW_BYTES, MAX_ROWS_A_LOOK};
use rusqlite::Connection;

pub use error::{RowError, SnapshotError};
pub use fingerprint::Fingerprint;
pub use messages::OutRow;
pub use state::{Ack, ContainerState, State};
pub use table::Rows;

/// For how long [`Look::Busy`] may go on before the run is asked to end.
pub const BUSY_LIMIT: Duration = Duration::from_secs(30);

/// How much a look may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, and the largest journal, in bytes.
    pub file: u64,
    /// The largest row, in bytes.
    pub row: u64,
    /// How many new rows of a table one look hands out.
    pub rows: usize,
    /// How many bytes of new rows of a table one look hands out.
    pub bytes: u64,
    /// How long SQLite may work on a table of one copy, in time of this thread's processor.
    pub time: Duration,
    /// Where a private directory is made for a copy that has to be rolled back: on a tmpfs.
    pub scratch: PathBuf,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: MAX_MAILBOX_BYTES,
            row: MAX_ROW_BYTES,
            rows: MAX_ROWS_A_LOOK,
            bytes: MAX_LOOK_BYTES,
            time: Duration::from_millis(250),
            scratch: rollback::usual_scratch(),
        }
    }
}

/// What a look at `outbound.db` found.
#[derive(Debug)]
pub enum Look {
    /// There is no file, or nothing in it yet.
    Absent,
    /// It is as it was when the fingerprint was taken.
    Unchanged,
    /// A writer holds its lock: look again at the next event, or after [`busy_delay`].
    Busy,
    /// What was committed.
    Snapshot(Box<Snapshot>),
}

/// A copy of `outbound.db` in memory.
#[derive(Debug)]
pub struct Snapshot {
    conn: Connection,
    allowance: database::Allowance,
    fingerprint: Fingerprint,
    limits: Limits,
}

impl Snapshot {
    /// What the file looked like, to be given to the next [`read`] once everything of this one has been taken in.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// Looks at the `outbound.db` in `work`, the handle of a session's work directory.
///
/// `last` is the fingerprint of the look before, whose rows were all taken: while the file is as then, nothing is copied. No call
/// waits, changes a file below `work` or keeps one open.
///
/// # Errors
/// [`SnapshotError`]; its verdict says whether another look may succeed or the session's file is to be set aside.
pub fn read(work: impl AsFd, limits: &Limits, last: Option<&Fingerprint>) -> Result<Look, SnapshotError> {
    Ok(match copy::take(work.as_fd(), limits, last)? {
        copy::Taken::Absent => Look::Absent,
        copy::Taken::Unchanged => Look::Unchanged,
        copy::Taken::Busy => Look::Busy,
        copy::Taken::Copy(copied) => {
            let copy::Copied { conn, allowance, fingerprint } = *copied;
            Look::Snapshot(Box::new(Snapshot { conn, allowance, fingerprint, limits: limits.clone() }))
        }
    })
}

/// How long to wait before looking again at a file that was busy `times` times in a row, unless an event comes first.
///
/// 0.1, 0.2, 0.5, 1, 2, 5, 10, 20 ms and so on up to 1 s. No event follows the release of the lock, so the first steps are short.
#[must_use]
pub fn busy_delay(times: u32) -> Duration {
    const STEPS: [u64; 3] = [1, 2, 5];
    const TENTH_OF_A_MS: u64 = 100;
    let step = STEPS[times as usize % STEPS.len()];
    let decade = 10_u64.saturating_pow(times / 3);
    Duration::from_micros(step.saturating_mul(decade).saturating_mul(TENTH_OF_A_MS)).min(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_file_is_looked_at_ever_less_often() {
        let given: Vec<u128> = (0..14).map(|n| busy_delay(n).as_micros()).collect();
        let ladder =
            [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 1_000_000];
        assert_eq!(given, ladder);
        assert_eq!(busy_delay(u32::MAX), Duration::from_secs(1));
    }
}
