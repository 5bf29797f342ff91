//! An installation with a main group, another group and their chats, and the real nc-ipcd in it. The test plays the router, the
//! runner and the agent.

use std::cell::RefCell;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nc_config::{Doorbell, Installation, Options, SessionDir};
use nc_model::{Cause, ChatId, Decision, GroupId, RunOutcome, Seq, Timestamp};
use nc_store::{
    Begun, Decided, Left, MainGroup, NewChat, NewGroup, NewMainGroup, NewMessage, NewRun, NewWiring, RunEnd, Store,
    Taken, new_id, now,
};
use nc_testkit::{Failpoints, PATIENCE, processes, wait_until};
use nc_wire::mailbox::schema;
use rusqlite::{Connection, params};
use tempfile::TempDir;

pub(crate) use nc_testkit::Signal;

/// The installation, with nobody at work in it yet.
pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) installation: Installation,
    pub(crate) store: Store,
    pub(crate) points: Failpoints,
    router: UnixDatagram,
    talk: UnixDatagram,
}

/// A session with a message in it and a run.
pub(crate) struct Desk {
    pub(crate) group: GroupId,
    pub(crate) chat: ChatId,
    pub(crate) session: String,
    pub(crate) run: String,
    pub(crate) dir: SessionDir,
}

/// A running nc-ipcd.
pub(crate) struct Running {
    child: Child,
    notify: UnixDatagram,
    said: RefCell<String>,
    log: PathBuf,
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let options = Options { dir: Some(dir.path().to_owned()), set: Vec::new() };
        let installation = nc_config::load(&options).expect("a configuration").installation;
        for made in
            [Doorbell::TalkDir, Doorbell::Run("x"), Doorbell::Channel("x")].map(|bell| installation.doorbell(bell))
        {
            let made = if made.extension().is_some() { made.parent().expect("a directory").to_owned() } else { made };
            fs::create_dir_all(made).expect("a directory for sockets");
        }
        let store = Store::open(&installation.store_file()).expect("a store");
        let router = bell(&installation.doorbell(Doorbell::Router));
        let talk = bell(&installation.doorbell(Doorbell::TalkDir).join("1-1.sock"));
        let points = Failpoints::in_dir(dir.path().join("failpoints"));
        Self { dir, installation, store, points, router, talk }
    }

    /// The main group with the terminal of `ana`, a session and a run.
    pub(crate) fn main_at_work(&mut self) -> Desk {
        let chat = NewChat { channel: "terminal", platform_id: "ana", name: Some("Ana"), is_group: false };
        let new = NewMainGroup {
            group: NewGroup::new("Main", "main".parse().expect("a folder")),
            owner: "terminal:ana",
            owner_name: None,
            chat,
        };
        let MainGroup { group, chat, .. } = self.store.create_main_group(&new).expect("a main group");
        self.at_work(group.id, chat)
    }

    /// Another group with a chat of its own, a session and a run.
    pub(crate) fn family_at_work(&mut self) -> Desk {
        let group = NewGroup::new("Family", "family".parse().expect("a folder"));
        let group = self.store.create_group(&group).expect("a group");
        let chat = self.chat("test", "family");
        self.store.wire(&NewWiring::new(chat, group.id), None).expect("a wiring");
        self.at_work(group.id, chat)
    }

    pub(crate) fn chat(&mut self, channel: &str, platform_id: &str) -> ChatId {
        let chat = NewChat { channel, platform_id, name: Some(platform_id), is_group: true };
        self.store.ensure_chat(&chat).expect("a chat")
    }

    fn at_work(&mut self, group: GroupId, chat: ChatId) -> Desk {
        let (_, session) = self.message(group, chat, "hello");
        let dir = self.installation.session_dir(group, &session);
        fs::create_dir_all(&dir.work_dir).expect("a work directory");
        let mut desk = Desk { group, chat, session, run: String::new(), dir };
        self.begin_run(&mut desk);
        desk
    }

    /// What somebody wrote, decided to be work; its number and its session.
    pub(crate) fn message(&mut self, group: GroupId, chat: ChatId, text: &str) -> (Seq, String) {
        let seq = self.store.record(&NewMessage::new(chat, new_id(), text)).expect("a message").seq();
        let left = Left { decision: Decision::Ignored, rule: "no_wiring".to_owned() };
        let decided = Decided::new(seq, chat, vec![Taken::work(group, "main", chat)], left);
        self.store.decide(&[decided]).expect("a decision");
        let (routing, session) = self
            .one::<(i64, String)>(&format!("SELECT id, session_id FROM routings WHERE message_seq = {seq}"), |row| {
                Ok((row.get(0)?, row.get(1)?))
            });
        self.store.placed(&[nc_model::RoutingId(routing)], &[]).expect("a place");
        (seq, session)
    }

    /// The next run of a session begins, as its runner would say.
    pub(crate) fn begin_run(&mut self, desk: &mut Desk) {
        desk.run = new_id();
        let run = NewRun {
            id: desk.run.clone(),
            session: desk.session.clone(),
            cause: Cause::Message,
            to_chat: true,
            runtime: "test".to_owned(),
            instance: "1".to_owned(),
            boot_id: "boot".to_owned(),
            pid: 1,
            started_at: now(),
        };
        assert_eq!(self.store.begin_run(&run).expect("a run"), Begun::Started);
        self.ring();
    }

    /// The run of a session ends, as its runner would say.
    pub(crate) fn end_run(&mut self, desk: &Desk) {
        let end = RunEnd {
            ended_at: now(),
            outcome: RunOutcome::Completed,
            error: None,
            exit_detail: "exit status 0".to_owned(),
            cpu_ms: None,
            peak_rss: None,
        };
        assert!(self.store.end_run(&desk.run, &end).expect("an end"));
        self.ring();
    }

    pub(crate) fn ring(&self) {
        nc_daemon::ring(&self.installation.doorbell(Doorbell::Ipcd));
    }

    /// The first column of the first row.
    pub(crate) fn one<T>(&self, sql: &str, read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> T {
        let conn = Connection::open(self.store.path()).expect("a second connection");
        conn.query_row(sql, [], read).expect(sql)
    }

    /// Every row, its columns as text with a bar between them, `-` for null.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let conn = Connection::open(self.store.path()).expect("a second connection");
        let mut query = conn.prepare(sql).expect(sql);
        let columns = query.column_count();
        let text = |row: &rusqlite::Row<'_>| {
            let column = |i| row.get::<_, rusqlite::types::Value>(i).map(|value| shown(&value));
            Ok((0..columns).map(column).collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
        };
        query.query_map([], text).expect(sql).collect::<Result<_, _>>().expect(sql)
    }

    /// Waits until `sql` gives `expected`.
    #[track_caller]
    pub(crate) fn wait_rows(&self, sql: &str, expected: &[&str]) {
        let mut last = Vec::new();
        let found = nc_testkit::wait_for(PATIENCE, || {
            last = self.rows(sql);
            (last == expected).then_some(())
        });
        assert!(found.is_some(), "{sql}\n gave {last:#?}\n want {expected:#?}");
    }

    /// Whether the router was rung since it was last asked.
    pub(crate) fn router_rung(&self) -> bool {
        drain(&self.router)
    }

    /// Whether the open terminal was rung since it was last asked.
    pub(crate) fn talk_rung(&self) -> bool {
        drain(&self.talk)
    }

    /// Asserts that every message and delivery is accounted for.
    #[track_caller]
    pub(crate) fn balances(&self) {
        let faults = self.store.ledger_check(nc_store::Span::since(Timestamp(0))).expect("a ledger");
        assert!(faults.is_empty(), "{faults:#?}");
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nc-ipcd"));
        command.arg("--dir").arg(self.dir.path()).stdin(Stdio::null()).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("NC_FAILPOINTS", self.points.dir());
        command
    }

    /// Starts the program and waits until it is ready.
    pub(crate) fn start(&self) -> Running {
        let running = self.spawn();
        running.wait_said("READY=1");
        running
    }

    /// Starts the program.
    pub(crate) fn spawn(&self) -> Running {
        let path = self.dir.path().join(format!("notify-{}", new_id()));
        let notify = UnixDatagram::bind(&path).expect("a socket for readiness");
        let log = path.with_extension("log");
        let stderr = fs::File::create(&log).expect("a log");
        let child = self.command().env("NOTIFY_SOCKET", &path).stderr(stderr).spawn().expect("nc-ipcd");
        Running { child, notify, said: RefCell::default(), log }
    }
}

