//! Standard error, shared by all: one labelled line at a time, and never waiting for who reads it.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nc_model::Timestamp;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::line::{Cutter, printable};

/// Lines that wait for a slow reader of standard error; a paused terminal must not pause the programs. More are lost,
/// and counted.
const QUEUE: usize = 1_024;

/// How long the last lines may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How grave a line of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Info,
    Warn,
    Error,
}

/// The thread that writes, and the way to it.
pub(super) struct Output {
    voice: Voice,
    done: Receiver<()>,
}

/// Says lines. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    queue: SyncSender<String>,
    lost: Arc<AtomicUsize>,
    colour: bool,
}

impl Output {
    /// Begins to write to standard error.
    pub(super) fn begin() -> io::Result<Self> {
        let (queue, lines) = sync_channel::<String>(QUEUE);
        let (finished, done) = sync_channel(1);
        let lost = Arc::new(AtomicUsize::new(0));
        let voice = Voice { queue, lost: Arc::clone(&lost), colour: colour() };
        std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            for line in lines {
                write(&line);
                match lost.swap(0, Ordering::Relaxed) {
                    0 => {}
                    count => write(&format!("up: {count} lines lost: standard error did not take them in time\n")),
                }
            }
            finished.send(())
        })?;
        Ok(Self { voice, done })
    }

    pub(super) fn voice(&self) -> Voice {
        self.voice.clone()
    }

    /// Writes what was said; a reader that takes nothing is left behind after a second. Voices that are left are mute.
    pub(super) fn finish(self) {
        drop(self.voice);
        // Both ends of patience are an end.
        self.done.recv_timeout(LAST_WORDS).ok();
    }
}

/// A closed or broken standard error is no reason to end: the lines are lost, the work goes on.
fn write(line: &str) {
    io::stderr().write_all(line.as_bytes()).ok();
}

/// Colours are for terminals whose owner does not forbid them: <https://no-color.org>.
fn colour() -> bool {
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !forbidden && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

impl Voice {
    /// Says a line of our own.
    pub(super) fn say(&self, level: Level, text: &str) {
        let level = match level {
            Level::Info => " INFO",
            Level::Warn => " WARN",
            Level::Error => "ERROR",
        };
        self.line("up", &format!("{} {level} {}", now(), printable(text.as_bytes())));
    }

    /// Says a line of the program `label`.
    fn line(&self, label: &str, line: &str) {
        let text = if self.colour { painted(label, line) } else { format!("{label}: {line}\n") };
        if self.queue.try_send(text).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says everything that comes out of `pipe`, until its last writer has gone.
    pub(super) async fn relay(self, label: String, pipe: OwnedFd) {
        let mut pipe = match pipe::Receiver::from_owned_fd(pipe) {
            Ok(pipe) => pipe,
            Err(error) => return self.say(Level::Warn, &format!("cannot hear {label}: {error}")),
        };
        let (mut cutter, mut buffer) = (Cutter::default(), vec![0; 4096]);
        let mut emit = |line: String| self.line(&label, &line);
        while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
            cutter.push(&buffer[..length], &mut emit);
        }
        cutter.end(&mut emit);
    }
}

fn painted(label: &str, line: &str) -> String {
    let colour = match line.split_whitespace().take(2).find(|word| matches!(*word, "WARN" | "ERROR")) {
        Some("ERROR") => "31",
        Some(_) => "33",
        None => "0",
    };
    format!("\x1b[36m{label}:\x1b[0m \x1b[{colour}m{line}\x1b[0m\n")
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::painted;

    #[test]
    fn a_terminal_shows_errors_in_red_and_warnings_in_yellow() {
        assert_eq!(painted("a", "2026 ERROR x"), "\x1b[36ma:\x1b[0m \x1b[31m2026 ERROR x\x1b[0m\n");
        assert_eq!(painted("a", "2026 WARN x"), "\x1b[36ma:\x1b[0m \x1b[33m2026 WARN x\x1b[0m\n");
        assert_eq!(
            painted("a", "no level, an ERROR later"),
            "\x1b[36ma:\x1b[0m \x1b[0mno level, an ERROR later\x1b[0m\n"
        );
    }
}
