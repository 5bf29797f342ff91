//! One connection to the runner's socket, which is one run: nc-run(5).

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nc_model::Cause;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedSender;

/// The longest line that a runner says, in bytes. A guess: a reason in a sentence or two.
const MAX_LINE: u64 = 4096;

/// How long a runner may take to say whether it begins. A guess: an init system under load starts a unit in a second.
const FIRST_WORD: Duration = Duration::from_secs(60);

/// What came of a wish for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The run began.
    Started(String),
    /// The session has one.
    Busy,
    /// No run will begin, and why.
    Refused(String),
    /// The run that had begun is over.
    Ended(String),
    /// The connection ended, or never was, and why.
    Gone(String),
}

/// A word about one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) session: String,
    pub(crate) word: Word,
}

/// Asks for a run of `session` and reports what is said about it until it is over.
pub(crate) async fn ask(socket: PathBuf, session: String, cause: Cause, said: UnboundedSender<Said>) {
    let tell = |word| {
        // Nobody listens any more: the router leaves, and the run goes on without it.
        let _unheard = said.send(Said { session: session.clone(), word });
    };
    match converse(socket, &session, cause, &tell).await {
        Ok(last) => tell(last),
        Err(error) => tell(Word::Gone(error.to_string())),
    }
}

async fn converse(socket: PathBuf, session: &str, cause: Cause, tell: &impl Fn(Word)) -> io::Result<Word> {
    let mut stream = nc_daemon::connect(&socket).await?;
    stream.write_all(format!("run {session} {cause}\n").as_bytes()).await?;
    let mut lines = BufReader::new(stream);
    let first = match tokio::time::timeout(FIRST_WORD, line(&mut lines)).await {
        Ok(first) => word(&first?),
        Err(_) => Word::Gone(format!("it said nothing for {} s", FIRST_WORD.as_secs())),
    };
    if !matches!(first, Word::Started(_)) {
        return Ok(first);
    }
    tell(first);
    Ok(word(&line(&mut lines).await?))
}

/// The next line without its end; empty at the end of the conversation.
async fn line(lines: &mut BufReader<UnixStream>) -> io::Result<String> {
    let mut line = Vec::new();
    lines.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn word(line: &str) -> Word {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb {
        "started" => Word::Started(rest.to_owned()),
        "busy" => Word::Busy,
        "refused" => Word::Refused(rest.to_owned()),
        "ended" => Word::Ended(rest.to_owned()),
        "" => Word::Gone("it closed the connection without a word".to_owned()),
        other => Word::Gone(format!("it said {other:?}, which is no word of nc-run(5)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood_and_a_strange_one_is_no_start() {
        let cases = [
            ("started 0190-a", Word::Started("0190-a".to_owned())),
            ("busy", Word::Busy),
            ("refused the group has no folder", Word::Refused("the group has no folder".to_owned())),
            ("ended failed", Word::Ended("failed".to_owned())),
        ];
        for (line, expected) in cases {
            assert_eq!(word(line), expected);
        }
        for line in ["", "hello you", "STARTED x"] {
            assert!(matches!(word(line), Word::Gone(_)), "{line:?}");
        }
    }
}
