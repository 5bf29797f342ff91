//! A talk with a person: a line to edit, replies above it as they come.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nc_daemon::{Failure, Signal, Signals};
use nc_model::Seq;

use super::conversation::Conversation;
use super::editor::{Indicator, Prompt, Typed};
use super::fate::{Verdict, verdict};
use super::lines;
use super::screen::{Said, Screen};
use crate::ending::Refusal;
use crate::output::{Colour, harmless};

/// How often the indicator moves while an agent works.
const TICK: Duration = Duration::from_secs(1);

/// The longest name in the indicator, which must not fill a line.
const LONGEST_NAME: usize = 20;

/// Talks until the person leaves.
pub(super) async fn run(mut talk: Conversation<'_>) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut desk = Desk::begin(&talk)?;
    // One clock for the whole talk, so that a bell that never rests does not hold it.
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        talk.look(&mut desk).await?;
        desk.see_who_is_done(&talk)?;
        tokio::select! {
            typed = desk.prompt.next() => match typed {
                Typed::Line(line) => desk.say(&mut talk, line).await?,
                Typed::Leave => {
                    desk.leave();
                    return Ok(ExitCode::SUCCESS);
                }
                Typed::Broken(why) => return Err(Refusal::no(format!("the terminal cannot be read: {why}"))),
            },
            () = talk.rung() => {}
            _ = tick.tick(), if !desk.waiting.is_empty() => desk.tick(&talk)?,
            signal = signals.next() => return Ok(match signal {
                // Where the terminal knows no line to edit, Ctrl-C comes so.
                Signal::Interrupt => ExitCode::SUCCESS,
                Signal::Stop | Signal::Reload => ExitCode::from(Failure::FAILED),
            }),
        }
    }
}

/// What lies before the person.
struct Desk {
    prompt: Prompt,
    indicator: Indicator,
    colour: Colour,
    assistant: String,
    /// What was said and is not done, the oldest first, and since when.
    waiting: Vec<(Seq, Instant)>,
    told_of_silence: bool,
}

impl Desk {
    fn begin(talk: &Conversation<'_>) -> anyhow::Result<Self> {
        let colour = Colour::of_stdout();
        let assistant = harmless(talk.assistant());
        println!(
            "{}",
            colour.dim(&format!("This is {assistant}. Arrow keys bring back what you wrote; Ctrl-D leaves."))
        );
        let indicator = Indicator::default();
        let prompt = Prompt::begin(history_file(talk), indicator.clone())?;
        Ok(Self { prompt, indicator, colour, assistant, waiting: Vec::new(), told_of_silence: false })
    }

    async fn say(&mut self, talk: &mut Conversation<'_>, line: String) -> anyhow::Result<()> {
        if line.trim().is_empty() {
            return Ok(());
        }
        if let Some(fault) = lines::fault(line.as_bytes()) {
            return self.remark(&format!("what you wrote {fault} and was not sent"));
        }
        let seq = talk.say(line).await?;
        self.waiting.push((seq, Instant::now()));
        if !talk.is_heard() {
            self.remark("NanoClaw does not run: what you write is kept, and answered when it does")?;
        }
        self.indicate()
    }

    /// Takes what is done off the list, and says of it what no reply says.
    fn see_who_is_done(&mut self, talk: &Conversation<'_>) -> anyhow::Result<()> {
        let before = self.waiting.len();
        let mut still = Vec::new();
        for (seq, since) in std::mem::take(&mut self.waiting) {
            match verdict(&talk.fate(seq)?, &self.assistant) {
                None => still.push((seq, since)),
                Some(Verdict::Answered) => {}
                Some(Verdict::Silent) => self.remark(&format!("{} read it and said nothing", self.assistant))?,
                Some(Verdict::Unanswered(why)) => self.remark(&format!("your message {why}"))?,
            }
        }
        self.waiting = still;
        if before == self.waiting.len() { Ok(()) } else { self.indicate() }
    }

    fn tick(&mut self, talk: &Conversation<'_>) -> anyhow::Result<()> {
        let silent = !talk.is_heard();
        if silent && !self.told_of_silence {
            self.remark("NanoClaw has stopped: what you wrote is kept, and answered when it runs again")?;
        }
        self.told_of_silence = silent;
        self.indicate()
    }

    /// Says over the prompt that the agent works, and for how long.
    fn indicate(&mut self) -> anyhow::Result<()> {
        let text = self.waiting.first().map_or_else(String::new, |(_, since)| {
            let name: String = self.assistant.chars().take(LONGEST_NAME).collect();
            self.colour.dim(&format!("{name} is working … {} s", since.elapsed().as_secs()))
        });
        self.indicator.set(text);
        Ok(self.prompt.redraw()?)
    }

    fn remark(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.prompt.print(&self.colour.yellow(&format!("({text})")))?)
    }

    fn leave(&self) {
        if !self.waiting.is_empty() {
            println!("({} still works; the reply is shown at the next talk)", self.assistant);
        }
    }
}

impl Screen for Desk {
    fn show(&mut self, said: Said<'_>) -> io::Result<bool> {
        let who = if said.leased.session_id.is_some() { &self.assistant } else { "NanoClaw" };
        let again = if said.again { " (perhaps shown before)" } else { "" };
        let head = self.colour.bold(&self.colour.green(&format!("{who}{again}:")));
        // What it says stays on the screen, so the work that it ends is not indicated below it any more.
        self.indicator.set(String::new());
        self.prompt.print(&format!("{head} {}", harmless(said.text.trim_end())))?;
        Ok(true)
    }
}

/// This user's history, 0600 in a directory of the installation; none where it cannot be had.
fn history_file(talk: &Conversation<'_>) -> Option<PathBuf> {
    let dir = talk.installed().paths().talk_history();
    talk.installed().make_dir(&dir).ok()?;
    let file = dir.join(&talk.user().name);
    talk.installed().make_file(&file, "").ok()?;
    Some(file)
}
