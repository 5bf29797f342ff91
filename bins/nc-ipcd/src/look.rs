//! One look at an agent's file.

use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use nc_wire::files::{Directory, FileError};
use nc_wire::mailbox::schema::OUTBOUND_FILE;
use nc_wire::snapshot::{self, Fingerprint, Limits, Look, SnapshotError, busy_delay};

/// How often a held lock is asked for within a look: the first waits are below a millisecond, finer than any timer here, and
/// the lock of a commit is free by then.
const TRIES: u32 = 3;

/// How long SQLite may work on the first copy of a file, when each of its rows is looked up in the store. A guess: 40,000 rows
/// take 200 ms.
const FIRST_TIME: Duration = Duration::from_secs(2);

/// Looks at the `outbound.db` in `work`, unless it is as `last` says. A directory that is not there is an empty one.
pub(crate) fn read(work: &Path, last: Option<&Fingerprint>) -> Result<Look, SnapshotError> {
    let directory = match Directory::open(work) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Absent),
        Err(source) => return Err(unopened(source)),
    };
    let mut limits = Limits::default();
    if last.is_none() {
        limits.time = FIRST_TIME;
    }
    for n in 0..TRIES {
        match snapshot::read(&directory, &limits, last)? {
            Look::Busy => sleep(busy_delay(n)),
            found => return Ok(found),
        }
    }
    snapshot::read(&directory, &limits, last)
}

fn unopened(source: io::Error) -> SnapshotError {
    FileError::System { operation: "open the directory of", name: OUTBOUND_FILE.to_owned(), source }.into()
}
