//! `nanoclawctl up` as a child of the test.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, thread};

use nix::sys::signal::Signal;

use crate::command;
use crate::deadline::{PATIENCE, wait_for};
use crate::processes;

/// A running `up`, and what it says. Killed on drop, with everything below it.
#[derive(Debug)]
pub struct Up {
    child: Mutex<Child>,
    pid: i32,
    said: Arc<Mutex<Vec<u8>>>,
    notify: UnixDatagram,
}

impl Up {
    pub(crate) fn start(command: &mut Command, place: &Path) -> Self {
        let path = place.join("notify.sock");
        fs::remove_file(&path).ok();
        let notify = UnixDatagram::bind(&path).expect("the notification socket is bound");
        // Also for a program of another user.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("its mode is changed");
        notify.set_nonblocking(true).expect("it does not block");
        // A test that is killed takes it along.
        nc_daemon::holder::supervise(command);
        let output = command.env("NOTIFY_SOCKET", &path).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = output.spawn().expect("up starts");
        let said = Arc::new(Mutex::new(Vec::new()));
        let (mut stderr, to) = (child.stderr.take().expect("standard error is a pipe"), Arc::clone(&said));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                to.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..length]);
            }
        });
        let pid = i32::try_from(child.id()).expect("a process id is small");
        Self { child: Mutex::new(child), pid, said, notify }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Everything that it and its programs have said so far.
    #[must_use]
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Sends it a signal.
    pub fn send(&self, signal: Signal) {
        processes::send(self.pid, signal);
    }

    /// Returns when it has said `READY=1`.
    ///
    /// # Panics
    /// Where it ends instead, or is not ready in time.
    pub fn wait_ready(&self) {
        let mut buffer = [0; 4096];
        let ready = wait_for(PATIENCE, || {
            let length = self.notify.recv(&mut buffer).unwrap_or(0);
            let ready = buffer[..length].split(|&byte| byte == b'\n').any(|line| line == b"READY=1");
            (ready || self.has_ended().is_some()).then_some(ready)
        });
        assert_eq!(ready, Some(true), "up is not ready, ended: {:?}\n{}", self.has_ended(), self.said());
    }

    /// Returns when `text` was said.
    ///
    /// # Panics
    /// Where it is not said in time.
    pub fn wait_said(&self, text: &str) {
        let said = wait_for(PATIENCE, || self.said().contains(text).then_some(()));
        assert!(said.is_some(), "nobody said {text:?}:\n{}", self.said());
    }

    /// Its status, where it has ended.
    ///
    /// # Panics
    /// Where the system does not say.
    #[must_use]
    pub fn has_ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().expect("a child can be waited for")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it does not end in time.
    #[must_use]
    pub fn wait_end(&self) -> ExitStatus {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = command::end(&mut child, 2 * PATIENCE);
        ended.unwrap_or_else(|| panic!("up does not end:\n{}", self.said()))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.has_ended().is_none() {
            processes::kill_all(self.pid);
            assert!(!self.wait_end().success(), "it was killed");
        }
    }
}
