//! What the agent says, as it comes: read from a copy of its file, and printed without what a terminal would obey.

use std::collections::HashSet;
use std::io::{self, Write as _, stdout};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nc_model::harmless;
use nc_store::ChatAddress;
use nc_wire::content::Outgoing;
use nc_wire::files::Directory;
use nc_wire::mailbox::AckStatus;
use nc_wire::snapshot::{self, Fingerprint, Limits, Look, OutRow, busy_delay};
use nc_wire::watch::LiveWatch;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::{Receiver, channel};

use super::say;

/// How often it is looked where nothing tells of changes: as nc-ipcd does.
const WITHOUT_WATCH: Duration = Duration::from_millis(500);

/// What an agent says, and how far it has been heard.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that happened or not")]
pub(super) struct Speech {
    work: PathBuf,
    /// Where a reply goes that needs no word on it.
    home: Option<ChatAddress>,
    watch: Option<LiveWatch<()>>,
    told: Option<Receiver<()>>,
    known: HashSet<String>,
    last: Option<Fingerprint>,
    busy: u32,
    more: bool,
    /// Whether anything was said.
    pub(super) spoke: bool,
    /// Nobody reads what is printed.
    pub(super) unread: bool,
    complained: bool,
}

impl Speech {
    /// What is said from now on in the session's directory `work`.
    pub(super) fn listen(work: PathBuf, home: Option<ChatAddress>) -> Self {
        let mut speech = Self {
            work,
            home,
            watch: None,
            told: None,
            known: HashSet::new(),
            last: None,
            busy: 0,
            more: false,
            spoke: false,
            unread: false,
            complained: false,
        };
        speech.watch();
        speech.know();
        speech
    }

    /// What was said before is not said again.
    fn know(&mut self) {
        loop {
            let Some(snapshot) = self.look() else { return };
            let known = &self.known;
            let Ok(rows) = snapshot.messages_out(|id| known.contains(id)) else { return };
            let found: Vec<String> =
                rows.rows.into_iter().map(|row| row.map_or_else(|error| error.key, |row| row.id)).collect();
            let whole = !rows.more || found.is_empty();
            self.known.extend(found);
            if whole {
                self.last = Some(snapshot.fingerprint().clone());
                return;
            }
        }
    }

    /// Prints what is new, and returns how the row `prompt` ended, where it has.
    pub(super) fn hear(&mut self, prompt: &str) -> Option<AckStatus> {
        self.watch();
        self.more = false;
        let snapshot = self.look()?;
        let known = &self.known;
        let rows = match snapshot.messages_out(|id| known.contains(id)) {
            Ok(rows) => rows,
            Err(error) => return self.complain(&error.to_string()),
        };
        self.more = rows.more && !rows.rows.is_empty();
        for row in rows.rows {
            match row {
                Ok(row) => {
                    self.print(&row);
                    self.known.insert(row.id);
                }
                // nc-ipcd sets it aside and says so.
                Err(error) => drop(self.known.insert(error.key)),
            }
        }
        if self.more {
            return None;
        }
        self.last = Some(snapshot.fingerprint().clone());
        let acks = snapshot.acks(|id| id != prompt).ok()?.rows;
        let ended = |status: &AckStatus| matches!(status, AckStatus::Completed | AckStatus::Failed);
        acks.into_iter().filter_map(Result::ok).find(|ack| ack.message_id == prompt).map(|ack| ack.status).filter(ended)
    }

    /// Whether there is something to be heard that was not, since the file was locked or had too much in it.
    pub(super) fn is_behind(&self) -> bool {
        self.busy > 0 || self.more
    }

    /// Returns when there may be something new.
    pub(super) async fn changed(&mut self) {
        let pause = match (self.busy, self.more) {
            (_, true) => Duration::ZERO,
            (0, false) => WITHOUT_WATCH,
            (times, false) => busy_delay(times - 1),
        };
        match &mut self.told {
            Some(told) => drop(tokio::time::timeout(pause, told.recv()).await),
            None => tokio::time::sleep(pause.min(Duration::from_millis(20))).await,
        }
        if let Some(Err(error)) = self.watch.as_mut().map(LiveWatch::changes) {
            self.complain::<()>(&error.to_string());
        }
    }

