//! Claude Code: one process for as long as the agent lives, driven over its standard input and output.
//!
//! ```text
//! it dies                       started again with the next prompt, and goes on with its session
//! it has lost the session       started anew, which a person is told once
//! it hangs                      killed, then as if it had died
//! it cannot be used at all      said to whoever waits, and the agent leaves
//! ```

mod archive;
mod lines;
mod mcp;
mod process;
mod protocol;
mod running;
mod turns;
mod version;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use self::process::Launch;
use self::protocol::Outcome;
use self::running::{Compaction, Death, Happened, Next, Running};
use self::turns::Turns;
use super::{Abilities, Answer, Event, Prompt, Provider};
use crate::gateway::Gateway;
use crate::tools::ToolOutcome;
use crate::usage::{ToolUse, Usage};

/// How often it is started before it is given up, where it hangs or dies at its start. The first start on a slow disk may take
/// long, and the second finds the file in memory.
const STARTS: u32 = 2;

/// How long its transcript is given to be whole: it writes what was said after 0.1 s.
const TRANSCRIPT_AFTER: Duration = Duration::from_millis(300);

/// How long it may take to end by itself when the agent ends.
const END_WITHIN: Duration = Duration::from_millis(700);

/// What it is started with, and where things are.
pub(crate) struct Setup {
    /// The program.
    pub(crate) binary: PathBuf,
    /// The group's directory, in which it works.
    pub(crate) directory: PathBuf,
    /// Other directories whose memory it reads.
    pub(crate) also: Vec<PathBuf>,
    /// The model, where the host names one.
    pub(crate) model: Option<String>,
    /// What the model is told about its place.
    pub(crate) instructions: String,
    /// The session to go on with.
    pub(crate) session: Option<String>,
    /// A turn has ended in that session before.
    pub(crate) conversed: bool,
    /// What the agent is called.
    pub(crate) name: String,
    /// The user's zone.
    pub(crate) zone: TimeZone,
    /// How long it may take to answer first.
    pub(crate) start_within: Duration,
}

/// Claude Code as a provider.
pub(crate) struct Claude {
    launch: Launch,
    gateway: Gateway,
    instructions: String,
    name: String,
    zone: TimeZone,
    /// The session that it is in, or goes on with.
    session: Option<String>,
    /// There is a conversation that somebody would miss.
    conversed: bool,
    running: Option<Running>,
    turns: Turns,
    /// What happened and was not told yet.
    events: VecDeque<Event>,
    start_within: Duration,
    failed_starts: u32,
    /// It was asked to break off.
    interrupted: bool,
    first_push: Option<Instant>,
    /// It waits for this before it makes its conversation shorter.
    compaction: Option<(Instant, Compaction)>,
    /// What tools were used since the last result.
    tools: BTreeMap<String, ToolUse>,
}

impl Claude {
    /// Prepares it; it is started when there is something to do.
    pub(crate) fn new(setup: Setup, gateway: Gateway) -> Self {
        let launch = Launch {
            binary: setup.binary,
            directory: setup.directory,
            also: setup.also,
            model: setup.model.or_else(|| gateway.model().map(str::to_owned)),
            environment: gateway.environment(),
        };
        Self {
            launch,
            gateway,
            instructions: setup.instructions,
            name: setup.name,
            zone: setup.zone,
            session: setup.session,
            conversed: setup.conversed,
            running: None,
            turns: Turns::default(),
            events: VecDeque::new(),
            start_within: setup.start_within,
            failed_starts: 0,
            interrupted: false,
            first_push: None,
            compaction: None,
            tools: BTreeMap::new(),
        }
    }

    /// Starts it and hands it what it has not dealt with.
    fn start(&mut self) {
        let process = match self.launch.start(self.session.as_deref()) {
            Ok(process) => process,
            Err(error) => return self.give_up(words_of_start(&error, &self.launch)),
        };
        info!("Claude Code is started{}", if self.session.is_some() { " and goes on with its session" } else { "" });
        let running = Running::new(process, self.start_within);
        running.tell(&protocol::initialize(&self.instructions));
        for sent in self.turns.sent() {
            running.tell(&protocol::prompt(&sent.uuid, &sent.text));
        }
        self.running = Some(running);
    }

    /// It will never work: whoever waits is told, and nothing more is tried.
    fn give_up(&mut self, text: String) {
        self.turns.clear();
        self.events.push_back(Event::Unusable { text });
    }

    fn take(&mut self, next: Next) {
        match next {
            Next::Line(happened) => {
                for happened in happened {
                    self.happened(happened);
                }
            }
            Next::End(status) => {
                self.compaction = None;
                if let Some(running) = self.running.take() {
                    self.ended(running, status);
                }
            }
        }
    }

    fn happened(&mut self, happened: Happened) {
        match happened {
            Happened::Nothing => {}
            Happened::Event(event) => self.events.push_back(event),
            Happened::Session { id } => self.in_session(id),
            Happened::Begun { uuid } => self.turns.begin(&uuid),
            Happened::ToolEnded { id, name, took } => {
                ToolUse::count(&mut self.tools, &name, took);
                self.events.push_back(Event::ToolEnded { id });
            }
            Happened::Turn(outcome) => self.turn_ended(&outcome),
            Happened::Compaction(compaction) => {
                self.compaction = Some((Instant::now() + TRANSCRIPT_AFTER, compaction));
            }
        }
    }

