//! An installation of a test's own, and the real programs in it.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nc_config::{Installation, Loaded, Options};
use nc_store::Store;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::binaries::{open_to_all, programs, public_programs};
use crate::command::finish;
use crate::deadline::{PATIENCE, wait_until};
use crate::failpoints::Failpoints;
use crate::processes::{self, Process};
use crate::up::Up;

/// An installation in a temporary directory. Everything that was started in it is killed, and it is removed, on drop.
#[derive(Debug)]
pub struct Toolkit {
    up: Option<Up>,
    place: TempDir,
    programs: PathBuf,
    user: Option<u32>,
    keys: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Toolkit {
    /// Makes an empty installation that belongs to whoever runs the test.
    ///
    /// # Panics
    /// Where the programs cannot be built or the directory cannot be made.
    #[must_use]
    pub fn new() -> Self {
        Self::make(programs(), None)
    }

    /// Makes an empty installation whose programs are those in `dir`, such as stand-ins.
    ///
    /// # Panics
    /// Where the directory cannot be made.
    #[must_use]
    pub fn with_programs(dir: &Path) -> Self {
        Self::make(dir, None)
    }

    /// Makes an empty installation that belongs to the user `uid` (and the group of that number), as whom everything is
    /// started. Needs root.
    ///
    /// # Panics
    /// As [`Toolkit::new`], and where the test does not run as root.
    #[must_use]
    pub fn as_user(uid: u32) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "only root starts programs as another user");
        Self::make(public_programs(), Some(uid))
    }

    /// As [`Toolkit::as_user`], with the programs in `dir`, which that user can reach.
    ///
    /// # Panics
    /// As [`Toolkit::as_user`].
    #[must_use]
    pub fn as_user_with_programs(uid: u32, dir: &Path) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "only root starts programs as another user");
        Self::make(dir, Some(uid))
    }

    fn make(programs: &Path, user: Option<u32>) -> Self {
        let place = tempfile::Builder::new().prefix("nc-test.").tempdir().expect("a temporary directory");
        let kit =
            Self { up: None, place, programs: programs.to_owned(), user, keys: Vec::new(), environment: Vec::new() };
        if user.is_some() {
            open_to_all(kit.place.path());
        }
        for dir in [kit.dir(), kit.home()] {
            fs::create_dir(&dir).expect("a directory is made");
            if let Some(uid) = user {
                chown(&dir, Some(uid), Some(uid)).expect("it is given to the user");
            }
        }
        kit
    }

    /// The installation's directory.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.place.path().join("house")
    }

    /// A directory beside the installation, for whatever the test wants to keep.
    #[must_use]
    pub fn beside(&self) -> &Path {
        self.place.path()
    }

    fn home(&self) -> PathBuf {
        self.place.path().join("home")
    }

    /// The user that everything is started as, where it is another.
    #[must_use]
    pub fn user(&self) -> Option<u32> {
        self.user
    }

    /// Sets a key, as `KEY=VALUE`, for all programs that are started from now on.
    pub fn set(&mut self, key: &str) -> &mut Self {
        self.keys.push(key.to_owned());
        self
    }

    /// Sets a variable in the environment of all programs that the test starts from now on.
    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has all programs that are started from now on look for failpoints.
    ///
    /// # Panics
    /// Where their directory cannot be made.
    pub fn failpoints(&mut self) -> Failpoints {
        let points = Failpoints::in_dir(self.place.path().join("failpoints"));
        self.env(nc_failpoint::VARIABLE, &points.dir().to_string_lossy());
        // A sandbox's user reaches it.
        open_to_all(self.place.path());
        points
    }

    /// The configuration, as the programs find it.
    ///
    /// # Panics
    /// Where it is wrong.
    #[must_use]
    pub fn loaded(&self) -> Loaded {
        let options = Options { dir: Some(self.dir()), set: self.keys.clone() };
        nc_config::load(&options).expect("the configuration is right")
    }

    /// Where everything lies.
    #[must_use]
    pub fn installation(&self) -> Installation {
        self.loaded().installation
    }

    /// The store, opened by the test itself (it is made where it is missing).
    ///
    /// # Panics
    /// Where it cannot be opened.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::open(&self.installation().store_file()).expect("the store opens")
    }

    /// The directory of the programs.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// Returns how to start a program of the toolkit in this installation: as its user, with an environment of its own,
    /// standard input empty.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs().join(name));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home()).env("LANG", "C.UTF-8").env("RUST_BACKTRACE", "1");
        command.env("NANOCLAW_DIR", self.dir()).current_dir(self.place.path()).stdin(Stdio::null());
        for (name, value) in (Options { dir: None, set: self.keys.clone() }).environment() {
            command.env(name, value);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(uid) = self.user {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// Runs `nanoclawctl` with `arguments` to its end.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub fn ctl<const N: usize>(&self, arguments: [&str; N]) -> Output {
        finish(self.program("nanoclawctl").args(arguments))
    }

    /// As [`Toolkit::ctl`], and returns standard output; the command must succeed.
    ///
    /// # Panics
    /// Where it fails, with what it said.
    pub fn ctl_ok<const N: usize>(&self, arguments: [&str; N]) -> String {
        let output = self.ctl(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "nanoclawctl {arguments:?}: {}\n{said}\n{}", output.status, self.log());
        String::from_utf8(output.stdout).expect("nanoclawctl writes UTF-8")
    }

    /// Says `text` to the agents of this terminal, and returns what `nanoclawctl talk --once` did.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub fn talk_once(&self, text: &str) -> Output {
        self.ctl(["talk", "--once", text])
    }

    /// Starts `nanoclawctl up` and returns when it is ready.
    ///
    /// # Panics
    /// Where it is not ready in time, or ends, with what it said.
    pub fn up(&mut self) -> &mut Self {
        self.start_up().up_ref().wait_ready();
        self
    }

    /// Starts `nanoclawctl up` and returns at once.
    ///
    /// # Panics
    /// Where it runs already, or cannot be started.
    pub fn start_up(&mut self) -> &mut Self {
        assert!(self.up.is_none(), "up runs already");
        self.up = Some(Up::start(self.program("nanoclawctl").arg("up"), self.place.path()));
        self
    }

    /// The running `up`.
    ///
    /// # Panics
    /// Where none was started.
    #[must_use]
    pub fn up_ref(&self) -> &Up {
        self.up.as_ref().expect("up was started")
    }

    /// Everything that `up` and its programs have said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.up.as_ref().map(Up::said).unwrap_or_default()
    }

    /// Sends `signal` to `up`, waits for its end and returns its exit status, `None` where a signal ended it. After that
    /// it can be started again.
    ///
    /// # Panics
    /// Where it does not end in time, or was not started.
    pub fn stop(&mut self, signal: Signal) -> Option<i32> {
        let up = self.up.take().expect("up was started");
        up.send(signal);
        up.wait_end().code()
    }

    /// The processes of the program `name` that `up` has started.
    #[must_use]
    pub fn processes(&self, name: &str) -> Vec<Process> {
        let all = self.up.as_ref().map(|up| processes::below(up.pid())).unwrap_or_default();
        all.into_iter().filter(|process| process.name == name).collect()
    }

    /// Waits until `up` has a process of the program `name`, and returns it.
    ///
    /// # Panics
    /// Where there is none in time.
    #[must_use]
    pub fn process(&self, name: &str) -> Process {
        let found = crate::deadline::wait_for(PATIENCE, || self.processes(name).pop());
        found.unwrap_or_else(|| panic!("there is no {name}:\n{}", self.log()))
    }

    /// Sends `signal` to a process of the program `name`, and returns when it is gone.
    ///
    /// # Panics
    /// Where there is none, or it stays.
    pub fn kill(&self, name: &str, signal: Signal) {
        let process = self.process(name);
        processes::send(process.pid, signal);
        wait_until(PATIENCE, &format!("{name} is gone after {signal}"), || !processes::lives(&process));
    }
}

impl Drop for Toolkit {
    fn drop(&mut self) {
        self.up = None;
        processes::kill_all_with(&format!("NANOCLAW_DIR={}", self.dir().display()));
    }
}

impl Default for Toolkit {
    fn default() -> Self {
        Self::new()
    }
}
