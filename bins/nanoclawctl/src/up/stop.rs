//! An orderly end: the runs, then who takes in what they said, then who judges them.

use std::time::{Duration, Instant};

use nc_daemon::{Failure, NotifyState, Signal as Asked};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::house::{House, Leave, at};
use super::output::Level;
use super::program::Program;

/// How long runs may take: their agents' 10 s, and as much again to write down how they ended.
const RUNS_PATIENCE: Duration = Duration::from_secs(20);

/// How long a program that stays may take: ten times the longest pass that we know of.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(10);

/// How long what the programs said last may take to arrive. What still holds a pipe then is no program of ours.
const RELAY_PATIENCE: Duration = Duration::from_millis(500);

/// How the end goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Orderly,
    /// Somebody lost patience, or a program did not end in time: something was killed.
    Killed,
}

impl House {
    /// Stops everything, and returns why it could not go on, or that something had to be killed.
    pub(super) async fn stop(mut self, why: Leave) -> Result<(), Failure> {
        nc_daemon::notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
        self.voice.say(Level::Info, "stopping; interrupt again to kill");
        self.runs.close();
        let runs = self.runs.pids().collect();
        let mut pace = self.end(runs, RUNS_PATIENCE, Pace::Orderly).await;
        for name in ["nc-ipcd", "nc-router"] {
            let pids = self.programs.iter().filter(|p| p.name() == name).filter_map(Program::pid).collect();
            pace = self.end(pids, PROGRAM_PATIENCE, pace).await;
        }
        self.hear_the_last().await;
        match (why, pace) {
            (Leave::Failed(failure), _) => Err(failure),
            (Leave::Told, Pace::Orderly) => Ok(()),
            (Leave::Told, Pace::Killed) => Err(Failure::failed(anyhow::anyhow!("not everything ended by itself"))),
        }
    }

    /// Asks `pids` to end, and waits for it; kills them where patience ends or was lost before.
    async fn end(&mut self, mut pids: Vec<i32>, patience: Duration, mut pace: Pace) -> Pace {
        let deadline = Instant::now().checked_add(patience);
        for &pid in &pids {
            send(pid, if pace == Pace::Killed { Signal::SIGKILL } else { Signal::SIGTERM });
        }
        while !pids.is_empty() {
            let lost_patience = tokio::select! {
                (pid, _) = self.children.next() => {
                    self.note_end(pid);
                    pids.retain(|&other| other != pid);
                    false
                }
                asked = self.signals.next() => asked == Asked::Interrupt,
                () = at(deadline.filter(|_| pace == Pace::Orderly)) => true,
            };
            if lost_patience && pace == Pace::Orderly {
                pace = Pace::Killed;
                self.voice.say(Level::Warn, &format!("killed, since they did not end in time: {pids:?}"));
                for &pid in &pids {
                    send(pid, Signal::SIGKILL);
                }
            }
        }
        pace
    }

    fn note_end(&mut self, pid: i32) {
        if self.runs.ended(pid) {
            return;
        }
        if let Some(program) = self.programs.iter_mut().find(|p| p.pid() == Some(pid)) {
            // It is not started again: nobody looks at when it would be due.
            program.ended(None);
        }
    }

    async fn hear_the_last(&mut self) {
        let all = async { while self.relays.join_next().await.is_some() {} };
        tokio::time::timeout(RELAY_PATIENCE, all).await.ok();
        self.relays.abort_all();
        while self.relays.join_next().await.is_some() {}
    }
}

/// Signals a child that we have not yet taken the end of, so its number is its own. One that ended is no error.
pub(super) fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).ok();
}
