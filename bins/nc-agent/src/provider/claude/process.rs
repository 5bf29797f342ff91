//! One process of Claude Code.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::lines::{Lines, Read};

/// The longest line that is read, in bytes. A guess: images that tools return are inside, at up to 5 MB a piece.
const MAX_LINE: usize = 32 * 1024 * 1024;

/// The longest line of its complaints, and how many are kept and logged. Guesses, enough to understand one.
const MAX_COMPLAINT: usize = 2000;
const COMPLAINTS_KEPT: usize = 8;
const COMPLAINTS_LOGGED: usize = 100;

/// How long it may take to end after it closed its output.
const END_WITHIN: Duration = Duration::from_millis(500);

/// Settings that are the same for every process.
const ENVIRONMENT: &[(&str, &str)] = &[
    // This program runs nowhere but in a sandbox.
    ("IS_SANDBOX", "1"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    // Otherwise the model has to search for our few tools before it can use them.
    ("ENABLE_TOOL_SEARCH", "false"),
    // With its pauses of 0.6 to 10 s these take 20 s; without a limit it goes on for minutes.
    ("CLAUDE_CODE_MAX_RETRIES", "5"),
    // Without a stream nothing tells work from a hang.
    ("CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK", "1"),
    ("CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD", "1"),
    // A guess: well below the smallest window of 200,000 tokens, as NanoClaw always had it.
    ("CLAUDE_CODE_AUTO_COMPACT_WINDOW", "165000"),
];

const ARGUMENTS: &[&str] = &[
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--permission-mode",
    "bypassPermissions",
    // Otherwise a resumed session keeps the instructions that it began with.
    "--system-prompt-snapshot",
    "off",
    "--disallowedTools",
    // What waits for a person at a screen, or works at times of its own, which nobody would be there for.
    "AskUserQuestion,EnterPlanMode,ExitPlanMode,EnterWorktree,ExitWorktree,CronCreate,CronDelete,CronList,ScheduleWakeup",
];

/// Of our own environment these are not for it: a setting or a credential there would go before what it is given here.
const NOT_PASSED_ON: &[&str] = &["ANTHROPIC_", "CLAUDE_", "AWS_", "NO_PROXY", "no_proxy"];

/// How it is started.
pub(super) struct Launch {
    pub(super) binary: PathBuf,
    /// Where it works.
    pub(super) directory: PathBuf,
    /// What else it reads the memory of.
    pub(super) also: Vec<PathBuf>,
    pub(super) model: Option<String>,
    /// Where the model's API is.
    pub(super) environment: Vec<(&'static str, String)>,
}

/// A process that was started, until it is gone.
pub(super) struct Process {
    child: Child,
    lines: Lines<ChildStdout>,
    input: Option<UnboundedSender<Vec<u8>>>,
    complaints: Arc<Mutex<VecDeque<String>>>,
    listener: JoinHandle<()>,
    /// It has closed its output, and is killed then.
    kill_at: Option<Instant>,
}

/// What a process did.
pub(super) enum Did<'a> {
    Say(Read<'a>),
    End(io::Result<ExitStatus>),
}

impl Launch {
    /// Starts it, to go on with the session `resume`.
    pub(super) fn start(&self, resume: Option<&str>) -> io::Result<Process> {
        let mut child = self.command(resume).spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(io::Error::other("it has no pipes"));
        };
        let (input, to_write) = unbounded_channel();
        tokio::spawn(write_on(stdin, to_write));
        let complaints = Arc::default();
        let listener = tokio::spawn(listen(stderr, Arc::clone(&complaints)));
        let lines = Lines::new(stdout, MAX_LINE);
        Ok(Process { child, lines, input: Some(input), complaints, listener, kill_at: None })
    }

    fn command(&self, resume: Option<&str>) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(ARGUMENTS).current_dir(&self.directory).env_clear();
        for directory in &self.also {
            command.arg("--add-dir").arg(directory);
        }
        if let Some(model) = &self.model {
            command.arg("--model").arg(model);
        }
        if let Some(session) = resume {
            command.arg("--resume").arg(session);
        }
        let of_ours = std::env::vars_os().filter(|(name, _)| is_passed_on(name));
        command.envs(of_ours).envs(ENVIRONMENT.iter().copied()).envs(self.environment.iter().cloned());
        command.env("NO_PROXY", no_proxy());
        // A group of its own, so that its tools end with it.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn is_passed_on(name: &OsString) -> bool {
    // Where it keeps its sessions is the host's to say.
    name == "CLAUDE_CONFIG_DIR"
        || !NOT_PASSED_ON.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

/// A proxy is not for the gateway, which is on this machine.
fn no_proxy() -> String {
    let own = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")).unwrap_or_default();
    if own.is_empty() { "127.0.0.1,localhost".to_owned() } else { format!("{own},127.0.0.1,localhost") }
}

async fn write_on(mut stdin: ChildStdin, mut lines: UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        // That it does not read any more is seen by its end.
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn listen(stderr: ChildStderr, kept: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = Lines::new(stderr, MAX_COMPLAINT);
    let mut logged = 0;
    while let Ok(said) = lines.next().await {
        let line = match said {
            Read::Line(line) => String::from_utf8_lossy(line).trim().to_owned(),
            Read::TooLong => continue,
            Read::End => return,
        };
        if logged < COMPLAINTS_LOGGED {
            logged += 1;
            info!("Claude Code says: {line}");
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(line);
        if kept.len() > COMPLAINTS_KEPT {
            kept.pop_front();
        }
    }
}

impl Process {
    /// Hands it one line.
    pub(super) fn tell(&self, line: &Value) {
        if let Some(input) = &self.input {
            // That it is gone is seen by its end.
            _ = input.send(format!("{line}\n").into_bytes());
        }
    }

    /// What it does next. It loses nothing when it is dropped.
    pub(super) async fn next(&mut self) -> Did<'_> {
        if self.kill_at.is_none() {
            let is_over = matches!(self.lines.next().await, Ok(Read::End) | Err(_));
            if !is_over {
                return Did::Say(self.lines.given());
            }
            self.kill_at = Some(Instant::now() + END_WITHIN);
        }
        if let Some(kill_at) = self.kill_at {
            tokio::select! {
                _ = self.child.wait() => {}
                () = sleep_until(kill_at) => self.kill(),
            }
        }
        let status = self.child.wait().await;
        self.hear_out().await;
        Did::End(status)
    }

    /// Hears the last of its complaints. What it has started may hold the pipe open, and is not waited for.
    async fn hear_out(&mut self) {
        if !self.listener.is_finished() {
            // It does not panic.
            _ = timeout(END_WITHIN, &mut self.listener).await;
        }
    }

    /// What it complained of last.
    pub(super) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Ends its input, at which it ends by itself.
    pub(super) fn close(&mut self) {
        self.input = None;
    }

    /// Kills it and what it has started, but for what has left its group.
    pub(super) fn kill(&mut self) {
        let group = self.child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        if let Some(Err(errno)) = group.map(|group| killpg(group, Signal::SIGKILL)) {
            warn!("Claude Code could not be killed: {errno}");
        }
    }

    /// Waits until it is gone, reading what it says and passing over it; kills it at `until`.
    pub(super) async fn end(&mut self, until: Instant) {
        self.close();
        let gone = async { while !matches!(self.next().await, Did::End(_)) {} };
        if tokio::time::timeout_at(until, gone).await.is_err() {
            self.kill();
            // Nothing survives that for long, and how it ended does not matter.
            drop(self.child.wait().await);
        }
    }
}
