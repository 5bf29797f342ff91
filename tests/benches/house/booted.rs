//! The house under a real systemd, in a machine booted for it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nc_store::{NewMessage, Store};
use nc_testkit::machine::Machine;
use nc_testkit::{PATIENCE, processes, skip, wait_until};
use nix::sys::inotify::AddWatchFlags;

use crate::figures::Figures;
use crate::idle;
use crate::turns::watch;

/// Where `install.sh` puts the agent's program.
const AGENT: &str = "/usr/local/libexec/nanoclaw/nc-agent";

/// What people use, as the unit of the target needs it.
const SERVICES: [&str; 2] = ["nc-router.service", "nc-ipcd.service"];

pub(crate) fn measure(figures: &mut Figures, turns: usize, span: Duration) {
    if let Err(why) = Machine::can() {
        return skip("the figures under a booted systemd", &why);
    }
    let machine = Machine::boot("bench");
    let starts: Vec<_> = (0..turns.min(20)).map(|_| target_to_ready(&machine)).collect();
    figures.spans("nanoclaw.target: start to all ready", "300 ms", &starts);
    let mut terminal = Terminal::open(&machine);
    idle(figures, &machine, span);
    let there = (0..turns.min(30)).map(|_| terminal.span_to_sandbox(|| {})).collect::<Vec<_>>();
    figures.spans("under systemd: committed message → fresh sandbox, router there", "25 ms", &there);
    machine.configure("provider = \"echo\"\nidle_exit = true\n");
    machine.ok(["systemctl", "restart", "nc-router.service"]);
    // It leaves half a minute after its last work, so this takes its time.
    let asleep = (0..turns.min(5)).map(|_| terminal.span_to_sandbox(|| until_asleep(&machine))).collect::<Vec<_>>();
    figures.spans("under systemd: committed message → fresh sandbox, router asleep", "70 ms", &asleep);
}

/// By the clock in the machine, around the command itself.
fn target_to_ready(machine: &Machine) -> Duration {
    machine.ok(["systemctl", "stop", "nanoclaw.target"]);
    machine.wait_until("the services are down", |machine| {
        SERVICES.iter().all(|unit| machine.show(unit, "ActiveState") == "inactive")
    });
    let script = "begun=$(date +%s%N); systemctl start nanoclaw.target nc-router.service nc-ipcd.service; \
                  echo $(($(date +%s%N) - begun))";
    let took = machine.sh(script);
    Duration::from_nanos(took.trim().parse().expect("a number"))
}

fn until_asleep(machine: &Machine) {
    machine.wait_until("the router sleeps", |machine| machine.show("nc-router.service", "ActiveState") == "inactive");
}

/// Memory and wake-ups of the programs that stay, with no agent there.
fn idle(figures: &mut Figures, machine: &Machine, span: Duration) {
    let init = machine.init();
    let usage = || idle::usage_of(processes::below(init).into_iter().filter(|process| process.name.starts_with("nc-")));
    let before = usage();
    // The one place where time itself is what is measured.
    std::thread::sleep(span);
    idle::keep(figures, "under systemd: ", &before, &usage(), span);
}

/// What a channel does, from outside the machine: it commits a message, and rings the router.
struct Terminal<'a> {
    machine: &'a Machine,
    store: Store,
    doorbell: PathBuf,
    started: Receiver<Instant>,
    said: usize,
}

impl<'a> Terminal<'a> {
    fn open(machine: &'a Machine) -> Self {
        let store = machine.path("/var/lib/nanoclaw/store/messages.db");
        let store = Store::open(&store).expect("the machine's store");
        let doorbell = Path::new("/proc").join(machine.init().to_string()).join("root/run/nanoclaw/router.sock");
        let started = watch(&machine.path(AGENT), AddWatchFlags::IN_OPEN, None);
        Self { machine, store, doorbell, started, said: 0 }
    }

    /// Says something once no agent is there and `prepare` has returned, and returns how long after its commit the agent's
    /// program was opened.
    fn span_to_sandbox(&mut self, prepare: impl FnOnce()) -> Duration {
        self.let_the_agent_leave();
        prepare();
        while self.started.try_recv().is_ok() {}
        let chat = self.store.chats_page(None, 1).expect("the chats are listed").remove(0);
        self.said += 1;
        let mut message = NewMessage::new(chat.id, format!("bench-{}", self.said), format!("turn {}", self.said));
        message.sender_id = Some(format!("terminal:{}", chat.platform_id));
        self.store.record(&message).expect("the message is stored");
        let committed = Instant::now();
        nc_daemon::ring(&self.doorbell);
        let executed = self.started.recv_timeout(PATIENCE).expect("the agent is started");
        let last = self.store.newest_seq().expect("the message");
        wait_until(PATIENCE, "the message is answered", || self.store.fate(last).is_ok_and(|fate| fate.is_ended()));
        // More of the same start: the sandbox opens the program, too.
        self.started.try_iter().last().unwrap_or(executed) - committed
    }

    fn let_the_agent_leave(&self) {
        // The slice stays, as it does where people talk.
        self.machine.sh("systemctl kill --signal=TERM 'nc-runner@*.service' || true");
        self.machine.wait_until("the agent has left", |machine| {
            self.store.live_runs().is_ok_and(|runs| runs.is_empty()) && machine.units(&["nc-runner@*"]).is_empty()
        });
    }
}
