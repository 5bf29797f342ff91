//! Rolling back what a dead writer left, on a private copy.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use rusqlite::{Connection, OpenFlags};

use super::copy::JOURNAL_FILE;
use super::{Limits, SnapshotError, database};
use crate::mailbox::schema::OUTBOUND_FILE;

/// SQLite looks for the name of a super-journal in the last bytes of a journal, and deletes and reads what it names. Zeros there
/// are no name. They are fewer than any page, so they are no record of the journal either.
const NO_SUPER_JOURNAL: [u8; 512] = [0; 512];

/// How a journal begins, sqlite.org/fileformat2.html section 3.
const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Where a journal's head says how many pages the file had before, and how large a page is.
const PAGES_AT: usize = 16;
const PAGE_SIZE_AT: usize = 24;

/// `/dev/shm` where it is a tmpfs, else the directory for temporary files.
pub(super) fn usual_scratch() -> PathBuf {
    let shm = Path::new("/dev/shm");
    let is_tmpfs = statfs(shm).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC);
    if is_tmpfs { shm.to_owned() } else { std::env::temp_dir() }
}

/// Returns the bytes of the file after `journal` was rolled back into it.
pub(super) fn roll_back(bytes: &[u8], journal: &[u8], limits: &Limits) -> Result<Vec<u8>, SnapshotError> {
    check_size(journal, limits.file)?;
    if !bytes.is_empty() {
        database::check_head(bytes)?;
    }
    let scratch = Scratch::make(&limits.scratch)?;
    let database = scratch.write(OUTBOUND_FILE, &[bytes])?;
    scratch.write(JOURNAL_FILE, &[journal, &NO_SUPER_JOURNAL])?;
    let opened = let_sqlite_roll_back(&database, limits);
    opened.map_err(SnapshotError::sqlite(limits.time))?;
    Scratch::read(&database, limits.file)
}

/// A journal sets the size of the file that it is rolled back into: without this a small one makes a huge one.
fn check_size(journal: &[u8], most: u64) -> Result<(), SnapshotError> {
    let number = |at: usize| journal.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    let (Some(pages), Some(page_size)) = (number(PAGES_AT), number(PAGE_SIZE_AT)) else { return Ok(()) };
    let size = u64::from(pages).saturating_mul(u64::from(page_size));
    if journal.starts_with(&MAGIC) && size > most {
        return Err(SnapshotError::Journal { size, most });
    }
    Ok(())
}

/// The first read of a file makes SQLite roll back a journal beside it.
fn let_sqlite_roll_back(database: &Path, limits: &Limits) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(database, flags)?;
    database::guard(&conn, limits)?;
    // Not a word of its schema is needed for that.
    conn.query_row("PRAGMA main.user_version", [], |_| Ok(()))
}

/// A private directory that is removed with all that is in it.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn make(parent: &Path) -> Result<Self, SnapshotError> {
        nc_failpoint::before("rollback", "make_directory").map_err(failed("make a private directory in", parent))?;
        let path = nix::unistd::mkdtemp(&parent.join("nc-snapshot-XXXXXX"))
            .map_err(|e| failed("make a private directory in", parent)(e.into()))?;
        Ok(Self { path })
    }

    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<PathBuf, SnapshotError> {
        let path = self.path.join(name);
        let write = || {
            nc_failpoint::before("rollback", "write")?;
            let mut file = File::create_new(&path)?;
            parts.iter().try_for_each(|part| file.write_all(part))
        };
        write().map_err(failed("write", &path))?;
        Ok(path)
    }

    fn read(database: &Path, most: u64) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = Vec::new();
        let mut read = || File::open(database)?.take(most + 1).read_to_end(&mut bytes);
        let size = read().map_err(failed("read", database))? as u64;
        if size > most { Err(SnapshotError::Journal { size, most }) } else { Ok(bytes) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        nc_failpoint::after("rollback", "use");
        // Nothing can be done about it here, and the next boot empties a tmpfs.
        drop(fs::remove_dir_all(&self.path));
    }
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl Fn(io::Error) -> SnapshotError + 'a {
    move |source| SnapshotError::Scratch { operation, path: path.to_owned(), source }
}
