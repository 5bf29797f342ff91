//! What is known of a session whose agent runs, or whose last word is not yet taken in.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nc_model::SessionStatus;
use nc_model::limits::{MAX_NEW_NOTES, MAX_NEW_ROWS};
use nc_store::{Run, RunPlan, Session, Usage};
use nc_wire::snapshot::{Fingerprint, busy_delay};

/// A look that took more of the processor than this puts the next one off. Measured: an ordinary one takes 0.3 ms.
const CHEAP: Duration = Duration::from_millis(5);

/// How many times as long as a look took the next one waits: an agent with a huge file gets a fifth of the processor at most.
const PAUSE_FACTOR: u32 = 4;

/// How many ids of rows and of acknowledgements are remembered after a whole look; beyond that the store is asked again. More than a
/// file may have that is read at all.
const REMEMBERED: usize = MAX_NEW_NOTES + MAX_NEW_ROWS;

/// How an agent's file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentFile {
    /// It is read.
    InUse,
    /// It was set aside before this run, and is not yet known to have been renewed.
    SetAside,
    /// That of this run cannot be read and is not looked at again.
    GivenUp,
}

/// A session that is watched.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) session: Session,
    pub(crate) plan: RunPlan,
    /// The live run, or the one that ended last.
    pub(crate) run: Run,
    /// The runs that have ended: the next whole look is their last.
    pub(crate) ended: Vec<String>,
    pub(crate) work: PathBuf,
    /// The agent's rows that the store has.
    pub(crate) known: HashSet<String>,
    /// What the agent's file says has ended, and the store has.
    pub(crate) done: HashSet<String>,
    /// What the agent of this run is at, and the store has.
    pub(crate) begun: HashSet<String>,
    /// What the file looked like when all of it had been taken.
    pub(crate) last: Option<Fingerprint>,
    /// What the model used in this run, by the agent's word.
    pub(crate) usage: Option<Usage>,
    /// How often it is looked at where nothing tells of changes.
    pub(crate) every: Option<Duration>,
    /// Nothing can tell of changes, and that was said.
    pub(crate) unwatched: bool,
    /// What was said last of something that may pass.
    pub(crate) complaint: Option<String>,
    /// How the agent's file stands.
    pub(crate) file: AgentFile,
    /// Since when a file of it waits for room on the disk.
    pub(crate) no_room_since: Option<Instant>,
    /// There is more to take in than what was.
    pub(crate) unfinished: bool,
    busy: u32,
    busy_since: Option<Instant>,
    due: Option<Instant>,
    earliest: Option<Instant>,
}

impl Live {
    /// A session with its newest run, to be looked at now.
    pub(crate) fn new(session: Session, plan: RunPlan, run: Run, work: PathBuf) -> Self {
        Self {
            file: if session.status == SessionStatus::SetAside { AgentFile::SetAside } else { AgentFile::InUse },
            session,
            plan,
            run,
            ended: Vec::new(),
            work,
            known: HashSet::new(),
            done: HashSet::new(),
            begun: HashSet::new(),
            last: None,
            usage: None,
            every: None,
            unwatched: false,
            complaint: None,
            no_room_since: None,
            unfinished: true,
            busy: 0,
            busy_since: None,
            due: Some(Instant::now()),
            earliest: None,
        }
    }

    /// Takes note of how the session's runs stand now.
    pub(crate) fn stands(&mut self, run: Run, ended: Vec<String>) {
        if run.id != self.run.id {
            self.begun.clear();
            self.usage = None;
            if self.file == AgentFile::GivenUp {
                self.file = AgentFile::SetAside;
            }
            self.look_at(Instant::now());
        }
        if ended != self.ended {
            self.ended = ended;
            self.look_at(Instant::now());
        }
        self.run = run;
    }

    /// Whether an agent may still be writing.
    pub(crate) fn is_live(&self) -> bool {
        self.run.ended_at.is_none()
    }

    /// When it is to be looked at.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Has it looked at then, or before where that was wanted already; but not too soon after an expensive look.
    pub(crate) fn look_at(&mut self, when: Instant) {
        let when = self.earliest.map_or(when, |earliest| earliest.max(when));
        self.due = Some(self.due.map_or(when, |due| due.min(when)));
    }

    /// Has it looked at now, whatever a look costs.
    pub(crate) fn look_at_once(&mut self) {
        self.earliest = None;
        self.due = Some(Instant::now());
    }

    /// A look begins.
    pub(crate) fn begin_look(&mut self) {
        self.due = None;
    }

    /// A look is over that took `cost` of the processor.
    pub(crate) fn end_look(&mut self, cost: Duration) {
        self.earliest = (cost > CHEAP).then(|| Instant::now() + cost * PAUSE_FACTOR);
        if let Some(due) = self.due.take() {
            self.look_at(due);
        }
        if let Some(every) = self.every.filter(|_| self.is_live()) {
            self.look_at(Instant::now() + every);
        }
    }

    /// The file's lock is held: when to look again. Gives how long it has been so.
    pub(crate) fn is_busy(&mut self) -> Duration {
        let now = Instant::now();
        let since = *self.busy_since.get_or_insert(now);
        self.look_at(now + busy_delay(self.busy));
        self.busy = self.busy.saturating_add(1);
        self.unfinished = true;
        now.duration_since(since)
    }

    /// Everything was taken in. An agent may go on for days, and put ever new rows in the place of old ones.
    pub(crate) fn was_whole(&mut self) {
        for ids in [&mut self.known, &mut self.done, &mut self.begun] {
            if ids.len() > REMEMBERED {
                *ids = HashSet::new();
            }
        }
    }

    /// The file's lock was free.
    pub(crate) fn was_free(&mut self) {
        self.busy = 0;
        self.busy_since = None;
    }

    /// Whether `text` is news about this session; the same complaint is made once.
    pub(crate) fn complains(&mut self, text: &str) -> bool {
        let is_news = self.complaint.as_deref() != Some(text);
        self.complaint = Some(text.to_owned());
        is_news
    }
}
