//! A machine of a test's own with the real systemd, booted by `scripts/machine`.
//!
//! ```no_run
//! use nc_testkit::machine::{Machine, Shared};
//!
//! static MACHINE: Shared = Shared::new(|| Machine::boot("example"));
//!
//! let Some(machine) = MACHINE.lend("a conversation under units") else { return };
//! machine.ok(["systemctl", "start", "nanoclaw.target"]);
//! let said = machine.command(["nanoclawctl", "talk", "--once", "hello"]).ok();
//! assert!(said.contains("hello"));
//! ```
#![expect(clippy::must_use_candidate, reason = "a command is often run for what it does")]

mod command;
mod disk;
mod journal;
mod script;
mod shared;
mod units;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use command::{Inside, Said};
pub use shared::{Lent, Shared};

use crate::binaries::programs;
use script::{said, script};

/// How long anything in a machine may take, on a host that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How often a condition in a machine is looked at: a look starts a process or two.
const LOOK: Duration = Duration::from_millis(100);

/// Where the source tree is in the machine, to be read.
pub const TREE: &str = "/opt/nanoclaw-tree";

/// Where the built programs are in the machine, to be read.
pub const BUILT: &str = "/opt/nanoclaw-built";

/// A machine that is removed on drop, also where the test panics, and soon after the test was killed.
#[derive(Debug)]
pub struct Machine {
    name: String,
    root: PathBuf,
    hold: Child,
}

impl Machine {
    /// Whether this host can boot machines; the error says why not. Only then may a test skip.
    ///
    /// The disk that all others are copies of is made here where it is missing, which takes a minute.
    ///
    /// # Errors
    /// In words, where it cannot.
    ///
    /// # Panics
    /// Where the script fails in a way that is no answer.
    pub fn can() -> Result<(), String> {
        script::can()
    }

    /// Boots a machine with nothing of ours in it but [`TREE`] and [`BUILT`]. `name` has small letters, digits and `-`.
    ///
    /// # Panics
    /// Where it does not come up, with the end of what its console said.
    #[must_use]
    pub fn bare(name: &str) -> Self {
        let machine = Self::off(name);
        machine.start();
        machine
    }

    /// Boots a machine in which NanoClaw is installed by `install.sh` and has a main group that answers by the provider
    /// `echo`. Nothing of it is started.
    ///
    /// # Panics
    /// Where anything of that fails.
    #[must_use]
    pub fn boot(name: &str) -> Self {
        let machine = Self::bare(name);
        machine.install();
        machine.configure("provider = \"echo\"\n");
        machine.ok(["nanoclawctl", "group", "add", "Main", "--folder", "main", "--main"]);
        machine
    }

    /// Makes a machine and leaves it switched off.
    ///
    /// # Panics
    /// Where its disk cannot be made.
    #[must_use]
    pub fn off(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        said(script("disk", &name).env("NC_MACHINE_OWNER", std::process::id().to_string()), PATIENCE).ok();
        let mut hold = script("hold", &name);
        // Not in the test's process group: who interrupts that one must not interrupt the removal.
        std::os::unix::process::CommandExt::process_group(&mut hold, 0);
        hold.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let hold = hold.spawn().expect("scripts/machine starts");
        let root = said(&mut script("root", &name), PATIENCE).ok();
        Self { root: PathBuf::from(root.trim_end()), name, hold }
    }

    /// Boots it; returns when everything that boots with it has started.
    ///
    /// # Panics
    /// Where it does not come up, with the end of what its console said.
    pub fn start(&self) {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the tree is there");
        let mut start = script("start", &self.name);
        start.arg(format!("--bind-ro={}:{TREE}", tree.display()));
        start.arg(format!("--bind-ro={}:{BUILT}", programs().display()));
        said(&mut start, 3 * PATIENCE).ok();
    }

    /// The process id of its init, as the host sees it; its `/proc/PID/root` is the machine's whole tree.
    ///
    /// # Panics
    /// Where it is off.
    #[must_use]
    pub fn init(&self) -> i32 {
        said(&mut script("leader", &self.name), PATIENCE).ok().trim().parse().expect("a process id")
    }

    /// Cuts its power: everything in it is gone at once, the disk stays.
    ///
    /// # Panics
    /// Where that fails.
    pub fn cut(&self) {
        said(&mut script("cut", &self.name), PATIENCE).ok();
    }

    /// Shuts it down in order.
    ///
    /// # Panics
    /// Where that fails.
    pub fn stop(&self) {
        said(&mut script("stop", &self.name), PATIENCE).ok();
    }

    /// Runs `install.sh` on the built programs.
    ///
    /// # Panics
    /// Where it fails.
    pub fn install(&self) {
        self.ok([&format!("{TREE}/install.sh"), &format!("--built={BUILT}")]);
    }

    /// Writes `nanoclaw.toml`. Programs that run read it at `systemctl reload`.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn configure(&self, text: &str) {
        self.put("/etc/nanoclaw/nanoclaw.toml", text, 0o644);
    }

    /// Prepares a command to be run in the machine, as a unit of its own: as root unless told, with the installation in its
    /// environment.
    pub fn command<I: IntoIterator<Item: AsRef<str>>>(&self, words: I) -> Inside<'_> {
        Inside::new(self, words.into_iter().map(|word| word.as_ref().to_owned()).collect())
    }

    /// Runs a command that must succeed, and returns its standard output.
    ///
    /// # Panics
    /// Where it fails, with what it said.
    #[track_caller]
    pub fn ok<I: IntoIterator<Item: AsRef<str>>>(&self, words: I) -> String {
        self.command(words).ok()
    }

    /// Runs a shell script in the machine, which must succeed, and returns its standard output.
    ///
    /// # Panics
    /// Where it fails, with what it said.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.ok(["sh", "-euc", script])
    }

    /// Says `text` to the main group's agent by `nanoclawctl talk --once`.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub fn talk_once(&self, text: &str) -> Said {
        self.command(["nanoclawctl", "talk", "--once", text]).output()
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// Where it does not for [`PATIENCE`], with `what`.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let held = self.wait_for(|machine| condition(machine).then_some(()));
        assert!(held.is_some(), "waited {PATIENCE:?} in vain: {what}");
    }

    /// Waits until `look` finds something, and returns it; `None` where [`PATIENCE`] ends first.
    pub fn wait_for<T>(&self, mut look: impl FnMut(&Self) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match look(self) {
                None if Instant::now() < deadline => thread::sleep(LOOK),
                found => return found,
            }
        }
    }

    /// What is said of it where a test fails: the end of its console and of its journal, and the units that have failed.
    fn last_words(&self) -> String {
        let console = std::fs::read_to_string(self.root.with_file_name("console.log")).unwrap_or_default();
        let console: Vec<&str> = console.lines().rev().take(20).collect();
        let console: Vec<&str> = console.into_iter().rev().collect();
        let journal = said(script("journal", &self.name).args(["--lines=150", "--output=short-precise"]), PATIENCE);
        let failed =
            said(script("ctl", &self.name).args(["systemctl", "--failed", "--no-legend", "--plain"]), PATIENCE);
        format!("console:\n{}\njournal:\n{}\nfailed units:\n{}", console.join("\n"), journal.stdout, failed.stdout)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("The machine {}\n{}", self.name, self.last_words());
        }
        // The end of its input has the holder remove the machine.
        drop(self.hold.stdin.take());
        if crate::command::end(&mut self.hold, PATIENCE).is_none() {
            eprintln!("the machine {} is not removed yet", self.name);
        }
    }
}
