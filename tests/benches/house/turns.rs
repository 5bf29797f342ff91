//! One message after another, with the benchmark as the terminal.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nc_channel::{Capabilities, Channel, Outcome, Part, Platform};
use nc_config::Doorbell;
use nc_daemon::Bell;
use nc_model::{ChatId, SendLevel};
use nc_store::NewMessage;
use nc_testkit::{PATIENCE, Signal, Toolkit, wait_until};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::figures::Figures;
use crate::house;

/// A platform that notes when it is asked to send.
#[derive(Default)]
struct Stopwatch {
    sent: Vec<Instant>,
}

impl Platform for Stopwatch {
    fn capabilities(&self) -> Capabilities {
        Capabilities::TEXT_ONLY
    }

    async fn send(&mut self, _part: Part<'_>) -> Outcome {
        self.sent.push(Instant::now());
        Outcome::Sent { platform_message_id: None, level: SendLevel::Accepted }
    }
}

/// The terminal's end of a house that is up.
struct Terminal {
    kit: Toolkit,
    channel: Channel,
    chat: ChatId,
    owner: String,
    bell: Bell,
    said: usize,
}

impl Terminal {
    fn open(mut kit: Toolkit) -> Self {
        kit.up();
        let installation = kit.installation();
        let store = kit.store();
        let chats = store.chats_page(None, 10).expect("the chats are listed");
        let chat = chats.first().expect("the main group has a chat");
        // The chat bears its owner's name.
        let (owner, chat) = (format!("terminal:{}", chat.platform_id), chat.id);
        let channel = Channel::new("terminal", store, installation.doorbell(Doorbell::Router)).only(chat);
        let talks = installation.doorbell(Doorbell::TalkDir);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&talks).expect("the doorbells have a directory");
        let bell = Bell::bind(&talks.join("bench.sock")).expect("the doorbell is bound");
        Self { kit, channel, chat, owner, bell, said: 0 }
    }

    /// Says something, and returns when it was committed and when its answer was to be sent.
    async fn turn(&mut self) -> (Instant, Instant) {
        self.said += 1;
        let text = format!("turn {}", self.said);
        let mut message = NewMessage::new(self.chat, format!("bench-{}", self.said), text);
        message.sender_id = Some(self.owner.clone());
        message.sender_name = Some("bench".to_owned());
        self.channel.receive(&[message]).await.expect("the message is stored");
        let committed = Instant::now();
        let mut stopwatch = Stopwatch::default();
        loop {
            self.bell.drain();
            self.channel.pass(&mut stopwatch).await.expect("the channel passes");
            if let Some(sent) = stopwatch.sent.first() {
                return (committed, *sent);
            }
            let rung = tokio::time::timeout(PATIENCE, self.bell.rung()).await;
            assert!(rung.is_ok(), "no answer:\n{}", self.kit.log());
        }
    }

    /// Returns when no run lives.
    fn let_the_agent_leave(&self) {
        for runner in self.kit.processes("nc-runner") {
            nc_testkit::processes::send(runner.pid, Signal::SIGTERM);
        }
        wait_until(PATIENCE, "the agent has left", || {
            self.kit.processes("nc-runner").is_empty()
                && self.channel.store().live_runs().is_ok_and(|runs| runs.is_empty())
        });
    }
}

/// Notes when something happens to `path`.
pub(crate) fn watch(path: &Path, what: AddWatchFlags, named: Option<&'static str>) -> Receiver<Instant> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC).expect("inotify is there");
    inotify.add_watch(path, what).expect("it watches");
    let (note, seen) = channel();
    std::thread::spawn(move || {
        while let Ok(events) = inotify.read_events() {
            let now = Instant::now();
            let wanted = |name: Option<&std::ffi::OsStr>| named.is_none_or(|wanted| name.is_some_and(|n| n == wanted));
            if events.iter().any(|event| wanted(event.name.as_deref())) && note.send(now).is_err() {
                return;
            }
        }
    });
    seen
}

pub(crate) fn measure(figures: &mut Figures, turns: usize) {
    measure_in(figures, house(), "", turns);
}

/// Measures in `kit`; `whose` stands behind the name of each figure.
pub(crate) fn measure_in(figures: &mut Figures, kit: Toolkit, whose: &str, turns: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut terminal = Terminal::open(kit);
        cold(figures, &mut terminal, whose, turns.min(40)).await;
        warm(figures, &mut terminal, whose, turns).await;
    });
}

async fn cold(figures: &mut Figures, terminal: &mut Terminal, whose: &str, turns: usize) {
    // The kernel opens the program when it is executed, through whatever mount.
    let started = watch(&terminal.kit.programs().join("nc-agent"), AddWatchFlags::IN_OPEN, None);
    let (mut to_sandbox, mut to_reply) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        terminal.let_the_agent_leave();
        while started.try_recv().is_ok() {}
        let (committed, sent) = terminal.turn().await;
        let executed = started.try_iter().filter(|at| *at < sent).last().expect("the agent was executed");
        to_sandbox.push(executed - committed);
        to_reply.push(sent - committed);
    }
    figures.spans(format!("committed message → first instruction in a fresh sandbox{whose}"), "8 ms", &to_sandbox);
    figures.spans(format!("committed message → reply, fresh sandbox{whose}"), "", &to_reply);
}

async fn warm(figures: &mut Figures, terminal: &mut Terminal, whose: &str, turns: usize) {
    terminal.turn().await;
    let work = work_directory(&terminal.kit);
    // The agent's commit is the moment in which its journal goes.
    let committed_by_agent = watch(&work, AddWatchFlags::IN_DELETE, Some("outbound.db-journal"));
    let (mut to_reply, mut to_send) = (Vec::new(), Vec::<Duration>::new());
    for _ in 0..turns {
        let (committed, sent) = terminal.turn().await;
        to_reply.push(sent - committed);
        if let Some(answered) = committed_by_agent.try_iter().filter(|at| *at < sent).last() {
            to_send.push(sent - answered);
        }
    }
    figures.spans(format!("agent's row → the channel's send call{whose}"), "2 ms", &to_send);
    figures.spans(format!("committed message → reply, agent there{whose}"), "", &to_reply);
}

fn work_directory(kit: &Toolkit) -> std::path::PathBuf {
    let below =
        |dir: std::path::PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let sessions = below(kit.installation().data_dir().join("sessions")).flat_map(below);
    sessions.map(|session| session.join("work")).find(|work| work.is_dir()).expect("a session has a work directory")
}
