//! A talk without a person at it: each line is a message, and standard output has the replies to them and nothing else.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use nc_daemon::{Failure, Signals};
use nc_model::{Seq, Timestamp};
use nc_store::{Fate, Leased, now};
use tokio::sync::mpsc::Receiver;

use super::Line;
use super::conversation::Conversation;
use super::fate::{Verdict, verdict};
use super::screen::{Said, Screen};
use crate::ending::Refusal;
use crate::output::harmless;

/// How often it is seen whether anybody is still there to answer; replies themselves ring.
const STILL_THERE: Duration = Duration::from_secs(2);

/// Says every line, each when the one before is answered.
pub(super) async fn run(mut talk: Conversation<'_>, mut lines: Receiver<Line>) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut screen = Piped::new(talk.assistant());
    let mut status = ExitCode::SUCCESS;
    loop {
        talk.look(&mut screen).await?;
        let line = tokio::select! {
            line = lines.recv() => line,
            () = talk.rung() => continue,
            _ = signals.next() => return Err(Refusal::no("interrupted")),
        };
        let Some(line) = line else { return Ok(status) };
        if let Some(why) = say(&mut talk, &mut screen, &mut signals, line).await? {
            eprintln!("nanoclawctl: {why}");
            status = ExitCode::from(Failure::FAILED);
        }
    }
}

/// Says one line and waits for its end; why it was not answered, where it was not.
async fn say(
    talk: &mut Conversation<'_>,
    screen: &mut Piped<'_>,
    signals: &mut Signals,
    line: Line,
) -> anyhow::Result<Option<String>> {
    let (number, text) = match line {
        Line::Text { number, text } => (number, text),
        Line::Refused { why } => return Ok(Some(why)),
        Line::Broken { why } => return Err(Refusal::no(why)),
    };
    let name = number.map_or_else(|| "the message".to_owned(), |number| format!("line {number}"));
    let since = now();
    let seq = talk.say(text).await?;
    screen.awaited = Some(Awaited { seq, since, fate: Fate::default() });
    let ended = answer(talk, screen, signals, seq, &name).await;
    screen.awaited = None;
    Ok(match ended? {
        Verdict::Answered => None,
        Verdict::Silent => {
            eprintln!("nanoclawctl: {} took {name} and said nothing", talk.assistant());
            None
        }
        Verdict::Unanswered(why) => Some(format!("{name} {why}")),
    })
}

async fn answer(
    talk: &mut Conversation<'_>,
    screen: &mut Piped<'_>,
    signals: &mut Signals,
    seq: Seq,
    name: &str,
) -> anyhow::Result<Verdict> {
    let mut still_there = tokio::time::interval(STILL_THERE);
    loop {
        // First the fate, then the look: what belongs to an end that was seen is shown before it is acted on.
        let fate = talk.fate(seq)?;
        let verdict = verdict(&fate, talk.assistant());
        if let Some(awaited) = &mut screen.awaited {
            awaited.fate.clone_from(&fate);
        }
        talk.look(screen).await?;
        if let Some(verdict) = verdict
            && !has_open_answer(talk, &fate)?
        {
            return Ok(verdict);
        }
        tokio::select! {
            () = talk.rung() => {}
            _ = still_there.tick() => if !talk.is_heard() {
                return Err(Refusal::again(format!(
                    "NanoClaw has stopped; {name} is kept, it is answered when NanoClaw runs again, and the reply is shown \
                     at the next `nanoclawctl talk`"
                )));
            },
            _ = signals.next() => return Err(Refusal::no(format!(
                "interrupted; {name} is kept and the reply is shown at the next `nanoclawctl talk`"
            ))),
        }
    }
}

/// Whether a reply that ended the message is still to be shown.
fn has_open_answer(talk: &Conversation<'_>, fate: &Fate) -> anyhow::Result<bool> {
    for agent in &fate.agents {
        for delivery in agent.answer_delivery_id.iter().chain(&agent.notice_delivery_id) {
            if talk.is_open(delivery)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The message whose answer is waited for.
struct Awaited {
    seq: Seq,
    since: Timestamp,
    fate: Fate,
}

impl Awaited {
    /// Whether `leased` answers the message: it says so, or the message's end says so, or the agent that works on the
    /// message sent it without saying what it answers.
    fn is_answered_by(&self, leased: &Leased) -> bool {
        let Some(session) = &leased.session_id else { return false };
        if let Some(replied) = &leased.in_reply_to
            && replied.split(':').next() == Some(&self.seq.to_string())
        {
            return true;
        }
        let ends = |id: &Option<String>| id.as_ref() == Some(&leased.delivery_id);
        if self.fate.agents.iter().any(|agent| ends(&agent.answer_delivery_id)) {
            return true;
        }
        let mut sessions = self.fate.agents.iter().filter_map(|agent| agent.session_id.as_ref());
        let works = !self.fate.routed || sessions.any(|s| s == session);
        works && leased.in_reply_to.is_none() && leased.created_at >= self.since
    }
}

/// Standard output for the answers, standard error for everything else.
struct Piped<'a> {
    assistant: &'a str,
    to_terminal: bool,
    awaited: Option<Awaited>,
}

impl<'a> Piped<'a> {
    fn new(assistant: &'a str) -> Self {
        Self { assistant, to_terminal: io::stdout().is_terminal(), awaited: None }
    }
}

impl Screen for Piped<'_> {
    fn show(&mut self, said: Said<'_>) -> io::Result<bool> {
        let answers = self.awaited.as_ref().is_some_and(|awaited| awaited.is_answered_by(said.leased));
        if !answers && said.elsewhere {
            return Ok(false);
        }
        if answers && !said.again {
            let text = if self.to_terminal { harmless(said.text) } else { said.text.to_owned() };
            let mut out = io::stdout().lock();
            writeln!(out, "{text}")?;
            out.flush()?;
            return Ok(true);
        }
        let who = if said.leased.session_id.is_some() { self.assistant } else { "NanoClaw" };
        let perhaps = if said.again { ", perhaps shown before" } else { "" };
        let text = harmless(said.text);
        writeln!(io::stderr(), "nanoclawctl: {who} ({}{perhaps}): {text}", said.leased.created_at)?;
        Ok(true)
    }
}
