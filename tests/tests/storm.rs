//! Several terminals talk at once while everything is killed and stopped at random, the terminals and `up` too: each
//! message is answered once, the ledger agrees, and nothing stays behind.
//!
//! `NC_STORM` makes it longer: how many kills are dealt (30 without it), among blows that stop somebody for a while. `NC_STORM_SEED` repeats one.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nc_model::Seq;
use nc_store::Store;
use nc_testkit::processes::{all_with, send};
use nc_testkit::{PATIENCE, Signal, Toolkit, wait_for, wait_until};

/// How long an answer may take: a message whose agent was killed twice waits for 10 s, three times for 20 more.
const ANSWERED_WITHIN: Duration = Duration::from_secs(120);

/// Who is hit. Those named twice are hit more often.
const VICTIMS: [&str; 8] = ["nc-router", "nc-ipcd", "nc-runner", "nc-agent", "bwrap", "nc-router", "talk", "up"];

/// A linear congruence: as much chance as is needed here, and it can be repeated.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| u64::from(since.subsec_micros()));
        let given = std::env::var("NC_STORM_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(clock);
        println!("NC_STORM_SEED={seed}");
        Self(seed)
    }

    /// A number below `most`.
    fn roll(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// How often a text was shown, plainly and as what was perhaps shown before.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    plainly: u32,
    perhaps: u32,
}

/// A person who says one thing after the other to one group, and starts `talk` again whenever it ends.
struct Terminal {
    group: String,
    programs: PathBuf,
    dir: PathBuf,
    /// The present `talk`; 0 where there is none.
    pid: Arc<AtomicI32>,
    leave: Arc<AtomicBool>,
    shown: Arc<Mutex<HashMap<String, Shown>>>,
}

impl Terminal {
    fn talk(&self) -> Child {
        let mut command = Command::new(self.programs.join("nanoclawctl"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("NANOCLAW_DIR", &self.dir);
        command.args(["talk", &self.group]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("talk starts")
    }

    /// Talks until it is told to leave, and returns what it said.
    fn stay(&self) -> Vec<String> {
        let mut said = Vec::new();
        let mut open = None;
        while open.is_some() || !self.leave.load(Ordering::SeqCst) {
            let mut child = self.talk();
            self.pid.store(i32::try_from(child.id()).expect("a number"), Ordering::SeqCst);
            let heard = self.listen(&mut child);
            let mut to = child.stdin.take().expect("standard input is a pipe");
            while let Some(text) = open.take().or_else(|| self.next(&mut to, &mut said)) {
                if !self.is_answered(&text, &heard) {
                    open = Some(text);
                    break;
                }
            }
            self.pid.store(0, Ordering::SeqCst);
            drop(to);
            child.wait().expect("talk ends");
            for () in heard {}
            open = open.filter(|text| self.was_accepted(text));
        }
        said
    }

    /// Says the next text; none where it is time to leave, or nobody reads.
    fn next(&self, to: &mut impl Write, said: &mut Vec<String>) -> Option<String> {
        if self.leave.load(Ordering::SeqCst) {
            return None;
        }
        let text = format!("{}-{}.", self.group, said.len());
        writeln!(to, "{text}").ok()?;
        said.push(text.clone());
        Some(text)
    }

    /// Waits for the answer; false where this `talk` ends without it.
    fn is_answered(&self, text: &str, heard: &Receiver<()>) -> bool {
        let deadline = Instant::now() + ANSWERED_WITHIN;
        loop {
            if self.shown.lock().expect("the list").contains_key(text) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no answer to {text}");
            if let Err(RecvTimeoutError::Disconnected) = heard.recv_timeout(left) {
                return self.shown.lock().expect("the list").contains_key(text);
            }
        }
    }

    /// A `talk` that was killed may have read a line without storing it; nobody was told that it was accepted.
    fn was_accepted(&self, text: &str) -> bool {
        let store = Store::open(&self.dir.join("store/messages.db")).expect("the store opens");
        accepted(&store).iter().any(|accepted| accepted == text)
    }

    /// Takes note of what is shown; each line and the end of both streams is a word on the channel.
    fn listen(&self, child: &mut Child) -> Receiver<()> {
        let (word, heard) = channel();
        let out = child.stdout.take().expect("standard output is a pipe");
        let err = child.stderr.take().expect("standard error is a pipe");
        self.read(out, word.clone());
        self.read(err, word);
        heard
    }

    fn read(&self, from: impl Read + Send + 'static, word: Sender<()>) -> JoinHandle<()> {
        let shown = Arc::clone(&self.shown);
        spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                note(&mut shown.lock().expect("the list"), &line);
                if word.send(()).is_err() {
                    return;
                }
            }
        })
    }
}

