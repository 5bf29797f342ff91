//! What an agent prints: in the journal, a line each under its run, or where there is none in a file of the group's `logs/`.

mod file;
mod journal;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nc_sandbox::Sandbox;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::file::File;
use self::journal::{Lines, Words};
use crate::whose::Whose;

pub(crate) use self::file::log_file;

/// How much of the beginning of standard error is kept in memory, in bytes: bubblewrap's complaint is a line.
const BEGINNING: usize = 4096;

/// How long the pipes may take to end when every process that could write to them is gone.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Where the output of a run goes.
#[derive(Debug)]
enum Keep {
    File(File),
    Journal(Box<Words>),
}

/// The capture of one run's output.
#[derive(Debug)]
pub(crate) struct Capture {
    output: Arc<Mutex<Output>>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Output {
    keep: Keep,
    beginning: Vec<u8>,
}

impl Capture {
    /// Takes the sandbox's output, at most `limit` bytes of it: to the journal where this program logs there, else to a file
    /// in the directory `group`. `store` says which messages are the session's.
    pub(crate) fn begin(sandbox: &mut Sandbox, whose: &Whose, group: &Path, store: &Path, limit: u64) -> Self {
        let keep = if nc_daemon::in_journal() {
            Keep::Journal(Box::new(Words::new(whose.clone(), store.to_owned(), limit)))
        } else {
            Keep::File(File::make(group, &whose.run, limit))
        };
        let output = Arc::new(Mutex::new(Output { keep, beginning: Vec::new() }));
        let stdout = sandbox.take_stdout().and_then(|pipe| ChildStdout::from_std(pipe).ok());
        let stderr = sandbox.take_stderr().and_then(|pipe| ChildStderr::from_std(pipe).ok());
        let readers = [
            stdout.map(|pipe| tokio::spawn(take(pipe, Arc::clone(&output), false))),
            stderr.map(|pipe| tokio::spawn(take(pipe, Arc::clone(&output), true))),
        ];
        Self { output, readers: readers.into_iter().flatten().collect() }
    }

    /// Waits for the last of it, and returns the beginning of standard error.
    pub(crate) async fn finish(self) -> String {
        for mut reader in self.readers {
            if timeout(LAST_WORDS, &mut reader).await.is_err() {
                reader.abort();
            }
        }
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if let Keep::Journal(words) = &mut output.keep {
            words.finish();
        }
        String::from_utf8_lossy(&output.beginning).trim().to_owned()
    }
}

/// Reads one pipe to its end. What is not kept is read and forgotten: an agent that nobody reads would stop.
async fn take(mut pipe: impl AsyncRead + Unpin, output: Arc<Mutex<Output>>, keep_beginning: bool) {
    let mut buffer = vec![0; 16 * 1024];
    let mut lines = Lines::default();
    loop {
        let count = pipe.read(&mut buffer).await.unwrap_or(0);
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut output.keep {
            Keep::File(file) => file.write(&buffer[..count]),
            Keep::Journal(words) if count == 0 => lines.end(&mut **words),
            Keep::Journal(words) => lines.take(&buffer[..count], &mut **words),
        }
        if keep_beginning {
            let room = BEGINNING - output.beginning.len();
            output.beginning.extend_from_slice(&buffer[..count.min(room)]);
        }
        if count == 0 {
            return;
        }
    }
}
