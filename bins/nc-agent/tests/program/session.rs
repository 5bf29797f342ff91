//! A session's directory as the host makes it, and the real program at work in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nc_model::Timestamp;
use nc_wire::content::{ChatIn, Incoming, Outgoing};
use nc_wire::files::Directory;
use nc_wire::mailbox::host::Inbound;
use nc_wire::mailbox::{AckStatus, Destination, DestinationKind, InRow, Routing};
use nc_wire::snapshot::{self, Limits, Look, OutRow};
use nc_wire::start::{Credentials, StartLimits, StartObject};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Far above what anything here takes, also while the machine builds something else.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// One session.
pub(crate) struct Session {
    root: TempDir,
    /// What the host writes.
    pub(crate) inbound: Inbound,
}

/// What the host finds in `outbound.db`.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) out: Vec<OutRow>,
    pub(crate) acks: BTreeMap<String, AckStatus>,
    pub(crate) state: BTreeMap<String, String>,
    /// The tool in flight, and how long it said it may take.
    pub(crate) tool: Option<(String, Option<u64>)>,
}

impl Session {
    /// A session whose agent has one destination, `home`, which is also where replies go.
    pub(crate) fn new() -> Self {
        let session = Self::without_destinations();
        session.inbound.replace_destinations(&[destination("home", "ana")]).expect("destinations");
        let routing =
            Routing { channel_type: Some("terminal".into()), platform_id: Some("ana".into()), thread_id: None };
        session.inbound.set_routing(&routing).expect("routing");
        session
    }

    pub(crate) fn without_destinations() -> Self {
        let root = TempDir::new().expect("a directory");
        let (host, work) = (root.path().join("in"), root.path().join("work"));
        fs::create_dir(&host).expect("in/");
        fs::create_dir(&work).expect("work/");
        let inbound = Inbound::create(&host.join("inbound.db"), 0o600).expect("inbound.db");
        // As the mount does it: the same file in both places, and the host's journal in one of them only.
        fs::hard_link(inbound.path(), work.join("inbound.db")).expect("a second name");
        Self { root, inbound }
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn append(&self, rows: &[InRow]) {
        self.inbound.append(rows, 0).expect("rows are appended");
    }

    /// Ana says something that asks for an answer.
    pub(crate) fn say(&self, id: &str, text: &str) {
        self.append(&[chat(id, text)]);
    }

    pub(crate) fn start(&self, model: &str) -> Agent {
        self.start_with(&start_object(model), &[])
    }

    pub(crate) fn start_with(&self, object: &StartObject, arguments: &[&str]) -> Agent {
        let mut command = program(&self.work());
        command.args(arguments).stdin(Stdio::piped()).stderr(self.log_file());
        Agent::start(&mut command, &object.to_json())
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn log_file(&self) -> File {
        File::options().append(true).create(true).open(self.root.path().join("log")).expect("a log")
    }

    /// What agents of this session have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.root.path().join("log")).expect("the log")
    }

    /// Waits until an agent has logged something.
    pub(crate) fn until_logged(&self, part: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.log().contains(part) {
            assert!(Instant::now() < deadline, "{part:?} was not logged:\n{}", self.log());
            thread::sleep(Duration::from_millis(3));
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        let work = Directory::open(&self.work()).expect("work/");
        let deadline = Instant::now() + DEADLINE;
        loop {
            match snapshot::read(&work, &Limits::default(), None).expect("outbound.db can be read") {
                Look::Snapshot(snapshot) => return read(&snapshot),
                Look::Absent => return Seen::default(),
                Look::Busy | Look::Unchanged => assert!(Instant::now() < deadline, "outbound.db stays locked"),
            }
        }
    }

    /// Waits until what the host finds is as wanted.
    pub(crate) fn until(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let seen = self.seen();
            if wanted(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "not as wanted in time: {seen:#?}\nlog:\n{}", self.log());
            thread::sleep(Duration::from_millis(3));
        }
    }

    /// Waits until rows are completed.
    pub(crate) fn until_completed(&self, ids: &[&str]) -> Seen {
        self.until(|seen| ids.iter().all(|id| seen.acks.get(*id) == Some(&AckStatus::Completed)))
    }
}

fn read(snapshot: &snapshot::Snapshot) -> Seen {
    let out = snapshot.messages_out(|_| false).expect("messages_out").rows;
    let acks = snapshot.acks(|_| false).expect("acks").rows;
    let state = snapshot.session_state("").expect("state").rows;
    let working = snapshot.container_state().expect("the tool in flight").map(|state| state.expect("as it has to be"));
    Seen {
        tool: working.and_then(|state| Some((state.current_tool?, state.declared_timeout_ms))),
        out: out.into_iter().map(|row| row.expect("a row as it has to be")).collect(),
        acks: acks.into_iter().map(|ack| ack.expect("an ack")).map(|ack| (ack.message_id, ack.status)).collect(),
        state: state.into_iter().map(|state| state.expect("a state")).map(|state| (state.key, state.value)).collect(),
    }
}

impl Seen {
    /// The texts that were sent, oldest first.
    pub(crate) fn texts(&self) -> Vec<&str> {
        fn text(row: &OutRow) -> &str {
            match &row.content {
                Outgoing::Text(text) => text.text.as_str(),
                other => panic!("not a text: {other:?}"),
            }
        }
        self.out.iter().map(text).collect()
    }