impl Desk {
    /// The agent's file, as the agent has it open. A program of the second generation makes its tables itself, too.
    pub(crate) fn outbound(&self) -> Connection {
        let conn = Connection::open(&self.dir.outbound_db).expect("outbound.db");
        conn.busy_timeout(Duration::from_secs(10)).expect("a timeout");
        conn.execute_batch(schema::OUTBOUND).expect("the tables");
        conn
    }

    /// The id of a message's row in this session's mailbox.
    pub(crate) fn row_of(&self, seq: Seq) -> String {
        format!("{seq}:{}", self.group)
    }
}

impl Running {
    #[track_caller]
    pub(crate) fn wait_said(&self, expected: &str) {
        self.notify.set_nonblocking(true).expect("a mode");
        let mut buffer = [0; 4096];
        let mut said = self.said.borrow_mut();
        let heard = nc_testkit::wait_for(PATIENCE, || {
            while let Ok(n) = self.notify.recv(&mut buffer) {
                said.push_str(&String::from_utf8_lossy(&buffer[..n]));
                said.push('\n');
            }
            said.contains(expected).then_some(())
        });
        assert!(heard.is_some(), "{expected:?} was not said, but {said}\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log")
    }

    #[track_caller]
    pub(crate) fn wait_logged(&self, expected: &str) {
        wait_until(PATIENCE, expected, || self.log().contains(expected));
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    pub(crate) fn send(&self, signal: Signal) {
        processes::send(self.pid(), signal);
    }

    /// Waits for its end; the exit status, none where a signal ended it.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("an end").code()
    }

