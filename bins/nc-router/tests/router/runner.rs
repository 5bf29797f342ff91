//! The test as the runner, the agent in its sandbox, and nc-ipcd.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use nc_config::{Doorbell, Installation, SessionDir};
use nc_model::{Cause, ChatId, DeliveryKind, RunOutcome, Timestamp};
use nc_store::{
    AckWord, AgentAck, Begun, ChatAddress, NewDelivery, NewRun, OutboundLook, RunEnd, Session, Spoken, Store, new_id,
    now,
};
use nc_testkit::PATIENCE;
use nc_wire::content::Incoming;
use nc_wire::mailbox::container::{AddressBook, Bounds, Mailbox, PendingRow};
use nc_wire::mailbox::host::Inbound;

/// What the agents of all sessions have acknowledged: it outlives their runs, as `outbound.db` does.
static DONE: Mutex<Option<HashSet<(String, String)>>> = Mutex::new(None);

/// A listener at the runner's socket.
pub(crate) struct Runner {
    asked: Receiver<Asked>,
}

/// A wish for a run.
pub(crate) struct Asked {
    pub(crate) session: String,
    pub(crate) cause: String,
    stream: UnixStream,
    installation: Installation,
}

/// A run that has begun.
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) session: Session,
    pub(crate) dir: SessionDir,
    installation: Installation,
    store: Store,
    stream: Option<UnixStream>,
    lock: Option<File>,
    said: i64,
}

impl Runner {
    pub(crate) fn listen(installation: &Installation) -> Self {
        let path = installation.runner_socket();
        let listener = UnixListener::bind(&path).expect("the runner's socket");
        let (found, asked) = channel();
        let installation = installation.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).expect("a line");
                if line.is_empty() {
                    // The router was killed before it said what it wants.
                    continue;
                }
                let words: Vec<&str> = line.trim_end().split(' ').collect();
                let ["run", session, cause] = words[..] else { panic!("no request: {line:?}") };
                let (session, cause) = (session.to_owned(), cause.to_owned());
                if found.send(Asked { session, cause, stream, installation: installation.clone() }).is_err() {
                    return;
                }
            }
        });
        Self { asked }
    }

    /// The next wish.
    pub(crate) fn next(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).expect("the router asks for a run")
    }

    /// A further wish, where one is there.
    pub(crate) fn another(&self) -> Option<Asked> {
        self.asked.try_recv().ok()
    }
}

impl Asked {
    pub(crate) fn begin(self) -> Run {
        let Self { session, cause, stream, installation } = self;
        Run::begin(&installation, &session, cause.parse().expect("a cause"), Some(stream))
    }

    /// A run, or none where the session has one, which the router is told.
    pub(crate) fn try_begin(self) -> Option<Run> {
        let Self { session, cause, mut stream, installation } = self;
        let told = stream.try_clone().expect("a connection");
        let run = Run::try_begin(&installation, &session, cause.parse().expect("a cause"), Some(told));
        if run.is_none() {
            // A router that was killed hears nothing.
            let _unheard = writeln!(stream, "busy");
        }
        run
    }

    pub(crate) fn refuse(mut self, why: &str) {
        writeln!(self.stream, "refused {why}").expect("the router hears");
    }

    pub(crate) fn busy(mut self) {
        // A router that was killed hears nothing.
        let _unheard = writeln!(self.stream, "busy");
    }

    /// Closes the connection without a word.
    pub(crate) fn hang_up(self) {
        drop(self.stream);
    }
}

impl Run {
    /// A run that begins, by hand where there is no connection.
    pub(crate) fn begin(installation: &Installation, session: &str, cause: Cause, stream: Option<UnixStream>) -> Self {
        Self::try_begin(installation, session, cause, stream).expect("the session has no run")
    }

    fn try_begin(installation: &Installation, session: &str, cause: Cause, stream: Option<UnixStream>) -> Option<Self> {
        let mut store = Store::open(&installation.store_file()).expect("the store");
        let session = store.session(session).expect("the session").expect("it is there");
        let dir = installation.session_dir(session.group, &session.id);
        let lock = File::options().write(true).open(&dir.lock).expect("the router made the lock");
        lock.try_lock().ok()?;
        let run = NewRun {
            id: new_id(),
            session: session.id.clone(),
            cause,
            to_chat: true,
            runtime: "test".to_owned(),
            instance: "test".to_owned(),
            boot_id: "boot".to_owned(),
            pid: i64::from(std::process::id()),
            started_at: now(),
        };
        if store.begin_run(&run).expect("a row") != Begun::Started {
            return None;
        }
        let (id, lock, installation) = (run.id, Some(lock), installation.clone());
        let mut run = Self { id, session, dir, installation, store, stream, lock, said: 0 };
        run.say(&format!("started {}", run.id.clone()));
        Some(run)
    }

    fn say(&mut self, line: &str) {
        if let Some(stream) = &mut self.stream {
            // A router that was killed hears nothing, and the run goes on.
            let _unheard = writeln!(stream, "{line}");
        }
    }

    /// The ids that wait in the mailbox, the oldest first.
    pub(crate) fn pending(&self) -> Vec<String> {
        let pending = Inbound::open(&self.dir.inbound_db).and_then(|inbound| inbound.pending()).expect("the mailbox");
        let done = DONE.lock().expect("the acknowledgements");
        let is_done = |id: &String| done.as_ref().is_some_and(|d| d.contains(&(self.session.id.clone(), id.clone())));
        pending.into_iter().map(|row| row.id).filter(|id| !is_done(id)).collect()
    }

