//! What is printed: tables for people, JSON for programs, and nothing in colour but on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use comfy_table::{ContentArrangement, Row, Table, presets};
pub(crate) use nc_model::harmless;
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

/// Prints rows in columns under `heads`, each a line: on a terminal cut to its width, elsewhere whole. Without rows only
/// `empty` is printed.
pub(crate) fn table(heads: &[&str], rows: Vec<Vec<String>>, empty: &str) -> anyhow::Result<()> {
    if rows.is_empty() {
        return line(empty);
    }
    laid_out(heads, rows, Some(1))
}

/// Prints what is known of one thing, each a name and a value, which takes as many lines as it needs.
pub(crate) fn facts(rows: Vec<(&str, String)>) -> anyhow::Result<()> {
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    laid_out(&["what", "value"], rows, None)
}

fn laid_out(heads: &[&str], rows: Vec<Vec<String>>, height: Option<usize>) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heads.iter().map(|head| head.to_uppercase()));
    let on_terminal = io::stdout().is_terminal();
    table.set_content_arrangement(if on_terminal { ContentArrangement::Dynamic } else { ContentArrangement::Disabled });
    for row in rows {
        let mut row = Row::from(row.iter().map(|cell| harmless(cell).replace(['\n', '\t'], " ")));
        if let Some(lines) = height.filter(|_| on_terminal) {
            row.max_height(lines);
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    let text = table.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
    line(text)
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
