//! The output of a run as a file, where there is no journal: `<groups>/<folder>/logs/<run>.log`.
//!
//! The agent sees that directory and cannot write it: it is mounted read-only over the group's folder. What it may have put
//! there before is never followed, and no name is looked up but in the directory itself.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use tracing::warn;

use crate::workplace::LOGS;

/// How many logs of a group are kept. A guess: a few days of a busy group.
const KEPT: usize = 50;

/// The length of a run's id, by which its log is told from files of others: a UUID in text.
const ID_LENGTH: usize = 36;

/// Where the log of a run lies.
pub(crate) fn log_file(group: &Path, run: &str) -> PathBuf {
    group.join(LOGS).join(name(run))
}

fn name(run: &str) -> String {
    format!("{run}.log")
}

/// The log of one run, as far as its limit goes.
#[derive(Debug)]
pub(crate) struct File {
    open: Option<fs::File>,
    limit: u64,
    left: u64,
}

impl File {
    /// Makes the log, and removes the oldest beside it. Where that cannot be, the run goes on without.
    pub(crate) fn make(group: &Path, run: &str, limit: u64) -> Self {
        let open = match make(&group.join(LOGS), run) {
            Ok(file) => Some(file),
            Err(error) => {
                let path = log_file(group, run);
                warn!(?path, %error, "cannot keep what the agent prints; the run goes on without");
                None
            }
        };
        Self { open, limit, left: limit }
    }

    /// Writes what the limit leaves room for, and a mark where it cuts.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.open else { return };
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.left -= room as u64;
        let mut written = nc_failpoint::before("log", "write").and_then(|()| file.write_all(&bytes[..room]));
        let cut = room < bytes.len();
        if cut {
            written = written.and_then(|()| writeln!(file, "\n[nc-runner: cut here, after {} bytes]", self.limit));
        }
        if let Err(error) = &written {
            warn!(%error, "cannot keep what the agent prints; the run goes on without");
        }
        if cut || written.is_err() {
            self.open = None;
        }
    }
}

fn make(logs: &Path, run: &str) -> io::Result<fs::File> {
    let directory = open(logs, OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?;
    remove_oldest(&directory)?;
    nc_failpoint::before("log", "create")?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(openat(&directory, &*name(run), flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into())
}

/// Leaves room for one more. The names are ids that sort by time.
fn remove_oldest(directory: &OwnedFd) -> io::Result<()> {
    let entries = fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()))?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut logs: Vec<String> = names.filter(|name| is_log(name)).collect();
    logs.sort();
    let surplus = (logs.len() + 1).saturating_sub(KEPT);
    for log in &logs[..surplus] {
        nc_failpoint::before("log", "remove")?;
        unlinkat(directory.as_fd(), log.as_str(), UnlinkatFlags::NoRemoveDir)?;
    }
    Ok(())
}

fn is_log(name: &str) -> bool {
    let id = name.strip_suffix(".log").unwrap_or_default();
    id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: usize) -> String {
        format!("019abcde-0000-7000-8000-{number:012}")
    }

    fn group() -> tempfile::TempDir {
        let group = tempfile::tempdir().unwrap();
        fs::create_dir(group.path().join(LOGS)).unwrap();
        group
    }

    #[test]
    fn output_is_cut_with_a_mark() {
        let group = group();
        let mut log = File::make(group.path(), &run(1), 8);
        for piece in ["hello", " world", "!"] {
            log.write(piece.as_bytes());
        }
        let said = fs::read_to_string(log_file(group.path(), &run(1))).unwrap();
        assert_eq!(said, "hello wo\n[nc-runner: cut here, after 8 bytes]\n");
    }

    #[test]
    fn output_that_just_fits_has_no_mark() {
        let group = group();
        let mut log = File::make(group.path(), &run(1), 5);
        log.write(b"hello");
        log.write(b"");
        assert_eq!(fs::read_to_string(log_file(group.path(), &run(1))).unwrap(), "hello");
    }

    #[test]
    fn the_fifty_newest_are_kept_and_files_of_others_left_alone() {
        let group = group();
        let logs = group.path().join(LOGS);
        for name in ["notes.log", "a.txt"] {
            fs::write(logs.join(name), "mine").unwrap();
        }
        for number in 0..KEPT + 3 {
            assert!(File::make(group.path(), &run(number), 1).open.is_some());
        }
        assert_eq!(fs::read_dir(&logs).unwrap().count(), KEPT + 2);
        assert!(!log_file(group.path(), &run(2)).exists() && log_file(group.path(), &run(3)).exists());
    }

    #[test]
    fn a_link_in_the_place_of_the_directory_or_the_log_is_not_followed() {
        let (group, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), group.path().join(LOGS)).unwrap();
        assert!(File::make(group.path(), &run(1), 8).open.is_none());
        fs::remove_file(group.path().join(LOGS)).unwrap();
        fs::create_dir(group.path().join(LOGS)).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("x"), log_file(group.path(), &run(1))).unwrap();
        assert!(File::make(group.path(), &run(1), 8).open.is_none());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
