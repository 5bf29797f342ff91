//! A process at work: what its lines mean, and when it takes too long.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::lines::Read;
use super::process::{Did, Process};
use super::protocol::{self, Asked, BEFORE_COMPACTION, Line, Outcome, Said, System, Unread};
use super::{mcp, version};
use crate::parts::beginning;
use crate::provider::{BackgroundTask, Event};
use crate::tools::ToolOutcome;

/// How long it may be silent with a prompt to answer, no request at the model's API and no tool at work. A guess: what is left
/// to do then takes milliseconds, but for its pauses between tries, which are 10 s at most.
const WEDGED_AFTER: Duration = Duration::from_secs(30);

/// How many lines that nobody can read are passed over before it is given up: few before it has said anything that makes sense,
/// more after that.
const MAX_RUBBISH_FIRST: u32 = 3;
const MAX_RUBBISH: u32 = 20;

/// What it says when it is to go on with a session that it does not have.
const LOST: &str = "No conversation found";

/// What a process of an old version says of our arguments.
const UNKNOWN_OPTION: &str = "unknown option";

/// A process, and what it is doing.
pub(super) struct Running {
    process: Process,
    /// How long it may take to answer first.
    start_within: Duration,
    /// It has answered.
    ready: bool,
    last_line: Instant,
    rubbish: u32,
    /// It has lost the session that it was to go on with.
    lost: bool,
    /// Why we ended it.
    killed_for: Option<Death>,
    /// Tools at work.
    tools: HashMap<String, (String, Instant)>,
    /// Calls of ours that it waits for, by the request that brought each: the message's id in it.
    calls: HashMap<String, Value>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Death {
    /// It does not have the session that it was to go on with.
    Lost,
    /// It never answered.
    AtStart { reason: String },
    /// It works, but is not what is needed.
    Useless { reason: String },
    /// It had been at work.
    AtWork { reason: String },
}

/// What a line comes to.
pub(super) enum Happened {
    Nothing,
    Event(Event),
    /// It is in this session now.
    Session {
        id: String,
    },
    /// A turn has begun with this prompt.
    Begun {
        uuid: String,
    },
    ToolEnded {
        id: String,
        name: String,
        took: Duration,
    },
    Turn(Box<Outcome>),
    /// It is about to make the conversation shorter.
    Compaction(Compaction),
}

/// A conversation that is about to be made shorter: where it lies, and the answer that is waited for.
pub(super) struct Compaction {
    pub(super) transcript: PathBuf,
    pub(super) answer: Value,
}

/// What comes next.
pub(super) enum Next {
    Line(Vec<Happened>),
    End(io::Result<ExitStatus>),
}

impl Running {
    pub(super) fn new(process: Process, start_within: Duration) -> Self {
        Self {
            process,
            start_within,
            ready: false,
            last_line: Instant::now(),
            rubbish: 0,
            lost: false,
            killed_for: None,
            tools: HashMap::new(),
            calls: HashMap::new(),
        }
    }

    pub(super) fn tell(&self, line: &Value) {
        self.process.tell(line);
    }

    /// Hands it a prompt. From here on it has something to do.
    pub(super) fn push(&mut self, line: &Value) {
        self.last_line = Instant::now();
        self.tell(line);
    }

    /// What it does next. It loses nothing when it is dropped.
    pub(super) async fn next(&mut self) -> Next {
        let line = match self.process.next().await {
            Did::End(status) => return Next::End(status),
            Did::Say(Read::Line(line)) => Line::read(line).map_err(|unread| (unread, shown(line))),
            Did::Say(Read::TooLong | Read::End) => {
                debug!("a line of Claude Code is passed over: it is too long");
                return Next::Line(Vec::new());
            }
        };
        self.last_line = Instant::now();
        match line {
            Ok(line) => Next::Line(self.meaning(line)),
            Err((Unread::Unknown(why), _)) => {
                debug!("a line of Claude Code is passed over: {why}");
                Next::Line(Vec::new())
            }
            Err((Unread::Rubbish, line)) => {
                self.rubbish(&line);
                Next::Line(Vec::new())
            }
        }
    }

    fn rubbish(&mut self, line: &str) {
        self.rubbish += 1;
        if self.rubbish == 1 {
            warn!("Claude Code writes what is no JSON: {line:?}");
        }
        if self.rubbish >= if self.ready { MAX_RUBBISH } else { MAX_RUBBISH_FIRST } {
            let reason = format!("it writes what is no JSON, such as {line:?}.");
            self.kill(Death::Useless { reason });
        }
    }

    fn meaning(&mut self, line: Line) -> Vec<Happened> {
        match line {
            Line::System(System::Init { session_id, claude_code_version }) => {
                self.in_session(session_id, &claude_code_version)
            }
            Line::System(System::BackgroundTasksChanged { tasks }) => {
                let task = |task: protocol::Background| BackgroundTask { id: task.task_id, name: task.task_type };
                vec![Happened::Event(Event::Background { tasks: tasks.into_iter().map(task).collect() })]
            }
            Line::Assistant(said) => self.tools_began(&said),
            Line::User(said) => self.tools_ended(&said),
            Line::Result(outcome) => self.turn_ended(outcome),
            Line::ControlRequest { request_id, request } => vec![self.asked(request_id, request)],
            Line::ControlResponse {} => {
                self.ready = true;
                Vec::new()
            }
            Line::CommandLifecycle { command_uuid, state } if state == "started" => {
                vec![Happened::Begun { uuid: command_uuid }]
            }
            Line::CommandLifecycle { .. } | Line::System(System::Other) | Line::Other => Vec::new(),
        }
    }

