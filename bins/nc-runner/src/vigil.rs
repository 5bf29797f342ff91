//! Watching over an agent at work, until it is gone.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nc_daemon::{Daemon, Wakeup};
use nc_sandbox::{Sandbox, SandboxError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::signs::{Advice, Judge, Signs};
use crate::whose::Whose;

/// How long an agent that was asked to leave may take: AGENT-WIRE.md, "Idle and leaving".
pub(crate) const TO_LEAVE: Duration = Duration::from_secs(10);

/// How soon an agent is asked again that had not begun when it was asked.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Why an agent was asked to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The router wants its place.
    Asked,
    /// The runner was told to stop.
    Stopped,
    /// It had nothing to do for too long.
    Idle,
    /// It showed no sign of work for too long.
    Hung,
}

/// What the runner did to end the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Why it was asked to leave, where it was.
    pub(crate) asked: Option<Reason>,
    /// It did not leave, and was killed.
    pub(crate) killed: bool,
}

#[derive(Debug)]
struct Leaving {
    kill_at: Instant,
    heard: bool,
}

/// Watches over one agent.
pub(crate) struct Vigil<'a> {
    /// The sandbox.
    pub(crate) sandbox: &'a Sandbox,
    /// What the agent writes.
    pub(crate) work: &'a Path,
    /// When it is too long without a sign.
    pub(crate) judge: Judge,
    /// The run.
    pub(crate) whose: &'a Whose,
}

impl Vigil<'_> {
    /// Returns when the agent's own process is gone. `should_leave` is asked when the run's doorbell rings.
    pub(crate) async fn keep(
        mut self,
        daemon: &mut Daemon,
        mut should_leave: impl FnMut() -> bool,
    ) -> Result<Done, SandboxError> {
        let failed = |source| SandboxError::System { operation: "listen for the end of bubblewrap", source };
        let mut deaths = signal(SignalKind::child()).map_err(failed)?;
        let (mut done, mut leaving) = (Done::default(), None::<Leaving>);
        let mut look = self.judge.first_look();
        if should_leave() {
            leaving = Some(self.ask(&mut done, Reason::Asked)?);
        }
        loop {
            let due = leaving.as_ref().map_or(look, Leaving::due);
            let wakeup = tokio::select! {
                gone = self.gone(&mut deaths) => return gone.map(|()| done),
                wakeup = daemon.wait(Some(due)) => wakeup,
            };
            match (wakeup, &mut leaving) {
                (Wakeup::Due, Some(leaving)) => self.press(leaving, &mut done)?,
                (Wakeup::Due, None) => {
                    match self.judge.judge(Signs::look(self.work), Instant::now(), SystemTime::now()) {
                        Advice::LookAt(next) => look = next,
                        Advice::Idle => leaving = Some(self.ask(&mut done, Reason::Idle)?),
                        Advice::Hung => leaving = Some(self.ask(&mut done, Reason::Hung)?),
                    }
                }
                (Wakeup::Stop, None) => leaving = Some(self.ask(&mut done, Reason::Stopped)?),
                (Wakeup::Doorbell, None) if should_leave() => leaving = Some(self.ask(&mut done, Reason::Asked)?),
                _ => {}
            }
        }
    }

    /// Returns when the command is gone. A SIGCHLD that came since the stream was made counts.
    async fn gone(&self, deaths: &mut Signal) -> Result<(), SandboxError> {
        while !self.sandbox.has_ended()? {
            deaths.recv().await;
        }
        Ok(())
    }

    fn ask(&self, done: &mut Done, reason: Reason) -> Result<Leaving, SandboxError> {
        done.asked = Some(reason);
        let Whose { run, session, group } = self.whose;
        let heard = self.sandbox.ask_to_leave()?;
        match reason {
            Reason::Hung => {
                let message_id = nc_model::event::RUN_HUNG;
                warn!(message_id, run, session, group, "the agent shows no sign of work: it is asked to leave");
            }
            Reason::Idle => warn!(
                run,
                session, group, "the agent has had nothing to do for long and should have left: it is asked to"
            ),
            Reason::Asked | Reason::Stopped => info!(run, session, group, ?reason, "the agent is asked to leave"),
        }
        Ok(Leaving { kill_at: Instant::now() + TO_LEAVE, heard })
    }

    /// Asks again an agent that could not hear yet, and kills one whose time is over.
    fn press(&self, leaving: &mut Leaving, done: &mut Done) -> Result<(), SandboxError> {
        if Instant::now() < leaving.kill_at {
            leaving.heard = self.sandbox.ask_to_leave()?;
            return Ok(());
        }
        if !done.killed {
            let Whose { run, session, group } = self.whose;
            warn!(run, session, group, "the agent did not leave within {} s: it is killed", TO_LEAVE.as_secs());
        }
        done.killed = true;
        // The kernel may take its time; what is killed is killed once.
        leaving.kill_at += Duration::from_secs(60);
        leaving.heard = true;
        self.sandbox.kill()
    }
}

impl Leaving {
    fn due(&self) -> Instant {
        if self.heard { self.kill_at } else { self.kill_at.min(Instant::now() + ASK_AGAIN) }
    }
}