    fn look(&mut self) -> Option<Box<snapshot::Snapshot>> {
        let directory = Directory::open(&self.work).ok()?;
        match snapshot::read(&directory, &Limits::default(), self.last.as_ref()) {
            Ok(Look::Snapshot(snapshot)) => {
                self.busy = 0;
                Some(snapshot)
            }
            Ok(Look::Busy) => {
                self.busy += 1;
                None
            }
            Ok(Look::Absent | Look::Unchanged) => {
                self.busy = 0;
                None
            }
            Err(error) => {
                self.busy = 0;
                self.complain(&error.to_string())
            }
        }
    }

    fn complain<T>(&mut self, why: &str) -> Option<T> {
        if !std::mem::replace(&mut self.complained, true) {
            say(&format!("what the agent says cannot be read: {why}"));
        }
        None
    }

    /// Begins to hear of changes, as soon as there is a directory.
    fn watch(&mut self) {
        if self.watch.is_some() || !self.work.is_dir() {
            return;
        }
        // Where it cannot be had, it is looked twice a second.
        let Ok(mut watch) = LiveWatch::new() else { return };
        if watch.add((), &self.work).is_ok() {
            self.told = tell(&watch).ok();
            self.watch = Some(watch);
        }
    }

    fn print(&mut self, row: &OutRow) {
        let Some(text) = text_of(&row.content) else { return };
        self.spoke = true;
        let text = match self.elsewhere(row) {
            Some(place) => format!("[to {place}] {text}"),
            None => text,
        };
        let mut out = stdout().lock();
        let printed = out.write_all(harmless(&text).as_bytes()).and_then(|()| out.write_all(b"\n"));
        if let Err(error) = printed.and_then(|()| out.flush())
            && !std::mem::replace(&mut self.unread, true)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            say(&format!("failed to write to standard output: {error}"));
        }
    }

    /// Where a row goes that does not go to the session's own chat.
    fn elsewhere(&self, row: &OutRow) -> Option<String> {
        let (channel, place) = (row.channel_type.as_deref()?, row.platform_id.as_deref()?);
        let home = match &self.home {
            Some(chat) => (chat.channel.as_str(), chat.platform_id.as_str()),
            None => ("manual", "terminal"),
        };
        (home != (channel, place)).then(|| format!("{channel}:{place}"))
    }
}

/// What a row says to people; none for a request to the host.
fn text_of(content: &Outgoing) -> Option<String> {
    Some(match content {
        Outgoing::Text(text) => {
            let files = text.files.iter().map(|name| format!("[file: {name}]"));
            Some(text.text.clone())
                .filter(|text| !text.is_empty())
                .into_iter()
                .chain(files)
                .collect::<Vec<_>>()
                .join("\n")
        }
        Outgoing::Edit(edit) => format!("[changes an earlier message to:] {}", edit.text),
        Outgoing::Reaction(reaction) => format!("[reacts with {}]", reaction.emoji),
        Outgoing::Question(question) => {
            let options: Vec<String> = question.options.iter().map(|option| format!("[{}]", option.label)).collect();
            format!("{}\n{}\n{}", question.title, question.question, options.join(" "))
        }
        Outgoing::Card(card) => card.fallback_text.clone(),
        _ => return None,
    })
}

/// Tells of changes of what `watch` watches, from a thread that ends when nobody listens any more.
fn tell(watch: &LiveWatch<()>) -> io::Result<Receiver<()>> {
    let descriptor = watch.as_fd().try_clone_to_owned()?;
    let (said, told) = channel(1);
    thread::Builder::new().name("watch".to_owned()).spawn(move || {
        while !said.is_closed() {
            let mut waiting = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut waiting, PollTimeout::from(500_u16)).unwrap_or(0);
            if ready > 0 && said.blocking_send(()).is_err() {
                return;
            }
        }
    })?;
    Ok(told)
}
