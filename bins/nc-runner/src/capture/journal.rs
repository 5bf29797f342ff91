//! The output of a run in the journal: a line each, under its run, and under the message that it names.
//!
//! A line as nc-agent prints it begins with a time and a level, which become those of the journal; one that has `row=ID` in it
//! is about the message that the row of the mailbox is, where the session was given that message. Everything else in the
//! sandbox may print such lines, too: they tell no more than what is this session's own.

use std::collections::HashMap;
use std::mem;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nc_model::harmless;
use nc_store::Store;
use tracing::{Level, debug, error, info, trace, warn};

use crate::whose::Whose;

/// Under which name an agent's lines stand in the journal.
const SPEAKER: &str = "nc-agent";

/// The longest line, in bytes; a longer one is several. A guess at what a person reads.
const MAX_LINE: usize = 8 * 1024;

/// How many lines go to the journal in what time. journald.conf(5) drops what a unit says beyond 10,000 messages in 30 s, and
/// with it what nc-runner has to say of the run.
const LINES: u32 = 4000;
const WINDOW: Duration = Duration::from_secs(30);

/// How many rows are remembered.
const REMEMBERED: usize = 1000;

/// Somewhere for lines to go.
pub(crate) trait Sink {
    /// Takes a line, or a piece of one; `whose` is what the line's first piece was, and none for that piece itself.
    fn say(&mut self, piece: &[u8], whose: Option<Heading>) -> Heading;
}

/// Level and message of a line.
pub(crate) type Heading = (Level, Option<i64>);

/// The bytes of one pipe in lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    /// Of a line whose beginning was handed on.
    heading: Option<Heading>,
}

impl Lines {
    /// Hands on each line that `bytes` end, and the pieces of one that is too long.
    pub(crate) fn take(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(MAX_LINE) {
                if self.begun.len() + part.len() > MAX_LINE {
                    self.hand_on(sink);
                }
                self.begun.extend_from_slice(part);
            }
            if self.begun.ends_with(b"\n") {
                self.hand_on(sink);
                self.heading = None;
            }
        }
    }

    /// Hands on what has no end.
    pub(crate) fn end(&mut self, sink: &mut impl Sink) {
        if !self.begun.is_empty() {
            self.hand_on(sink);
        }
    }

    fn hand_on(&mut self, sink: &mut impl Sink) {
        self.heading = Some(sink.say(&self.begun, self.heading));
        self.begun.clear();
    }
}

/// The words of one run's agent.
#[derive(Debug)]
pub(crate) struct Words {
    whose: Whose,
    rows: Rows,
    limit: u64,
    left: u64,
    window: Instant,
    lines: u32,
    left_out: u64,
}

impl Words {
    /// At most `limit` bytes go to the journal.
    pub(crate) fn new(whose: Whose, store: PathBuf, limit: u64) -> Self {
        let rows = Rows { path: store, store: None, known: HashMap::new() };
        Self { whose, rows, limit, left: limit, window: Instant::now(), lines: 0, left_out: 0 }
    }

    /// Says what was left out.
    pub(crate) fn finish(&mut self) {
        let left_out = mem::take(&mut self.left_out);
        if left_out > 0 {
            let seconds = WINDOW.as_secs();
            let text =
                format!("[nc-runner: {left_out} lines are left out: an agent has {LINES} of them in {seconds} s]");
            log(&self.whose, Level::WARN, None, &text);
        }
    }

    /// The message that `row` is, where the session was given it. What cannot be looked up counts as none.
    fn message(&mut self, row: &str) -> Option<i64> {
        let Whose { run, session, group } = &self.whose;
        let found = self.rows.message(session, row)?;
        let seq = match found {
            Found::Known(seq) => return Some(seq),
            Found::New(seq) => seq,
        };
        // A run that goes on gets messages that it was not begun for.
        info!(_message = seq, run, session, group, "its agent has it");
        Some(seq)
    }

    fn has_room(&mut self) -> bool {
        if self.window.elapsed() >= WINDOW {
            (self.window, self.lines) = (Instant::now(), 0);
            self.finish();
        }
        self.lines += 1;
        self.lines <= LINES
    }
}

impl Sink for Words {
    /// Logs a line, as far as the limits go.
    fn say(&mut self, piece: &[u8], whose: Option<Heading>) -> Heading {
        let line = String::from_utf8_lossy(piece);
        let line = line.trim_end();
        let (level, text) = whose.map_or_else(|| read(line), |(level, _)| (level, line));
        if text.is_empty() || self.left == 0 {
            return whose.unwrap_or((level, None));
        }
        if !self.has_room() {
            self.left_out += 1;
            return whose.unwrap_or((level, None));
        }
        self.left = self.left.saturating_sub(line.len() as u64);
        let message = match whose {
            Some((_, message)) => message,
            None => row(text).and_then(|row| self.message(row)),
        };
        log(&self.whose, level, message, &harmless(text));
        if self.left == 0 {
            let text = format!("[nc-runner: cut here, after {} bytes]", self.limit);
            log(&self.whose, Level::WARN, None, &text);
        }
        (level, message)
    }
}

