//! How fast messages are stored, and how fast the real router decides on them and puts them into mailboxes.
//!
//! No run begins here: whoever asks for one at the runner's socket waits for the answer, so that all slots are taken as in
//! a house that is busy.

use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nc_model::{ChatId, Decision, FolderName, GroupId, UnknownSenderPolicy};
use nc_store::{Decided, Left, MAX_BATCH, NewChat, NewGroup, NewMessage, NewWiring, Store};
use nc_testkit::{Toolkit, wait_until};

use crate::figures::{Figures, Unit};

/// Messages of one measurement.
const MESSAGES: usize = 10_000;
const SINGLY: usize = 2_000;

/// The groups of a large house, and the messages of an old one.
const GROUPS: usize = 10_000;
const HISTORY: usize = 1_000_000;

/// How long one measurement may take.
const LONGEST: Duration = Duration::from_secs(600);

/// A house whose programs do not run, and what is written there.
struct House {
    kit: Toolkit,
    store: Store,
    chats: Vec<ChatId>,
    written: usize,
    _runner: UnixListener,
}

/// A router at work, killed on drop.
struct Router(Child);

impl Drop for Router {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl House {
    /// With so many groups, each with a chat of its own.
    fn with_groups(count: usize) -> Self {
        let kit = Toolkit::new();
        let mut store = kit.store();
        let chats = (0..count).map(|n| make(&mut store, n).0).collect();
        let installation = kit.installation();
        std::fs::create_dir_all(installation.run_dir()).expect("the run directory");
        let runner = UnixListener::bind(installation.runner_socket()).expect("the runner's socket");
        Self { kit, store, chats, written: 0, _runner: runner }
    }

    /// Stores messages, one after the other in the first `chats` chats, `a_batch` in each transaction.
    fn write(&mut self, messages: usize, chats: usize, a_batch: usize) -> Duration {
        let begun = Instant::now();
        let end = self.written + messages;
        while self.written < end {
            let size = a_batch.min(end - self.written);
            let batch: Vec<NewMessage> = (self.written..self.written + size)
                .map(|n| {
                    let mut message =
                        NewMessage::new(self.chats[n % chats], format!("e{n}"), format!("@Andy message {n}"));
                    message.sender_id = Some("test:bob".to_owned());
                    message
                })
                .collect();
            if a_batch == 1 {
                self.store.record(&batch[0]).expect("a message is stored");
            } else {
                self.store.record_batch(&batch).expect("messages are stored");
            }
            self.written += size;
        }
        begun.elapsed()
    }

    /// Stores messages that were decided on long ago.
    fn write_history(&mut self, messages: usize) {
        let end = self.written + messages;
        while self.written < end {
            self.write(MAX_BATCH.min(end - self.written), 100, MAX_BATCH);
            let unrouted = self.store.unrouted(u32::MAX).expect("they are there");
            let left = || Left { decision: Decision::Ignored, rule: "drop_policy".to_owned() };
            let decided: Vec<_> =
                unrouted.iter().map(|message| Decided::new(message.seq, message.chat, Vec::new(), left())).collect();
            self.store.decide(&decided).expect("they are decided");
        }
    }

    /// Starts a router, and returns how long it takes until everything is decided and in its mailbox, and for how much of
    /// that the router used a processor.
    fn route(&mut self) -> (Duration, Duration) {
        let begun = Instant::now();
        let mut command = self.kit.program("nc-router");
        let router = Router(command.stderr(Stdio::null()).spawn().expect("nc-router starts"));
        let last = self.store.newest_seq().expect("the newest message");
        wait_until(LONGEST, "everything is routed and placed", || {
            self.store.fate(last).is_ok_and(|fate| fate.routed)
                && self.store.sessions_to_place().is_ok_and(|sessions| sessions.is_empty())
        });
        (begun.elapsed(), router.used())
    }
}

impl Router {
    /// The processor's time that it has used, with that of the kernel for it.
    fn used(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        // proc_pid_stat(5): utime and stime are the 12th and 13th field after the name, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }
}

fn make(store: &mut Store, n: usize) -> (ChatId, GroupId) {
    let name = format!("g{n}");
    let chat = NewChat { channel: "test", platform_id: &name, name: None, is_group: true };
    let chat = store.ensure_chat(&chat).expect("a chat");
    store.set_unknown_sender_policy(chat, UnknownSenderPolicy::Public).expect("a policy");
    let folder = FolderName::parse(&name).expect("a folder name");
    let group = store.create_group(&NewGroup::new(name, folder)).expect("a group").id;
    store.wire(&NewWiring::new(chat, group), None).expect("a wiring");
    (chat, group)
}

/// How fast all of it goes, in a small house, in a large one, and in an old one.
pub(crate) fn measure(figures: &mut Figures, history: Option<u64>) {
    let mut one = House::with_groups(1);
    rate(figures, "messages stored, one by one", SINGLY, (one.write(SINGLY, 1, 1), Duration::ZERO), "2,000");
    let mut one = House::with_groups(1);
    let stored = (one.write(MESSAGES, 1, MAX_BATCH), Duration::ZERO);
    rate(figures, "messages stored, in batches of 100", MESSAGES, stored, "20,000");
    rate(figures, "messages routed and placed, into one session", MESSAGES, one.route(), "5,000");
    let mut hundred = House::with_groups(100);
    hundred.write(MESSAGES, 100, MAX_BATCH);
    rate(figures, "messages routed and placed, across 100 sessions", MESSAGES, hundred.route(), "5,000");
    let mut large = House::with_groups(GROUPS);
    large.write(MESSAGES, 100, MAX_BATCH);
    rate(figures, "the same in a house of 10,000 groups", MESSAGES, large.route(), "5,000");
    growth(figures, history.map_or(HISTORY, |n| usize::try_from(n).unwrap_or(HISTORY)));
}

/// Routing after a short and after a long history.
fn growth(figures: &mut Figures, history: usize) {
    for stored in [1_000, history] {
        let mut house = House::with_groups(100);
        house.write_history(stored);
        house.write(MESSAGES, 100, MAX_BATCH);
        let what = format!("the same with {stored} stored messages");
        rate(figures, &what, MESSAGES, house.route(), "-10 %");
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of messages")]
fn rate(figures: &mut Figures, what: &str, count: usize, (took, used): (Duration, Duration), aim: &str) {
    figures.one(what, aim, Unit::PerSecond, count as f64 / took.as_secs_f64());
    if !used.is_zero() {
        let each = used.as_secs_f64() * 1e6 / count as f64;
        figures.one(format!("{what}: processor for each"), "", Unit::Microseconds, each);
    }
}
