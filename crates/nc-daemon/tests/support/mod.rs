//! Starts the stand-in as an init system does, and hears what it says.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program that is started: built with the tests, beside them.
pub(crate) fn stand_in() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has a path");
    let profile = exe.parent().and_then(Path::parent).expect("it lies in target/PROFILE/deps");
    profile.join("examples/stand-in")
}

/// Waits for a condition, not for a time.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A directory that the stand-in reads and writes, and a socket for what it notifies.
pub(crate) struct Place {
    dir: TempDir,
    notify: UnixDatagram,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let notify = UnixDatagram::bind(dir.path().join("notify")).expect("a socket is bound");
        notify.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        Self { dir, notify }
    }

    pub(crate) fn path(&self, property: &str) -> PathBuf {
        self.dir.path().join(format!("stand-in.{property}"))
    }

    pub(crate) fn set(&self, property: &str, text: &str) {
        fs::write(self.path(property), text).expect("a file is written");
    }

    /// What the stand-in wrote, line by line.
    pub(crate) fn lines(&self, property: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(property)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A bell that the test holds, at the place where the stand-in would make its own.
    pub(crate) fn bell(&self) -> UnixDatagram {
        UnixDatagram::bind(self.path("sock")).expect("a bell is bound")
    }

    /// The next notification, without the end of its last line.
    pub(crate) fn heard(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.notify.recv(&mut buffer).expect("the program notifies in time");
        String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned()
    }

    /// Reads notifications up to `wanted`, and returns those before it.
    pub(crate) fn heard_until(&self, wanted: &str) -> Vec<String> {
        let mut before = Vec::new();
        // A program whose watchdog is fed for ever says something for ever.
        let end = Instant::now() + PATIENCE;
        loop {
            match self.heard() {
                this if this == wanted => return before,
                other => before.push(other),
            }
            assert!(Instant::now() < end, "{wanted:?} was not said, but {before:?}");
        }
    }

    /// How to start the stand-in, without a socket.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(stand_in());
        command.env_clear().env("NANOCLAW_DIR", self.dir.path()).env("NOTIFY_SOCKET", self.dir.path().join("notify"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// How systemd starts it with `sockets`: `LISTEN_PID` is the process id of the program itself.
    pub(crate) fn activated(&self, sockets: Vec<OwnedFd>) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"umask 007; LISTEN_PID=$$ SYSTEMD_EXEC_PID=$$ exec "$0""#]).arg(stand_in());
        command.env_clear().env("NANOCLAW_DIR", self.dir.path()).env("NOTIFY_SOCKET", self.dir.path().join("notify"));
        command.env("LISTEN_FDS", sockets.len().to_string());
        pass(&mut command, sockets);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Maps `sockets` to descriptors 3, 4, …
pub(crate) fn pass(command: &mut Command, sockets: Vec<OwnedFd>) {
    let numbered = sockets.into_iter().zip(3..);
    let mappings = numbered.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd }).collect();
    command.fd_mappings(mappings).expect("no two are alike");
}

/// A stand-in that runs. Killed on drop.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a process id is small")
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the program is there");
    }

    /// Its end.
    pub(crate) fn status(mut self) -> ExitStatus {
        wait_until("the program ends", || self.0.try_wait().expect("a child can be waited for").is_some());
        self.0.wait().expect("it has ended")
    }

    /// Its end: status and standard error.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        let mut stderr = self.0.stderr.take().expect("standard error is a pipe");
        let reader = std::thread::spawn(move || stderr.read_to_string(&mut said).map(|_| said));
        wait_until("the program ends", || self.0.try_wait().expect("a child can be waited for").is_some());
        let said = reader.join().expect("the reader does not panic").expect("it says UTF-8");
        (self.0.wait().expect("it has ended"), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Whether a datagram waits in `socket`; it is taken then.
pub(crate) fn rings(socket: &UnixDatagram) -> bool {
    socket.set_nonblocking(true).expect("a mode is set");
    match socket.recv(&mut [0; 16]) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            false
        }
    }
}