fn log(whose: &Whose, level: Level, message: Option<i64>, text: &str) {
    let (Whose { run, session, group }, speaker, _message) = (whose, SPEAKER, message);
    match level {
        Level::ERROR => error!(speaker, run, session, group, _message, "{text}"),
        Level::WARN => warn!(speaker, run, session, group, _message, "{text}"),
        Level::INFO => info!(speaker, run, session, group, _message, "{text}"),
        Level::DEBUG => debug!(speaker, run, session, group, _message, "{text}"),
        Level::TRACE => trace!(speaker, run, session, group, _message, "{text}"),
    }
}

/// Level and text of a line as nc-agent prints it; any other line is a text at level info.
fn read(line: &str) -> (Level, &str) {
    let is_time =
        |word: &str| word.ends_with('Z') && word.starts_with(|c: char| c.is_ascii_digit()) && word.len() <= 40;
    let parts = line.split_once(' ').filter(|(time, _)| is_time(time));
    let Some((word, text)) = parts.and_then(|(_, rest)| rest.trim_start().split_once(' ')) else {
        return (Level::INFO, line);
    };
    let level = match word {
        "ERROR" => Level::ERROR,
        "WARN" => Level::WARN,
        "INFO" => Level::INFO,
        "DEBUG" => Level::DEBUG,
        "TRACE" => Level::TRACE,
        _ => return (Level::INFO, line),
    };
    (level, text)
}

/// The row of the mailbox that a line names last.
fn row(text: &str) -> Option<&str> {
    let (_, after) = text.rsplit_once(" row=")?;
    after.split_whitespace().next()
}

/// Which rows of the mailbox are messages of the session.
struct Rows {
    path: PathBuf,
    /// Opened when the first row is named.
    store: Option<Store>,
    known: HashMap<String, i64>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Rows {
    fn message(&mut self, session: &str, row: &str) -> Option<Found> {
        if let Some(known) = self.known.get(row) {
            return Some(Found::Known(*known));
        }
        if self.store.is_none() {
            self.store = Store::open(&self.path).ok();
        }
        let found = self.store.as_ref()?.message_of_row(session, row).ok().flatten()?.0;
        if self.known.len() < REMEMBERED {
            self.known.insert(row.to_owned(), found);
        }
        Some(Found::New(found))
    }
}

/// A message of the session.
enum Found {
    /// The agent spoke of it before.
    Known(i64),
    /// The agent speaks of it first.
    New(i64),
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Sink for Vec<(String, bool)> {
        fn say(&mut self, piece: &[u8], whose: Option<Heading>) -> Heading {
            self.push((String::from_utf8_lossy(piece).trim_end_matches('\n').to_owned(), whose.is_none()));
            (Level::DEBUG, None)
        }
    }

    /// The lines, and whether each is the beginning of one.
    fn lines(pieces: &[&[u8]]) -> Vec<(String, bool)> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.take(piece, &mut found);
        }
        lines.end(&mut found);
        found
    }

    #[test]
    fn pieces_become_lines_however_they_come() {
        let found = lines(&[b"a\nb", b"c\n\nd"]);
        assert!(found.iter().all(|(_, begins)| *begins));
        assert_eq!(found.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>(), ["a", "bc", "", "d"]);
        assert!(lines(&[b"", b""]).is_empty());
    }

    #[test]
    fn a_line_without_end_becomes_several_that_are_known_to_go_on() {
        let long = vec![b'x'; MAX_LINE * 2 + 5];
        let found = lines(&[b"y", &long, b"\nz\n"]);
        assert!(found.iter().all(|(line, _)| line.len() <= MAX_LINE));
        assert_eq!(found.iter().map(|(line, _)| line.len()).sum::<usize>(), long.len() + 2);
        let begin: Vec<&str> = found.iter().filter(|(_, begins)| *begins).map(|(line, _)| line.as_str()).collect();
        assert_eq!(begin, ["y", "z"]);
    }

    #[test]
    fn a_line_of_the_agent_has_its_level_and_any_other_is_a_text() {
        let line = "2026-11-24T19:13:46.260401Z  WARN took a message row=12:3";
        assert_eq!(read(line), (Level::WARN, "took a message row=12:3"));
        for other in ["", "plain", "WARN no time", "2026Z WARNING x", "2026-11-24T19:13:46Z"] {
            assert_eq!(read(other), (Level::INFO, other));
        }
    }

    #[test]
    fn the_last_row_of_a_line_is_meant() {
        assert_eq!(row("took a message row=12:3 at once"), Some("12:3"));
        assert_eq!(row("says \"x row=1:1\" row=2:1"), Some("2:1"));
        assert_eq!(row("brow=12:3"), None);
        assert_eq!(row("ends in row="), None);
    }
}