/// The text of every message that the store has.
fn accepted(store: &Store) -> Vec<String> {
    let all = store.messages_after(Seq(0), 100_000).expect("a look");
    all.into_iter().filter_map(|message| message.text).collect()
}

/// Counts the answers in a line that was printed.
fn note(shown: &mut HashMap<String, Shown>, line: &str) {
    for said in line.split("You said: ").skip(1) {
        let text = said.split_whitespace().next().unwrap_or_default().to_owned();
        let shown = shown.entry(text).or_default();
        if line.contains("perhaps shown before") { shown.perhaps += 1 } else { shown.plainly += 1 }
    }
}

/// Deals one blow; `stopped` goes on at the next. Whether somebody was killed.
fn strike(kit: &mut Toolkit, terminals: &[Arc<AtomicI32>], dice: &mut Dice, stopped: &mut Option<i32>) -> bool {
    let number = VICTIMS[usize::try_from(dice.roll(8)).expect("a small number")];
    let kill = dice.roll(4) > 0;
    if let Some(pid) = stopped.take() {
        send(pid, Signal::SIGCONT);
    }
    if number == "up" {
        let log = kit.log();
        assert_eq!(kit.stop(Signal::SIGKILL), None, "{log}");
        kit.start_up();
        return true;
    }
    let pids: Vec<i32> = if number == "talk" {
        terminals.iter().map(|pid| pid.load(Ordering::SeqCst)).filter(|pid| *pid > 0).collect()
    } else {
        kit.processes(number).iter().map(|process| process.pid).collect()
    };
    if pids.is_empty() {
        return false;
    }
    let pid = pids[usize::try_from(dice.roll(pids.len() as u64)).expect("a small number")];
    send(pid, if kill { Signal::SIGKILL } else { Signal::SIGSTOP });
    *stopped = (!kill).then_some(pid);
    kill
}

#[test]
fn whoever_is_hit_whenever_each_message_is_answered_once_and_nothing_stays() {
    let mut kit = Toolkit::new();
    kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
    kit.ctl_ok(["group", "add", "Family"]);
    kit.up();
    let (leave, shown) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(HashMap::new())));
    let pids = [Arc::new(AtomicI32::new(0)), Arc::new(AtomicI32::new(0))];
    let talking = ["main", "family"].into_iter().zip(&pids).map(|(group, pid)| {
        let (group, pid) = (group.to_owned(), Arc::clone(pid));
        let (programs, dir) = (kit.programs().to_owned(), kit.dir());
        let (leave, shown) = (Arc::clone(&leave), Arc::clone(&shown));
        spawn(move || Terminal { group, programs, dir, pid, leave, shown }.stay())
    });
    let talking: Vec<JoinHandle<Vec<String>>> = talking.collect();

    let (mut dice, mut stopped) = (Dice::new(), None);
    let blows = std::env::var("NC_STORM").ok().and_then(|blows| blows.parse().ok()).unwrap_or(30);
    let mut dealt = 0;
    while dealt < blows {
        dealt += u32::from(strike(&mut kit, &pids, &mut dice, &mut stopped));
        // Waits for nothing: the next blow falls at any moment.
        std::thread::sleep(Duration::from_millis(dice.roll(300)));
    }
    if let Some(pid) = stopped {
        send(pid, Signal::SIGCONT);
    }
    leave.store(true, Ordering::SeqCst);
    let said: usize = talking.into_iter().map(|one| one.join().expect("each is answered").len()).sum();

    let settled = wait_for(PATIENCE, || {
        let ledger = kit.ctl_ok(["ledger"]);
        (ledger.matches("+ 0 open").count() == 2).then_some(())
    });
    assert!(settled.is_some(), "{}\n{}", kit.ctl_ok(["ledger"]), kit.log());
    let check = kit.ctl(["ledger", "--check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    let accepted = accepted(&kit.store());
    assert!(!accepted.is_empty() && accepted.len() <= said, "{} of {said}", accepted.len());
    let shown = shown.lock().expect("the list");
    let of = |text: &String| shown.get(text).copied().unwrap_or_default();
    let twice: Vec<_> = accepted.iter().filter(|text| of(text).plainly > 1).collect();
    let never: Vec<_> = accepted.iter().filter(|text| of(text).plainly + of(text).perhaps == 0).collect();
    assert!(twice.is_empty() && never.is_empty(), "twice: {twice:?}, never: {never:?}\n{}", kit.log());

    assert_eq!(kit.stop(Signal::SIGTERM), Some(0));
    let ours = format!("NANOCLAW_DIR={}", kit.dir().display());
    wait_until(PATIENCE, "everything has ended", || all_with(&ours).is_empty());
    assert_eq!(sockets_below(kit.installation().run_dir()), Vec::<PathBuf>::new());
}

fn sockets_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(sockets_below(&entry.path())),
            Ok(kind) if kind.is_socket() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}
