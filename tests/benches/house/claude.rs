//! From a committed message to the first request at the model's API, beside the bare binary's own figure.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nc_config::Doorbell;
use nc_store::{NewMessage, now};
use nc_testkit::messages_api::{MessagesApi, Reply, Request};
use nc_testkit::{PATIENCE, Signal, Toolkit, processes, real_claude, wait_until};

use crate::figures::Figures;

/// Cold starts to measure; each takes half a second.
const COLD: usize = 15;

/// A house whose agent is Claude Code, and the API that it asks.
struct House {
    kit: Toolkit,
    api: MessagesApi,
    said: usize,
}

pub(crate) fn measure(figures: &mut Figures, turns: usize) {
    let Some(binary) = real_claude("the figures of Claude Code") else { return };
    let cold = turns.min(COLD);
    let bare: Vec<_> = (0..cold).map(|_| bare_start(&binary)).collect();
    figures.spans("bare Claude Code: start → first request", "", &bare);
    let mut house = House::open(&binary);
    let spans = (0..cold).map(|_| {
        house.let_the_agent_leave();
        house.turn()
    });
    figures.spans("committed message → first request, fresh sandbox", "bare + 30", &spans.collect::<Vec<_>>());
    let (bare_warm, warm) = (warm_bare(&binary, turns), (0..turns).map(|_| house.turn()).collect::<Vec<_>>());
    figures.spans("bare Claude Code: next line → request", "", &bare_warm);
    figures.spans("committed message → request, agent there", "bare + 10", &warm);
}

fn api() -> MessagesApi {
    MessagesApi::start(|_| Reply::text("So it is.")).expect("an API on loopback")
}

/// The requests of turns so far.
fn asked(api: &MessagesApi) -> Vec<Request> {
    api.requests().into_iter().filter(Request::is_turn).collect()
}

/// When the turn after the first `before` was asked for.
fn next_request(api: &MessagesApi, before: usize) -> Instant {
    wait_until(PATIENCE, "the API is asked", || asked(api).len() > before);
    asked(api)[before].at
}

impl House {
    fn open(binary: &Path) -> Self {
        let api = api();
        let mut kit = crate::house();
        kit.set(&format!("claude_path={}", binary.display())).set("provider=claude");
        kit.env("ANTHROPIC_API_KEY", "dummy").env("ANTHROPIC_BASE_URL", &api.url());
        kit.up();
        Self { kit, api, said: 0 }
    }

    /// Says something, and returns how long after its commit the API was asked. It returns when the answer is there.
    fn turn(&mut self) -> Duration {
        let mut store = self.kit.store();
        let chat = store.chats_page(None, 1).expect("the chats are listed").remove(0);
        let (before, begun) = (asked(&self.api).len(), now());
        self.said += 1;
        let mut message = NewMessage::new(chat.id, format!("claude-{}", self.said), format!("turn {}", self.said));
        message.sender_id = Some(format!("terminal:{}", chat.platform_id));
        store.record(&message).expect("the message is stored");
        let committed = Instant::now();
        nc_daemon::ring(&self.kit.installation().doorbell(Doorbell::Router));
        let at = next_request(&self.api, before);
        wait_until(PATIENCE, "the answer is there", || {
            store.deliveries_of_chat(chat.id, begun).is_ok_and(|deliveries| !deliveries.is_empty())
        });
        at - committed
    }

    fn let_the_agent_leave(&self) {
        for runner in self.kit.processes("nc-runner") {
            processes::send(runner.pid, Signal::SIGTERM);
        }
        let store = self.kit.store();
        wait_until(PATIENCE, "the agent has left", || {
            self.kit.processes("nc-runner").is_empty() && store.live_runs().is_ok_and(|runs| runs.is_empty())
        });
    }
}

/// The binary as the agent starts it, without any of ours.
fn start_bare(binary: &Path, api: &MessagesApi, home: &Path) -> Child {
    let mut command = Command::new(binary);
    command.args(["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).env("IS_SANDBOX", "1").current_dir(home);
    command.env("ANTHROPIC_API_KEY", "dummy").env("ANTHROPIC_BASE_URL", api.url());
    command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("DISABLE_AUTOUPDATER", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("Claude Code starts")
}

fn say(child: &mut Child, text: &str) {
    let stdin = child.stdin.as_mut().expect("standard input is a pipe");
    let line = format!("{{\"type\":\"user\",\"message\":{{\"role\":\"user\",\"content\":\"{text}\"}}}}");
    writeln!(stdin, "{line}").expect("Claude Code reads");
}

/// Reads to the end of a turn.
fn turn_ends(output: &mut impl Iterator<Item = std::io::Result<String>>) {
    let ended = output.any(|line| line.is_ok_and(|line| line.contains("\"type\":\"result\"")));
    assert!(ended, "the turn did not end");
}

fn output(child: &mut Child) -> std::io::Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().expect("standard output is a pipe")).lines()
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().expect("Claude Code ends");
}

fn bare_start(binary: &Path) -> Duration {
    let (api, home) = (api(), tempfile::tempdir().expect("a directory"));
    let begun = Instant::now();
    let mut child = start_bare(binary, &api, home.path());
    let mut output = output(&mut child);
    say(&mut child, "hello");
    let took = next_request(&api, 0) - begun;
    turn_ends(&mut output);
    end(child);
    took
}

fn warm_bare(binary: &Path, turns: usize) -> Vec<Duration> {
    let (api, home) = (api(), tempfile::tempdir().expect("a directory"));
    let mut child = start_bare(binary, &api, home.path());
    let mut output = output(&mut child);
    say(&mut child, "hello");
    turn_ends(&mut output);
    let spans = (1..=turns).map(|turn| {
        let begun = Instant::now();
        say(&mut child, "and again");
        let took = next_request(&api, turn) - begun;
        turn_ends(&mut output);
        took
    });
    let spans = spans.collect();
    end(child);
    spans
}
