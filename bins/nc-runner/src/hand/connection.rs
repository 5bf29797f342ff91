//! The connection on which a run is asked for: nc-run(5), the caller's side.

use std::io;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use nc_config::Loaded;
use nc_daemon::Failure;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::others::Others;

/// The longest line that a runner says, in bytes: nc-run(5).
const MAX_LINE: u64 = 4096;

/// How long a runner may take to say whether it begins: as long as the router gives it.
const FIRST_WORD: Duration = Duration::from_secs(60);

/// A runner at the other end.
#[derive(Debug)]
pub(super) struct Connection {
    lines: BufReader<UnixStream>,
    /// What was read of a line that is not yet whole.
    line: Vec<u8>,
}

/// What a runner says first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The run has begun.
    Started,
    /// The session has a run, or what it left is not in order.
    Busy,
    /// It will not begin, and why.
    Refused(String),
    /// There is no runner, and why.
    Gone(String),
}

impl Connection {
    /// To whoever holds the runner's socket, or where nobody does or `here` says so to a child of ours.
    pub(super) async fn open(loaded: &Loaded, others: &mut Others<'_>, here: bool) -> Result<Self, Failure> {
        let socket = loaded.installation.runner_socket();
        let stream = if here {
            others.runner()?
        } else {
            match nc_daemon::connect(&socket).await {
                Ok(stream) => stream,
                Err(error) if nobody_holds(&error) => others.runner()?,
                Err(error) => {
                    let what = format!("connect to {} (--here does without it)", socket.display());
                    return Err(Failure::again(anyhow::Error::new(error).context(what)));
                }
            }
        };
        Ok(Self { lines: BufReader::new(stream), line: Vec::new() })
    }

    /// Asks with `line`, and returns the answer.
    pub(super) async fn ask(&mut self, line: &str) -> Result<Answer, Failure> {
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes()).await.context("ask for the run")?;
        let first = tokio::time::timeout(FIRST_WORD, self.next()).await;
        let first = first.map_err(|_late| {
            Failure::again(anyhow!("the runner said nothing for {} s: see its log", FIRST_WORD.as_secs()))
        })?;
        Ok(first.map_or_else(
            || Answer::Gone("the runner went away without a word: see its log".to_owned()),
            |l| answer(&l),
        ))
    }

    /// The next line, without its end; none where there is no more. Nothing is lost when the future is dropped before.
    pub(super) async fn next(&mut self) -> Option<String> {
        let left = MAX_LINE.saturating_sub(self.line.len() as u64);
        let read = (&mut self.lines).take(left).read_until(b'\n', &mut self.line).await;
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
        (read.is_ok() && !line.is_empty()).then_some(line)
    }
}

fn nobody_holds(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn answer(line: &str) -> Answer {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("started", _) => Answer::Started,
        ("busy", _) => Answer::Busy,
        ("refused", why) => Answer::Refused(why.to_owned()),
        _ => Answer::Gone(format!("the runner said {line:?}, which is no word of nc-run(5)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_decides() {
        assert_eq!(answer("started 0190"), Answer::Started);
        assert_eq!(answer("busy"), Answer::Busy);
        assert_eq!(answer("refused the group has no folder"), Answer::Refused("the group has no folder".to_owned()));
        assert!(matches!(answer("ended completed"), Answer::Gone(_)));
    }
}
