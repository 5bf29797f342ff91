//! An installation of a test's own, and somebody who answers in it without any other program.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nc_model::{Decision, DeliveryKind, GroupId};
use nc_store::{AckWord, AgentAck, Decided, Left, NewChat, NewDelivery, OutboundLook, Spoken, Store, Taken, Unrouted};
use tempfile::TempDir;

/// An empty installation.
pub(crate) struct House {
    dir: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("nc-ctl.").tempdir().expect("a directory");
        fs::write(dir.path().join("nanoclaw.toml"), "").expect("a configuration");
        Self { dir }
    }

    /// One with a main group whose owner is whoever runs the test.
    pub(crate) fn with_main() -> Self {
        let house = Self::new();
        house.ok(&["group", "add", "Andy", "--main"]);
        house
    }

    /// One with a main group, a group `family`, the chat `slack:acme:C1` and two users of it.
    pub(crate) fn with_family() -> Self {
        let house = Self::with_main();
        house.ok(&["group", "add", "Family"]);
        let chat = NewChat { channel: "slack:acme", platform_id: "C1", name: Some("General"), is_group: true };
        house.store().ensure_chat(&chat).expect("a chat");
        for user in ["slack:U1", "slack:U2"] {
            house.store().upsert_user(user, Some("Ana")).expect("a user");
        }
        house
    }

    /// What the command prints with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).expect("JSON")
    }

    pub(crate) fn owner(&self) -> String {
        self.store().owners().expect("owners").remove(0)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path().join("data/run")
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.path().join("store/messages.db")).expect("a store")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nanoclawctl"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.arg("--dir").arg(self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Ran {
        Ran::of(&nc_testkit::finish(&mut self.command(arguments)))
    }

    /// Runs it to its end with this standard input.
    pub(crate) fn ctl_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let file = self.path().join("input");
        fs::write(&file, input).expect("an input");
        let input = fs::File::open(&file).expect("an input");
        Ran::of(&nc_testkit::finish(self.command(arguments).stdin(input)))
    }

    /// Runs it, and it must succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.ctl(arguments);
        assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.stderr);
        ran.stdout
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let status = output.status.code().unwrap_or(-1);
        Self { status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// What is done with one message.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// These texts are sent, and it is done.
    Say(Vec<String>),
    /// The agent gives it up.
    Fail,
    /// It is kept as context.
    Context,
    /// Nobody takes it.
    Ignore,
    /// Nothing happens to it.
    Nothing,
}

/// Router, runner, agent and nc-ipcd in one thread, as far as a terminal sees them.
pub(crate) struct Answerer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    bell: PathBuf,
}

impl Answerer {
    /// Does `deed` with every message of `house`.
    pub(crate) fn start(house: &House, deed: impl Fn(&Unrouted) -> Deed + Send + 'static) -> Self {
        fs::create_dir_all(house.run_dir().join("talk")).expect("a directory for bells");
        let bell = house.run_dir().join("router.sock");
        let socket = UnixDatagram::bind(&bell).expect("a bell");
        // So that it sees that it is to stop; it is rung for everything else.
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut store, talk) = (Arc::clone(&stop), house.store(), house.run_dir().join("talk"));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let mut buffer = [0; 16];
                socket.recv(&mut buffer).ok();
                for message in store.unrouted(100).expect("messages") {
                    let done = deed(&message);
                    act(&mut store, &message, &done);
                    nc_daemon::ring_all(&talk);
                }
            }
        });
        Self { stop, thread: Some(thread), bell }
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            fs::remove_file(&self.bell).ok();
            assert!(ended.is_ok() || thread::panicking(), "the answerer failed");
        }
    }
}

/// Decides on a message as `deed` says, places it, and lets the agent answer.
pub(crate) fn act(store: &mut Store, message: &Unrouted, deed: &Deed) {
    decide(store, message, deed);
    for session in store.sessions_to_place().expect("sessions") {
        let placed = store.messages_to_place(&session, 100).expect("messages");
        store.placed(&placed.iter().map(|m| m.routing).collect::<Vec<_>>(), &[]).expect("placed");
    }
    let group = store.listeners(message.chat).expect("listeners").remove(0).group;
    match deed {
        Deed::Say(texts) => answer(store, message, group, texts, AckWord::Done),
        Deed::Fail => answer(store, message, group, &[], AckWord::Failed),
        _ => {}
    }
}

/// Decides on a message as `deed` says.
pub(crate) fn decide(store: &mut Store, message: &Unrouted, deed: &Deed) {
    let listener = store.listeners(message.chat).expect("listeners").remove(0);
    let taken = match deed {
        Deed::Nothing => return,
        Deed::Ignore => Vec::new(),
        Deed::Context => vec![Taken::context(listener.group, "test", message.chat)],
        Deed::Say(_) | Deed::Fail => vec![Taken::work(listener.group, "test", message.chat)],
    };
    let left = Left { decision: Decision::Ignored, rule: "test".to_owned() };
    let decided = Decided::new(message.seq, message.chat, taken, left);
    store.decide(&[decided]).expect("decided");
}

pub(crate) fn answer(store: &mut Store, message: &Unrouted, group: GroupId, texts: &[String], word: AckWord) {
    let id = format!("{}:{group}", message.seq);
    let session = store.fate(message.seq).expect("a fate").agents[0].session_id.clone().expect("a session");
    let say = |(n, text): (usize, &String)| {
        Spoken::Send(NewDelivery {
            id: None,
            source_id: format!("{id}-{n}"),
            source_seq: 1,
            in_reply_to: Some(id.clone()),
            chat: message.chat,
            channel: message.channel.clone(),
            thread: None,
            kind: DeliveryKind::Text,
            content: serde_json::json!({ "text": text }).to_string(),
            not_before: None,
        })
    };
    let look = OutboundLook {
        session,
        group,
        run: "run".to_owned(),
        acks: vec![AgentAck { id: id.clone(), word }],
        rows: texts.iter().enumerate().map(say).collect(),
        highest_seq: 1,
    };
    store.take_in(&look).expect("taken in");
}

/// Says back what was written.
pub(crate) fn echo(message: &Unrouted) -> Deed {
    Deed::Say(vec![format!("You said: {}", message.text.as_deref().unwrap_or_default())])
}
