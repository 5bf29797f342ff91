//! What is printed: tables for people, JSON for programs, and nothing in colour but on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use comfy_table::{Table, presets};
use serde::Serialize;

/// Columns between two columns of a table.
const GAP: u16 = 2;

/// Whoever read our standard output has closed it.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(crate) struct Closed;

/// Prints `text` on standard output.
///
/// # Errors
/// [`Closed`] where nobody reads it any more, which is no failure of the command.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        Err(error) => Err(anyhow::Error::new(error).context("failed to write to standard output")),
    }
}

/// Prints a line.
pub(crate) fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    print(&format!("{}\n", text.as_ref()))
}

/// Prints `value` as JSON, indented.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// Prints rows in columns under `heads`. Without rows only `empty` is printed.
pub(crate) fn table(heads: &[&str], rows: Vec<Vec<String>>, empty: &str) -> anyhow::Result<()> {
    if rows.is_empty() {
        return line(empty);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heads.iter().map(|head| head.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| harmless(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    let text = table.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
    line(text)
}

/// The text without what a terminal would obey: control characters are shown as pictures, but for line ends and tabs.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\x7f'..='\u{9f}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// A path between quotes, with what is odd in it escaped.
pub(crate) fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

/// How things stand out where they may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Colour(bool);

impl Colour {
    /// In colour where standard output is a terminal that can, and nobody asked for none (`NO_COLOR`, no-color.org).
    pub(crate) fn of_stdout() -> Self {
        let asked_not = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|t| t == "dumb");
        Self(io::stdout().is_terminal() && !asked_not && !dumb)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_terminal_obeys_nothing_in_a_harmless_text() {
        assert_eq!(harmless("a\x1b[2J\r\nb\tc\u{9b}d\x7f é👍"), "a␛[2J␍\nb\tc\u{fffd}d\u{fffd} é👍");
    }
}
