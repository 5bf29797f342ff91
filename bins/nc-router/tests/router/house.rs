//! An installation, its store, and the router in it.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use nc_config::{Doorbell, Installation, Options, SessionDir};
use nc_model::{ChatId, FolderName, GroupId, RoutingOutcome, SendLevel, Seq, Timestamp, UnknownSenderPolicy};
use nc_store::{
    Fate, Judgement, NewChat, NewGroup, NewMainGroup, NewMessage, NewWiring, SendEnd, Settlement, Store, now,
};
use nc_testkit::{PATIENCE, wait_for, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::runner::Runner;

/// An installation with a main group and its owner's chat.
pub(crate) struct House {
    pub(crate) place: TempDir,
    pub(crate) installation: Installation,
    pub(crate) store: Store,
    /// The owner's chat with the main group.
    pub(crate) owner: ChatId,
    pub(crate) main: GroupId,
    pub(crate) settings: Vec<String>,
    events: u32,
}

/// A running nc-router.
pub(crate) struct Router {
    child: Child,
    told: UnixDatagram,
    said: Arc<Mutex<String>>,
}

impl House {
    pub(crate) fn new() -> Self {
        let place = tempfile::Builder::new().prefix("nc-router.").tempdir().expect("a directory");
        let options = Options { dir: Some(place.path().to_owned()), set: Vec::new() };
        let installation = nc_config::load(&options).expect("the configuration").installation;
        fs::create_dir_all(installation.run_dir()).expect("the run directory");
        let mut store = Store::open(&installation.store_file()).expect("the store");
        let chat = NewChat { channel: "terminal", platform_id: "ana", name: Some("Ana"), is_group: false };
        let group = NewGroup::new("Main", FolderName::parse("main").expect("a name"));
        let new = NewMainGroup { group, owner: "terminal:ana", owner_name: Some("Ana"), chat };
        let made = store.create_main_group(&new).expect("the main group");
        let (owner, main) = (made.chat, made.group.id);
        Self { place, installation, store, owner, main, settings: Vec::new(), events: 0 }
    }

    /// A group of its own with a chat of its own, wired as `change` has it.
    pub(crate) fn group(
        &mut self,
        name: &str,
        is_group: bool,
        change: impl FnOnce(&mut NewWiring),
    ) -> (ChatId, GroupId) {
        let chat = self.chat(name, is_group);
        let folder = FolderName::parse(name).expect("a folder name");
        let group = self.store.create_group(&NewGroup::new(name, folder)).expect("a group").id;
        let mut wiring = NewWiring::new(chat, group);
        change(&mut wiring);
        self.store.wire(&wiring, None).expect("a wiring");
        (chat, group)
    }

    pub(crate) fn chat(&mut self, name: &str, is_group: bool) -> ChatId {
        let chat = NewChat { channel: "test", platform_id: name, name: Some(name), is_group };
        let chat = self.store.ensure_chat(&chat).expect("a chat");
        self.store.set_unknown_sender_policy(chat, UnknownSenderPolicy::Public).expect("a policy");
        chat
    }

    /// Somebody writes, and the router is rung.
    pub(crate) fn say(&mut self, chat: ChatId, text: &str) -> Seq {
        let message = self.message(chat, text);
        self.record(&message)
    }

    pub(crate) fn message(&mut self, chat: ChatId, text: &str) -> NewMessage {
        self.events += 1;
        let mut message = NewMessage::new(chat, format!("event-{}", self.events), text);
        message.platform_message_id = Some(format!("platform-{}", self.events));
        message.sender_id = Some(if chat == self.owner { "terminal:ana" } else { "test:bob" }.to_owned());
        message.sender_name = Some("Bob".to_owned());
        message
    }

    pub(crate) fn record(&mut self, message: &NewMessage) -> Seq {
        let seq = self.store.record(message).expect("a message is stored").seq();
        self.ring();
        seq
    }

    pub(crate) fn ring(&self) {
        nc_daemon::ring(&self.installation.doorbell(Doorbell::Router));
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nc-router"));
        command.env_clear().stdin(Stdio::null()).arg("--dir").arg(self.place.path());
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command
    }

    /// Starts the router and waits until it is ready.
    pub(crate) fn router(&self) -> Router {
        let router = Router::start(self, "notify");
        router.wait_told("READY=1");
        router
    }

    pub(crate) fn runner(&self) -> Runner {
        Runner::listen(&self.installation)
    }

    pub(crate) fn fate(&self, seq: Seq) -> Fate {
        self.store.fate(seq).expect("the fate of a message")
    }

    /// What was decided on a message, once it was: the group, the decision and the rule.
    pub(crate) fn decided(&self, seq: Seq) -> Vec<(Option<i64>, String, String)> {
        let fate = wait_for(PATIENCE, || Some(self.fate(seq)).filter(|fate| fate.routed)).expect("it is routed");
        fate.agents.into_iter().map(|a| (a.group, a.decision.to_string(), a.rule)).collect()
    }

    pub(crate) fn wait_outcome(&self, seq: Seq, outcome: RoutingOutcome) {
        wait_until(PATIENCE, &format!("message {seq} ends as {outcome}"), || {
            self.fate(seq).agents.iter().any(|agent| agent.outcome == Some(outcome))
        });
    }

    /// The session that a message went to.
    pub(crate) fn session_of(&self, seq: Seq) -> String {
        let session = || self.fate(seq).agents.into_iter().find_map(|agent| agent.session_id);
        wait_for(PATIENCE, session).expect("the message has a session")
    }

    pub(crate) fn session_dir(&self, session: &str) -> SessionDir {
        let found = self.store.session(session).expect("a session").expect("it is there");
        self.installation.session_dir(found.group, session)
    }

    /// What a chat's channel finds to send, in order; it is sent thereby.
    pub(crate) fn read(&mut self, channel: &str, chat: ChatId) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let until = now().plus_ms(60_000);
            let Some(leased) = self.store.lease_sends(channel, Some(chat), now(), until, 1).expect("a lease").pop()
            else {
                return texts;
            };
            let content: serde_json::Value = serde_json::from_str(&leased.content).expect("JSON");
            texts.push(content["text"].as_str().unwrap_or_default().to_owned());
            self.store.begin_send(&leased, now()).expect("it begins");
            let sent = SendEnd::Sent { platform_message_id: None, level: SendLevel::Accepted };
            self.store.end_send(&leased, &sent, now()).expect("it ends");
        }
    }

    /// Waits for the next text that goes to a chat.
    pub(crate) fn wait_read(&mut self, channel: &str, chat: ChatId) -> Vec<String> {
        wait_for(PATIENCE, || Some(self.read(channel, chat)).filter(|texts| !texts.is_empty())).expect("a text is sent")
    }

    /// Lets the time pass for which a session's work waits.
    pub(crate) fn let_time_pass(&mut self, session: &str) {
        let undone = self.store.undone(session).expect("what is undone");
        let due = |attempts| Judgement::Again { attempts, at: Timestamp(1) };
        let work = undone.work.iter().map(|w| (w.routing, due(w.attempts))).collect();
        let settlement = Settlement {
            session: session.to_owned(),
            run: None,
            work,
            inbox: Vec::new(),
            words: String::new(),
            at: now(),
        };
        self.store.settle(&settlement).expect("the times are moved");
        self.ring();
    }

    /// How many messages are open, whoever has them.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }
}