    /// Sends the signal and waits for the end; the exit status, none where a signal ended it.
    pub(crate) fn end(mut self, signal: Signal) -> Option<i32> {
        self.send(signal);
        self.child.wait().expect("an end").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("nc-ipcd said:\n{}", self.log());
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The agent says something to `chat`, in `channel`.
pub(crate) fn say(conn: &Connection, id: &str, seq: i64, to: (&str, &str), content: &str) {
    let sql = "INSERT INTO messages_out (id, seq, timestamp, kind, channel_type, platform_id, content)
               VALUES (?1, ?2, datetime('now'), 'chat', ?3, ?4, ?5)";
    conn.execute(sql, params![id, seq, to.0, to.1, content]).expect("a row");
}

/// The agent says how far it is with something.
pub(crate) fn ack(conn: &Connection, id: &str, status: &str) {
    let sql =
        "INSERT OR REPLACE INTO processing_ack (message_id, status, status_changed) VALUES (?1, ?2, datetime('now'))";
    conn.execute(sql, [id, status]).expect("an acknowledgement");
}

fn bell(path: &Path) -> UnixDatagram {
    let bell = UnixDatagram::bind(path).expect("a bell");
    bell.set_nonblocking(true).expect("a mode");
    bell
}

fn drain(bell: &UnixDatagram) -> bool {
    let mut rung = false;
    while bell.recv(&mut [0; 16]).is_ok() {
        rung = true;
    }
    rung
}

fn shown(value: &rusqlite::types::Value) -> String {
    use rusqlite::types::Value;
    match value {
        Value::Null => "-".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(_) => "blob".to_owned(),
    }
}
