//! What an agent prints, kept where the agent cannot reach it: `<data>/logs/runs/<group>/<run>.log`.

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nc_sandbox::Sandbox;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

/// How many logs of a group are kept. A guess: a few days of a busy group.
const KEPT: usize = 50;

/// How much of the beginning of standard error is kept in memory, in bytes: bubblewrap's complaint is a line.
const BEGINNING: usize = 4096;

/// How long the pipes may take to end when every process that could write to them is gone.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The capture of one run's output.
#[derive(Debug)]
pub(crate) struct Capture {
    log: Arc<Mutex<Log>>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Log {
    file: Option<File>,
    limit: u64,
    left: u64,
    beginning: Vec<u8>,
}

/// Where the log of a run lies.
pub(crate) fn log_file(logs: &Path, folder: &str, run: &str) -> PathBuf {
    logs.join("runs").join(folder).join(format!("{run}.log"))
}

impl Capture {
    /// Takes the sandbox's output to the file `path`, at most `limit` bytes of it, and removes the oldest logs beside it.
    pub(crate) fn begin(sandbox: &mut Sandbox, path: &Path, limit: u64) -> Self {
        let file = match open(path) {
            Ok(file) => Some(file),
            Err(error) => {
                warn!(?path, %error, "cannot keep what the agent prints; the run goes on without");
                None
            }
        };
        let log = Arc::new(Mutex::new(Log { file, limit, left: limit, beginning: Vec::new() }));
        let stdout = sandbox.take_stdout().and_then(|pipe| ChildStdout::from_std(pipe).ok());
        let stderr = sandbox.take_stderr().and_then(|pipe| ChildStderr::from_std(pipe).ok());
        let readers = [
            stdout.map(|pipe| tokio::spawn(take(pipe, Arc::clone(&log), false))),
            stderr.map(|pipe| tokio::spawn(take(pipe, Arc::clone(&log), true))),
        ];
        Self { log, readers: readers.into_iter().flatten().collect() }
    }

    /// Waits for the last of it, and returns the beginning of standard error.
    pub(crate) async fn finish(self) -> String {
        for mut reader in self.readers {
            if timeout(LAST_WORDS, &mut reader).await.is_err() {
                reader.abort();
            }
        }
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log.beginning).trim().to_owned()
    }
}

async fn take(mut pipe: impl AsyncRead + Unpin, log: Arc<Mutex<Log>>, keep_beginning: bool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.write(&buffer[..count]);
        if keep_beginning {
            let room = BEGINNING - log.beginning.len();
            log.beginning.extend_from_slice(&buffer[..count.min(room)]);
        }
    }
}

impl Log {
    /// Writes what the limit leaves room for, and a mark where it cuts. What comes later is read and forgotten: an agent
    /// that nobody reads would stop.
    fn write(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
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
            self.file = None;
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    nc_failpoint::before("log", "make_directory")?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    remove_oldest(directory)?;
    nc_failpoint::before("log", "create")?;
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Leaves room for one more. The names are ids that sort by time.
fn remove_oldest(directory: &Path) -> std::io::Result<()> {
    let entries = fs::read_dir(directory)?.flatten().map(|entry| entry.path());
    let mut logs: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    let surplus = (logs.len() + 1).saturating_sub(KEPT);
    logs[..surplus].iter().try_for_each(|log| nc_failpoint::before("log", "remove").and_then(|()| fs::remove_file(log)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_with_a_mark() {
        let directory = tempfile::tempdir().unwrap();
        let path = log_file(directory.path(), "family", "r1");
        let mut log = Log { file: Some(open(&path).unwrap()), limit: 8, left: 8, beginning: Vec::new() };
        for piece in ["hello", " world", "!"] {
            log.write(piece.as_bytes());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello wo\n[nc-runner: cut here, after 8 bytes]\n");
    }

    #[test]
    fn output_that_just_fits_has_no_mark() {
        let directory = tempfile::tempdir().unwrap();
        let path = log_file(directory.path(), "family", "r1");
        let mut log = Log { file: Some(open(&path).unwrap()), limit: 5, left: 5, beginning: Vec::new() };
        log.write(b"hello");
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
    }

    #[test]
    fn the_fifty_newest_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        for run in 0..KEPT + 3 {
            open(&log_file(directory.path(), "family", &format!("{run:03}"))).unwrap();
        }
        let logs = directory.path().join("runs/family");
        assert_eq!(fs::read_dir(&logs).unwrap().count(), KEPT);
        assert!(!logs.join("002.log").exists() && logs.join("003.log").exists());
    }
}