impl Router {
    pub(crate) fn start(house: &House, name: &str) -> Self {
        let socket = house.path(name);
        if socket.exists() {
            fs::remove_file(&socket).expect("an old socket goes");
        }
        let told = UnixDatagram::bind(&socket).expect("a notification socket");
        told.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut child =
            house.command().env("NOTIFY_SOCKET", &socket).stderr(Stdio::piped()).spawn().expect("nc-router starts");
        let said = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().expect("its standard error");
        let sink = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                sink.lock().expect("the log").push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        Self { child, told, said }
    }

    /// Waits for a notification that contains `text`.
    pub(crate) fn wait_told(&self, text: &str) {
        let mut buffer = [0; 4096];
        loop {
            let read = self.told.recv(&mut buffer);
            let read = read.unwrap_or_else(|error| panic!("never told {text:?} ({error}); it said:\n{}", self.said()));
            if String::from_utf8_lossy(&buffer[..read]).contains(text) {
                return;
            }
        }
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("the log").clone()
    }

    pub(crate) fn wait_said(&self, text: &str) {
        wait_until(PATIENCE, &format!("the log says {text:?}"), || self.said().contains(text));
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("a signal is sent");
    }

    pub(crate) fn wait_end(mut self) -> ExitStatus {
        let ended = wait_for(PATIENCE, || self.child.try_wait().expect("its status"));
        ended.unwrap_or_else(|| panic!("nc-router does not end; it said:\n{}", self.said()))
    }

    pub(crate) fn stop(self, signal: Signal) -> ExitStatus {
        self.send(signal);
        self.wait_end()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("nc-router said:\n{}", self.said());
        }
        // It may have ended: then there is nothing to kill and nothing to wait for.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