    /// Where each went.
    pub(crate) fn places(&self) -> Vec<&str> {
        self.out.iter().filter_map(|row| row.platform_id.as_deref()).collect()
    }

    pub(crate) fn has(&self, status: AckStatus) -> bool {
        self.acks.values().any(|ack| *ack == status)
    }
}

/// The running program. It is killed when the test is over.
pub(crate) struct Agent {
    child: Child,
}

impl Agent {
    pub(crate) fn start(command: &mut Command, object: &str) -> Self {
        let mut child = command.spawn().expect("nc-agent starts");
        child.stdin.take().expect("a pipe").write_all(object.as_bytes()).expect("the start object is written");
        Self { child }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("the signal is sent");
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(3));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // What it has started ends with it where it has a sandbox, and here by us.
        let below = i32::try_from(self.child.id()).map(nc_testkit::processes::below).unwrap_or_default();
        // It may have ended long since.
        _ = self.child.kill();
        for process in below {
            nc_testkit::processes::send(process.pid, Signal::SIGKILL);
        }
        _ = self.child.wait();
    }
}

/// The program, to be given more.
pub(crate) fn program(workspace: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nc-agent"));
    command.arg("--workspace").arg(workspace).env_clear();
    command
}

/// Runs it to its end with `input` on standard input.
pub(crate) fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nc-agent"));
    command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("nc-agent starts");
    // It may have refused its arguments and be gone.
    _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("its output")
}

pub(crate) fn start_object(model: &str) -> StartObject {
    StartObject {
        run: "run-1".to_owned(),
        session: "session-1".to_owned(),
        provider: "echo".to_owned(),
        model: Some(model.to_owned()),
        credentials: Credentials::default(),
        limits: StartLimits { idle_timeout_ms: 600_000, run_timeout_ms: 0 },
        timezone: "UTC".to_owned(),
        assistant_name: "Andy".to_owned(),
        group_name: None,
        is_main: true,
    }
}

pub(crate) fn destination(name: &str, platform_id: &str) -> Destination {
    Destination {
        name: name.to_owned(),
        display_name: None,
        kind: DestinationKind::Channel,
        channel_type: Some("terminal".to_owned()),
        platform_id: Some(platform_id.to_owned()),
        agent_group_id: None,
    }
}

/// A row in which Ana says something that asks for an answer.
pub(crate) fn chat(id: &str, text: &str) -> InRow {
    let content =
        ChatIn { sender: "Ana".into(), sender_id: "terminal:ana".into(), text: text.into(), ..ChatIn::default() };
    row(id, &Incoming::Chat(content))
}

pub(crate) fn row(id: &str, content: &Incoming) -> InRow {
    InRow {
        id: id.to_owned(),
        kind: content.kind(),
        timestamp: Timestamp::parse("2026-11-24T18:00:00Z").expect("a time"),
        trigger: true,
        platform_id: Some("ana".to_owned()),
        channel_type: Some("terminal".to_owned()),
        thread_id: None,
        content: content.to_json(),
        source_session_id: None,
        on_wake: false,
        process_after: None,
    }
}