    fn in_session(&mut self, id: String, version: &str) -> Vec<Happened> {
        self.ready = true;
        if let Some(reason) = version::refusal(version) {
            self.kill(Death::Useless { reason });
            return Vec::new();
        }
        vec![Happened::Session { id }]
    }

    fn tools_began(&mut self, said: &Said) -> Vec<Happened> {
        let mut began = Vec::new();
        for call in said.calls() {
            let (id, name) = (call.id.to_owned(), call.name.to_owned());
            self.tools.insert(id.clone(), (name.clone(), Instant::now()));
            let timeout = call.timeout_ms.map(Duration::from_millis);
            began.push(Happened::Event(Event::ToolStarted { id, name, timeout }));
        }
        began
    }

    fn tools_ended(&mut self, said: &Said) -> Vec<Happened> {
        let mut ended = Vec::new();
        for id in said.returns() {
            if let Some((name, began)) = self.tools.remove(id) {
                ended.push(Happened::ToolEnded { id: id.to_owned(), name, took: began.elapsed() });
            }
        }
        ended
    }

    fn turn_ended(&mut self, outcome: Box<Outcome>) -> Vec<Happened> {
        self.tools.clear();
        if outcome.errors.iter().any(|error| error.contains(LOST)) {
            // It ends by itself then, having done nothing.
            self.lost = true;
            return Vec::new();
        }
        vec![Happened::Turn(outcome)]
    }

    fn asked(&mut self, request_id: String, request: Asked) -> Happened {
        let answer = match request {
            Asked::HookCallback { callback_id, input } if callback_id == BEFORE_COMPACTION => {
                let answer = protocol::answer(&request_id, &json!({}));
                let transcript = input["transcript_path"].as_str().unwrap_or_default().into();
                return Happened::Compaction(Compaction { transcript, answer });
            }
            Asked::McpMessage { message } => match mcp::reply(&message) {
                mcp::Reply::Now(reply) => protocol::answer(&request_id, &json!({"mcp_response": reply})),
                mcp::Reply::Call { id, tool, arguments } => {
                    self.calls.insert(request_id.clone(), id);
                    return Happened::Event(Event::Called { call: request_id, tool, arguments });
                }
            },
            Asked::HookCallback { .. } => protocol::answer(&request_id, &json!({})),
            Asked::Other => protocol::refuse(&request_id),
        };
        self.tell(&answer);
        Happened::Nothing
    }

    /// Hands it what a tool of ours returned.
    pub(super) fn returned(&mut self, call: &str, outcome: &ToolOutcome) {
        if let Some(id) = self.calls.remove(call) {
            let response = json!({"mcp_response": mcp::returned(&id, outcome)});
            self.tell(&protocol::answer(call, &response));
        }
    }

    /// When it takes too long, where nothing comes. `expected` says that it has something to do.
    pub(super) fn overdue(&self, expected: bool) -> Option<Instant> {
        match (self.killed_for.is_some(), self.ready) {
            (true, _) => None,
            (false, false) => Some(self.last_line + self.start_within),
            (false, true) => (expected && self.tools.is_empty()).then(|| self.last_line + WEDGED_AFTER),
        }
    }

    /// It took too long, unless it only waits for the model's API.
    pub(super) fn is_late(&mut self, gateway_is_idle: bool) {
        if !self.ready {
            let reason = format!("it did not answer within {} s of its start.", self.start_within.as_secs_f32());
            self.kill(Death::AtStart { reason });
        } else if gateway_is_idle {
            let reason = format!("it did nothing for {} s", WEDGED_AFTER.as_secs());
            self.kill(Death::AtWork { reason });
        } else {
            self.last_line = Instant::now();
        }
    }

    fn kill(&mut self, why: Death) {
        self.killed_for.get_or_insert(why);
        self.process.kill();
    }

    /// How it ended, with the status that it left.
    pub(super) fn death(self, status: io::Result<ExitStatus>) -> Death {
        if let Some(why) = self.killed_for {
            return why;
        }
        let complaints = self.process.complaints();
        let complained = |of: &str| complaints.iter().any(|line| line.contains(of));
        if self.lost || complained(LOST) {
            return Death::Lost;
        }
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let reason = match complaints.last() {
            Some(last) => format!("{} ({status})", last.trim_end_matches('.')),
            None => status,
        };
        if complained(UNKNOWN_OPTION) {
            return Death::Useless { reason: format!("it is too old or not Claude Code. It says: {reason}.") };
        }
        if self.ready {
            Death::AtWork { reason }
        } else {
            Death::AtStart { reason: format!("it ended at its start: {reason}.") }
        }
    }

    /// Ends it.
    pub(super) async fn end(&mut self, until: Instant) {
        self.process.end(until).await;
    }
}

/// As much of a line as is worth showing.
fn shown(line: &[u8]) -> String {
    beginning(&String::from_utf8_lossy(&line[..line.len().min(400)]), 100).to_owned()
}