    /// What an agent sees.
    pub(crate) fn rows(&self) -> Vec<PendingRow> {
        let bounds = Bounds { rows: 1000, bytes: 16 * 1024 * 1024 };
        self.agent(|mailbox| mailbox.look(now(), bounds).expect("a look").rows)
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.rows().into_iter().map(|row| text_of(&row)).collect()
    }

    pub(crate) fn address_book(&self) -> AddressBook {
        self.agent(|mailbox| mailbox.address_book().expect("the destinations"))
    }

    /// Looks at a copy of the mailbox with the agent's own reader.
    fn agent<T>(&self, look: impl FnOnce(&mut Mailbox) -> T) -> T {
        let workspace = tempfile::tempdir().expect("a directory");
        std::fs::copy(&self.dir.inbound_db, workspace.path().join("inbound.db")).expect("a copy");
        look(&mut Mailbox::open(workspace.path()).expect("the agent's mailbox"))
    }

    /// The agent takes `ids`, and nc-ipcd sees it.
    pub(crate) fn take(&mut self, ids: &[String]) {
        self.look(ids, AckWord::Taken, Vec::new());
    }

    /// The agent is done with `ids` and says `text` in the session's chat.
    pub(crate) fn answer(&mut self, ids: &[String], text: &str) {
        self.speak(ids, AckWord::Done, text);
    }

    /// The agent has taken `ids`, says `text` and does not get further.
    pub(crate) fn answer_half(&mut self, ids: &[String], text: &str) {
        self.take(ids);
        self.speak(&[], AckWord::Taken, text);
    }

    /// The agent is done with `ids` and says `text` in one of its chats.
    pub(crate) fn answer_in(&mut self, chat: ChatId, ids: &[String], text: &str) {
        let chat = self.store.chat(chat).expect("the chat");
        self.speak_in(
            ChatAddress { id: chat.id, channel: chat.channel, platform_id: chat.platform_id },
            ids,
            AckWord::Done,
            text,
        );
    }

    fn speak(&mut self, ids: &[String], word: AckWord, text: &str) {
        let chat = self.session.chat.clone().expect("a chat");
        self.speak_in(chat, ids, word, text);
    }

    fn speak_in(&mut self, chat: ChatAddress, ids: &[String], word: AckWord, text: &str) {
        self.said += 1;
        let delivery = NewDelivery {
            id: None,
            source_id: format!("{}-{}", self.id, self.said),
            source_seq: self.said * 2 + 1,
            in_reply_to: ids.first().cloned(),
            chat: chat.id,
            channel: chat.channel,
            thread: None,
            kind: DeliveryKind::Text,
            content: serde_json::json!({ "text": text }).to_string(),
            not_before: None,
        };
        self.look(ids, word, vec![Spoken::Send(delivery)]);
    }

    fn look(&mut self, ids: &[String], word: AckWord, rows: Vec<Spoken>) {
        if word == AckWord::Done {
            let mut done = DONE.lock().expect("the acknowledgements");
            let done = done.get_or_insert_default();
            done.extend(ids.iter().map(|id| (self.session.id.clone(), id.clone())));
        }
        let acks = ids.iter().map(|id| AgentAck { id: id.clone(), word }).collect();
        let (session, group, run) = (self.session.id.clone(), self.session.group, self.id.clone());
        let look = OutboundLook { session, group, run, acks, rows, highest_seq: self.said * 2 + 1 };
        if self.store.take_in(&look).expect("nc-ipcd takes it in").router {
            nc_daemon::ring(&self.installation.doorbell(Doorbell::Router));
        }
    }

    /// The run ends, nc-ipcd looks for the last time, and the router is rung.
    pub(crate) fn end(mut self, outcome: RunOutcome) {
        self.end_only(outcome);
        self.say(&format!("ended {outcome}"));
        self.collect();
    }

    /// The run ends, and nc-ipcd has not looked yet.
    pub(crate) fn end_only(&mut self, outcome: RunOutcome) {
        let error = (outcome != RunOutcome::Completed).then(|| "as the test wants it".to_owned());
        let end =
            RunEnd { ended_at: now(), outcome, error, exit_detail: "test".to_owned(), cpu_ms: None, peak_rss: None };
        assert!(self.store.end_run(&self.id, &end).expect("the end"));
        self.lock = None;
    }

    pub(crate) fn collect(&mut self) {
        assert!(self.store.collect_run(&self.id, now()).expect("the last look"));
        nc_daemon::ring(&self.installation.doorbell(Doorbell::Router));
    }

    /// The runner and its sandbox go away without a word; whoever collects the run is given back.
    pub(crate) fn vanish(mut self) -> Self {
        self.stream = None;
        self.lock = None;
        self
    }

    /// The connection to the router ends, and the run goes on.
    pub(crate) fn disconnect(&mut self) {
        self.stream = None;
    }

    pub(crate) fn was_asked_to_leave(&self) -> bool {
        self.store.run_should_leave(&self.id).expect("the run")
    }

    /// When the run was seen to have ended.
    pub(crate) fn ended_at(&self) -> Option<Timestamp> {
        self.store.run(&self.id).expect("the run").expect("it is there").ended_at
    }

    pub(crate) fn outcome(&self) -> Option<RunOutcome> {
        self.store.run(&self.id).expect("the run").expect("it is there").outcome
    }
}

pub(crate) fn text_of(row: &PendingRow) -> String {
    match row.content.as_ref().expect("content that can be read") {
        Incoming::Chat(chat) => chat.text.clone(),
        Incoming::Task(task) => task.prompt.clone(),
        other => panic!("an agent is shown {other:?}"),
    }
}
