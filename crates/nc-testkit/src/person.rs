//! A person at a terminal who knows what he said and what he was shown, whatever becomes of the terminal.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use nc_model::Seq;
use nc_store::Store;

use crate::{PATIENCE, Toolkit, wait_for};

/// How often a text was shown: plainly, and as what a terminal that died had perhaps shown before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// As an answer, or as what came while nobody waited.
    pub plainly: u32,
    /// Marked as perhaps shown before.
    pub perhaps: u32,
}

/// A person who talks to one group, and starts `nanoclawctl talk` again whenever it ends.
#[derive(Debug)]
pub struct Person {
    group: String,
    talk: Option<Talk>,
    shown: HashMap<String, Shown>,
    said: Vec<String>,
    heard: Vec<String>,
}

#[derive(Debug)]
struct Talk {
    child: Child,
    to: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Person {
    /// A person who will talk to the group in this folder.
    #[must_use]
    pub fn new(group: &str) -> Self {
        let (shown, said, heard) = (HashMap::new(), Vec::new(), Vec::new());
        Self { group: group.to_owned(), talk: None, shown, said, heard }
    }

    /// Says `text` (one word) and waits for its answer, with a new terminal wherever one ends. Returns how long it took.
    ///
    /// A text that no store ever had, since the terminal was killed first, is said again.
    ///
    /// # Panics
    /// Where it is not answered within `patience`, with what the programs said.
    pub fn converse(&mut self, kit: &Toolkit, text: &str, patience: Duration) -> Duration {
        let begun = Instant::now();
        let mut said = false;
        self.said.push(text.to_owned());
        loop {
            if self.shown.contains_key(text) {
                return begun.elapsed();
            }
            if self.talk.is_none() {
                said = said && was_accepted(kit, text);
                self.talk = Some(Talk::start(kit, &self.group));
            }
            if !said {
                said = true;
                self.say(text);
            }
            let left = patience.saturating_sub(begun.elapsed());
            assert!(!left.is_zero(), "no answer to {text:?}; heard {:?}\n{}", self.heard.last_chunk::<20>(), kit.log());
            self.listen(left);
        }
    }

    fn say(&mut self, text: &str) {
        if let Some(to) = self.talk.as_mut().and_then(|talk| talk.to.as_mut()) {
            // One that is gone is noticed by its silence.
            writeln!(to, "{text}").ok();
        }
    }

    /// Hears one line, or the end of the terminal.
    fn listen(&mut self, patience: Duration) {
        let Some(talk) = &self.talk else { return };
        match talk.lines.recv_timeout(patience) {
            Ok(line) => self.note(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => drop(self.leave()),
        }
    }

    fn note(&mut self, line: String) {
        for said in line.split("You said: ").skip(1) {
            let text = said.split_whitespace().next().unwrap_or_default().to_owned();
            let shown = self.shown.entry(text).or_default();
            if line.contains("perhaps shown before") { shown.perhaps += 1 } else { shown.plainly += 1 }
        }
        self.heard.push(line);
    }

    /// Ends the terminal in order, and hears its last words. Returns how it ended; none where there was no terminal.
    ///
    /// # Panics
    /// Where it cannot be waited for.
    pub fn leave(&mut self) -> Option<i32> {
        let mut talk = self.talk.take()?;
        drop(talk.to.take());
        while let Ok(line) = talk.lines.recv() {
            self.note(line);
        }
        talk.child.wait().expect("a child can be waited for").code()
    }

    /// The process of the terminal, where there is one.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.talk.as_ref().and_then(|talk| i32::try_from(talk.child.id()).ok())
    }

    /// What he was told, but for answers.
    #[must_use]
    pub fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Says what is wrong from the outside: what was said and not shown, or shown twice without a mark.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let of = |text: &String| self.shown.get(text).copied().unwrap_or_default();
        let wrong = self.said.iter().map(|text| (text, of(text)));
        let wrong = wrong.filter(|(_, shown)| shown.plainly > 1 || shown.plainly + shown.perhaps == 0);
        wrong.map(|(text, shown)| format!("{text}: {shown:?}")).collect()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.child.kill().ok();
            talk.child.wait().ok();
        }
    }
}

impl Talk {
    fn start(kit: &Toolkit, group: &str) -> Self {
        let mut command = kit.program("nanoclawctl");
        command.args(["talk", group]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("talk starts");
        let (sender, lines) = channel();
        read(child.stdout.take().expect("standard output is a pipe"), sender.clone());
        read(child.stderr.take().expect("standard error is a pipe"), sender);
        Self { to: child.stdin.take(), child, lines }
    }
}

/// Each line is a word on the channel, and so is the end of both streams.
fn read(from: impl Read + Send + 'static, to: Sender<String>) {
    spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
}

/// A terminal that was killed may have read a line without storing it; nobody was told that it was accepted.
fn was_accepted(kit: &Toolkit, text: &str) -> bool {
    let file = kit.installation().store_file();
    let look = || Store::open(&file).and_then(|store| store.messages_after(Seq(0), 1_000_000)).ok();
    // It may be full or locked just now.
    let all = wait_for(2 * PATIENCE, look).expect("the store can be read");
    all.into_iter().any(|message| message.text.as_deref() == Some(text))
}
