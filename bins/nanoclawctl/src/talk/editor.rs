//! The line that a person edits: history on the arrow keys, replies above it, and what the agent does over the prompt.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{DefaultHistory, History as _};
use rustyline::validate::Validator;
use rustyline::{ColorMode, Config, Editor, ExternalPrinter, Helper};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The lines that are kept. A guess: a month of talking.
const HISTORY: usize = 1000;

/// The first line is for what the agent does; it is empty while it does nothing.
const PROMPT: &str = "\nyou> ";

/// What the person did.
#[derive(Debug)]
pub(super) enum Typed {
    /// Wrote a line.
    Line(String),
    /// Left, by Ctrl-D or Ctrl-C.
    Leave,
    /// Nothing can be read any more.
    Broken(String),
}

/// What is said over the prompt, shared with the thread that draws it.
#[derive(Clone, Debug, Default)]
pub(super) struct Indicator(Arc<Mutex<String>>);

impl Indicator {
    pub(super) fn set(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The terminal while somebody edits a line in it.
pub(super) struct Prompt {
    typed: UnboundedReceiver<Typed>,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
    before: Option<Termios>,
}

impl Prompt {
    /// Begins to read lines, in a thread of its own; those of `history` are on the arrow keys.
    pub(super) fn begin(history: Option<PathBuf>, indicator: Indicator) -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).ok();
        let config = Config::builder()
            .auto_add_history(false)
            .max_history_size(HISTORY)?
            .history_ignore_dups(true)?
            // What the prompt says goes the way of colours, and is there without them, too: `NO_COLOR` is heeded by us.
            .color_mode(ColorMode::Forced)
            .build();
        let mut editor: Editor<Above, DefaultHistory> = Editor::with_config(config)?;
        editor.set_helper(Some(Above { indicator }));
        if let Some(file) = &history {
            // A first talk has none, and one that cannot be read is no reason not to talk.
            drop(editor.load_history(file));
        }
        // A terminal that knows nothing has no line to print above: replies are then printed as they come.
        let printer = editor.create_external_printer().ok().map(|p| Box::new(p) as Box<dyn ExternalPrinter + Send>);
        let (sender, typed) = unbounded_channel();
        thread::spawn(move || read_lines(&mut editor, history.as_ref(), &sender));
        Ok(Self { typed, printer, before })
    }

    /// What the person does next.
    pub(super) async fn next(&mut self) -> Typed {
        self.typed.recv().await.unwrap_or(Typed::Leave)
    }

    /// Prints lines above the one that is edited.
    pub(super) fn print(&mut self, text: &str) -> io::Result<()> {
        match &mut self.printer {
            Some(printer) => printer.print(format!("{text}\n")).map_err(io::Error::other),
            None => writeln!(io::stdout(), "{text}"),
        }
    }

    /// Draws the prompt again, with what the indicator says now. The cursor goes up and comes down again, so that
    /// nothing moves.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        match &mut self.printer {
            Some(printer) => printer.print("\x1b[A\n".to_owned()).map_err(io::Error::other),
            None => Ok(()),
        }
    }
}

impl Drop for Prompt {
    /// The thread may still be reading: the terminal is put back as it was before it began.
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && tcgetattr(io::stdin()).is_ok_and(|now| now != *before)
        {
            let _restored = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
            // Bracketed paste off, and out of the line.
            let _left = io::stdout().write_all(b"\x1b[?2004l\n");
        }
    }
}

fn read_lines(editor: &mut Editor<Above, DefaultHistory>, history: Option<&PathBuf>, to: &UnboundedSender<Typed>) {
    loop {
        let typed = match editor.readline(PROMPT) {
            Ok(line) => Typed::Line(line),
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Typed::Leave,
            Err(error) => Typed::Broken(error.to_string()),
        };
        if let Typed::Line(line) = &typed {
            remember(editor, history, line);
        }
        let last = !matches!(typed, Typed::Line(_));
        if to.send(typed).is_err() || last {
            return;
        }
    }
}

/// Keeps a line for the arrow keys, now and the next time; a history that cannot be written is no reason not to talk.
fn remember(editor: &mut Editor<Above, DefaultHistory>, file: Option<&PathBuf>, line: &str) {
    if line.trim().is_empty() || !editor.history_mut().add(line).unwrap_or(false) {
        return;
    }
    let is_plain = |file: &PathBuf| fs::symlink_metadata(file).is_ok_and(|found| found.is_file());
    if let Some(file) = file.filter(|file| is_plain(file)) {
        drop(editor.append_history(file));
    }
}

/// Puts the indicator over the prompt.
struct Above {
    indicator: Indicator,
}

impl Highlighter for Above {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        Cow::Owned(format!("{}{prompt}", self.indicator.get()))
    }
}

impl Helper for Above {}
impl Validator for Above {}
impl Hinter for Above {
    type Hint = String;
}
impl Completer for Above {
    type Candidate = String;
}
