//! Where log lines go: to the journal, or as one readable line each to standard error.

use std::env;
use std::fmt::Debug;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;

use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing::{Level as EventLevel, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt, reload};

use crate::journal::{Journal, MESSAGE_ID, SPEAKER};

/// Whether this program's lines go to the journal.
static IN_JOURNAL: OnceLock<bool> = OnceLock::new();

/// How the names of our own crates begin.
const OURS: &[&str] = &["nc_", "nanoclaw"];

/// The place where the level can be changed while the program runs.
#[derive(Clone, Debug)]
pub(crate) struct Level(reload::Handle<LevelFilter, Registry>);

impl Level {
    /// Sets the level by its name; an unknown name changes nothing.
    pub(crate) fn set(&self, name: &str) {
        if let Ok(level) = name.parse::<LevelFilter>() {
            drop(self.0.reload(level));
        } else {
            tracing::warn!(level = ?name, "no such log level: write error, warn, info, debug or trace");
        }
    }
}

/// Whether the lines of this program go to the journal, and not to standard error as text.
#[must_use]
pub fn in_journal() -> bool {
    IN_JOURNAL.get().copied().unwrap_or_default()
}

/// Has a command log to the journal as `name` where this machine has one, at the level of that name, and to nowhere else:
/// its standard error is for the person.
pub fn to_journal_alone(name: &str, level: &str) {
    let Ok(journal) = Journal::open(name) else { return };
    let level = level.parse::<LevelFilter>().unwrap_or(LevelFilter::INFO);
    // Two in one process happens in tests only; the first one stays.
    let _first = Registry::default().with(level).with(journal.with_filter(filter_fn(is_wanted))).try_init();
}

/// What libraries say below a warning is left out: nobody here has looked at what they say there, and it may be a secret.
fn is_wanted(event: &Metadata<'_>) -> bool {
    *event.level() <= EventLevel::WARN || OURS.iter().any(|ours| event.target().starts_with(ours))
}

/// Begins to log under `name`, at level info. A second call in one process changes nothing that is heard.
pub(crate) fn begin(name: &str) -> Level {
    let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
    let journal = stderr_is_the_journal().then(|| Journal::open(name)).and_then(Result::ok);
    let _same = IN_JOURNAL.set(journal.is_some());
    let lines = match journal {
        Some(journal) => journal.boxed(),
        None => fmt::layer()
            .fmt_fields(fmt::format::debug_fn(field_in_words))
            .with_writer(|| Lines(io::stderr()))
            .with_target(false)
            .with_ansi(false)
            .boxed(),
    };
    // Two in one process happens in tests only; the first one stays.
    let _first = Registry::default().with(filter).with(lines.with_filter(filter_fn(is_wanted))).try_init();
    Level(handle)
}

/// The text, then ` name=value` for each field. The id of an event and its speaker are for the journal alone.
fn field_in_words(writer: &mut fmt::format::Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        MESSAGE_ID | SPEAKER => Ok(()),
        name => write!(writer, " {}={value:?}", name.trim_start_matches('_')),
    }
}

/// systemd.exec(5): the variable names the device and inode of the stream that it connected to the journal.
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|there| stream == format!("{}:{}", there.dev(), there.ino()))
}

/// One event, one line: a newline inside would be somebody else's line in the eyes of a reader. It never fails, since
/// whoever logs would complain on the same standard error, and panic there: a reader that is gone must not keep a
/// program from an orderly end.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        let mut line = Vec::with_capacity(event.len());
        for &byte in text {
            if byte == b'\n' { line.extend_from_slice(b"\\n") } else { line.push(byte) }
        }
        line.push(b'\n');
        self.0.write_all(&line).ok();
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::Lines;

    #[test]
    fn a_newline_in_a_message_makes_no_second_line() {
        let mut written = Vec::new();
        Lines(&mut written).write_all(b"text=a\nERROR forged\n").expect("a vector takes all");
        assert_eq!(written, b"text=a\\nERROR forged\n");
    }
}
