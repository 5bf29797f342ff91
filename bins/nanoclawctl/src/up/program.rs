//! A program that stays: its bell, its readiness, its starts.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nc_config::{Doorbell, Installation};
use nc_daemon::Failure;
use nc_daemon::holder::{Children, Ended, HeldBell, Readiness};
use nix::sys::signal::Signal;

use super::surroundings::Surroundings;
use crate::restarts::{Fault, Restarts};

/// One program of the house.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    bell: HeldBell,
    readiness: Readiness,
    restarts: Restarts,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not started, or dead: to be started then.
    Waits { until: Instant },
    /// Alive since then; whether it has said that it is ready.
    Lives { pid: i32, since: Instant, ready: bool },
}

impl Program {
    /// Makes the program's sockets; it waits to be started at once.
    pub(super) fn new(name: &'static str, bell: Doorbell<'_>, installation: &Installation) -> Result<Self, Failure> {
        let held = |path: PathBuf| {
            let bell = HeldBell::bind(&path);
            bell.with_context(|| format!("bind the doorbell {}", path.display())).map_err(Failure::config)
        };
        let notify = installation.run_dir().join(format!("{name}.notify"));
        let readiness = Readiness::listen(&notify)
            .with_context(|| format!("bind {}", notify.display()))
            .map_err(Failure::config)?;
        let state = State::Waits { until: Instant::now() };
        Ok(Self { name, bell: held(installation.doorbell(bell))?, readiness, restarts: Restarts::default(), state })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The process, where it lives.
    pub(super) fn pid(&self) -> Option<i32> {
        match self.state {
            State::Lives { pid, .. } => Some(pid),
            State::Waits { .. } => None,
        }
    }

    /// When it is to be started, where it does not live.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Lives { .. } => None,
            State::Waits { until } => Some(until),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Lives { ready: true, .. })
    }

    /// Returns when the program says that it is ready. What else it says is read and passed over, also when it has been
    /// ready for long: a socket that nobody reads fills up.
    pub(super) async fn becomes_ready(&self) {
        self.readiness.ready().await;
    }

    pub(super) fn set_ready(&mut self) {
        if let State::Lives { ready, .. } = &mut self.state {
            *ready = true;
        }
    }

    /// Starts it, and returns the pipe that brings what it says.
    ///
    /// A program that is not there is for a person to see to; where the system has no room for one it is tried later.
    pub(super) fn start(&mut self, children: &mut Children, around: &Surroundings) -> Result<OwnedFd, Failure> {
        let (mut command, said) = around.command(self.name)?;
        self.bell.pass(&mut command)?;
        self.readiness.expect(&mut command);
        match children.spawn(&mut command) {
            Ok(pid) => {
                self.state = State::Lives { pid, since: Instant::now(), ready: false };
                Ok(said)
            }
            Err(error) => Err(cannot_start(error, self.name, around)),
        }
    }

    /// Takes note that it ended, and returns how long to wait before it is started again; `how` is none where it could
    /// not even be started.
    pub(super) fn ended(&mut self, how: Option<Ended>) -> Duration {
        let (lived, ready) = match self.state {
            State::Lives { since, ready, .. } => (since.elapsed(), ready),
            State::Waits { .. } => (Duration::ZERO, false),
        };
        let fault = match how {
            Some(Ended::Killed(Signal::SIGKILL | Signal::SIGTERM | Signal::SIGINT)) => Fault::Outside,
            // It leaves with 0 when it is told.
            Some(Ended::Exited(0)) if ready => Fault::Outside,
            _ => Fault::Own,
        };
        let delay = self.restarts.delay(lived, fault);
        self.state = State::Waits { until: Instant::now() + delay };
        delay
    }
}

/// The verdict on an error of execve(2): no program, no right, not a program are for a person.
pub(super) fn cannot_start(error: std::io::Error, name: &str, around: &Surroundings) -> Failure {
    use std::io::ErrorKind::{ArgumentListTooLong, ExecutableFileBusy, OutOfMemory, ResourceBusy, WouldBlock};
    let passes =
        matches!(error.kind(), WouldBlock | OutOfMemory | ResourceBusy | ExecutableFileBusy | ArgumentListTooLong)
            || matches!(error.raw_os_error(), Some(errno) if errno == nix::libc::EMFILE || errno == nix::libc::ENFILE);
    let error = anyhow::Error::new(error).context(format!("start {}", around.find(name).display()));
    if passes { Failure::again(error) } else { Failure::config(error) }
}

/// Whether the program asks to be left dead until a person has looked.
pub(super) fn wants_a_person(ended: Ended) -> bool {
    ended == Ended::Exited(i32::from(Failure::CONFIG))
}