    fn in_session(&mut self, id: String) {
        self.failed_starts = 0;
        if self.session.as_deref() != Some(&id) {
            self.session = Some(id.clone());
            self.events.push_back(Event::Init { provider_session_id: id });
        }
    }

    fn turn_ended(&mut self, outcome: &Outcome) {
        let through = self.turns.end(outcome);
        let usage = Usage { turns: 1, tools: std::mem::take(&mut self.tools), ..outcome.usage() };
        let usage = Usage { first_token_ms: self.first_token_ms(), ..usage };
        self.events.push_back(if !outcome.is_error {
            let text = outcome.result.clone().unwrap_or_default();
            Event::Result { through, answer: Answer::Text(text), usage }
        } else if std::mem::take(&mut self.interrupted) {
            Event::Error { through, retryable: true, text: "The answer was broken off.".to_owned() }
        } else {
            let text = words::failure(outcome, self.gateway.trouble().as_ref());
            debug!("Claude Code says: {:?} {:?}", outcome.result, outcome.errors);
            Event::Error { through, retryable: false, text }
        });
    }

    /// From the first prompt to the first byte of its answer.
    fn first_token_ms(&self) -> Option<u64> {
        let took = self.gateway.first_byte()?.checked_duration_since(self.first_push?)?;
        u64::try_from(took.as_millis()).ok()
    }

    /// Keeps the conversation, and lets it be made shorter.
    fn compact(&mut self) {
        let Some((_, Compaction { transcript, answer })) = self.compaction.take() else { return };
        self.keep(&transcript);
        if let Some(running) = &self.running {
            running.tell(&answer);
        }
    }

    fn keep(&self, transcript: &Path) {
        let directory = self.launch.directory.join("conversations");
        match archive::keep(transcript, &directory, &self.name, &self.zone) {
            Ok(path) => info!("the conversation is about to be made shorter, and is kept as {path:?}"),
            Err(error) => warn!("the conversation is about to be made shorter, and could not be kept: {error}"),
        }
    }

    /// What follows from the end of the process.
    fn ended(&mut self, running: Running, status: io::Result<std::process::ExitStatus>) {
        let ended = running.death(status);
        match ended {
            Death::Lost if self.session.is_some() => {
                warn!("Claude Code has no such session any more, and begins a new one");
                self.session = None;
                // Killed before its first answer it had written nothing yet, and nobody misses anything.
                if self.conversed {
                    let text = "I could not find our earlier conversation any more, and begin anew.".to_owned();
                    self.events.push_back(Event::Notice { text });
                }
                self.start();
            }
            Death::Useless { reason } => self.give_up(format!("Claude Code cannot be used: {reason}")),
            Death::AtStart { reason } => {
                self.failed_starts += 1;
                warn!("Claude Code did not start: {reason}");
                if self.failed_starts >= STARTS {
                    self.give_up(format!("Claude Code cannot be used: {reason}"));
                } else {
                    self.start();
                }
            }
            Death::Lost => self.died("it lost its session"),
            Death::AtWork { reason } => self.died(&reason),
        }
    }

    fn died(&mut self, reason: &str) {
        warn!("Claude Code has ended: {reason}");
        self.events.push_back(Event::Background { tasks: Vec::new() });
        if let Some(through) = self.turns.last() {
            self.turns.clear();
            let text = format!("Claude Code ended in the middle of its work: {}", words::sentence(reason));
            self.events.push_back(Event::Error { through: Some(through), retryable: true, text });
        }
    }
}

impl Provider for Claude {
    fn abilities(&self) -> Abilities {
        Abilities { folds: true, corrects: true }
    }

    async fn push(&mut self, prompt: &Prompt) {
        self.first_push.get_or_insert_with(Instant::now);
        if self.turns.is_empty() {
            self.gateway.begin();
        }
        let sent = self.turns.add(prompt);
        match &mut self.running {
            Some(running) => running.push(&protocol::prompt(&sent.uuid, &sent.text)),
            None => self.start(),
        }
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let Some(running) = &mut self.running else { return std::future::pending().await };
            let overdue = running.overdue(!self.turns.is_empty());
            let to_keep = self.compaction.as_ref().map(|(at, _)| *at);
            tokio::select! {
                next = running.next() => {
                    self.take(next);
                    if self.events.is_empty() {
                        return Event::Progress;
                    }
                }
                () = self.gateway.sign_of_life() => return Event::Progress,
                () = at(to_keep) => self.compact(),
                () = at(overdue) => running.is_late(self.gateway.is_idle()),
            }
        }
    }

    async fn returned(&mut self, call: &str, outcome: &ToolOutcome) {
        if let Some(running) = &mut self.running {
            running.returned(call, outcome);
        }
    }

    async fn interrupt(&mut self) {
        if let Some(running) = &self.running {
            self.interrupted = true;
            running.tell(&protocol::interrupt());
        }
    }

    async fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.end(Instant::now() + END_WITHIN).await;
        }
    }
}

/// Waits until a time, for ever where there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn words_of_start(error: &io::Error, launch: &Launch) -> String {
    let binary = launch.binary.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!("Claude Code cannot be used: there is no program {binary}, or what it needs to run is missing.")
        }
        io::ErrorKind::PermissionDenied => format!("Claude Code cannot be used: {binary} may not be executed."),
        _ => format!("Claude Code cannot be used: {binary} cannot be started ({error})."),
    }
}
