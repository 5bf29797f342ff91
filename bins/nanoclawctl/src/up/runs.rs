//! Runs: one connection, one nc-runner with the connection as its standard input, as inetd does it.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use nc_daemon::holder::Children;
use nc_daemon::{Door, Failure};
use tokio::net::UnixStream;

use super::output::{Level, Voice};
use super::surroundings::Surroundings;

/// The program that a connection starts.
pub(super) const PROGRAM: &str = "nc-runner";

/// Connections for each slot, as `MaxConnections=` of the unit: a run that ends and its successor may overlap.
const CONNECTIONS_A_SLOT: usize = 2;

/// How long to leave the door alone after it failed, as when no descriptor is left.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// The door at which runs are asked for, and those that live.
#[derive(Debug)]
pub(super) struct Runs {
    door: Option<Door>,
    alive: BTreeSet<i32>,
    limit: usize,
}

impl Runs {
    pub(super) fn listen(path: &Path, max_runs: u32) -> Result<Self, Failure> {
        let door = nc_daemon::listen(path)
            .with_context(|| format!("listen at {}", path.display()))
            .map_err(Failure::config)?;
        Ok(Self { door: Some(door), alive: BTreeSet::new(), limit: limit(max_runs) })
    }

    pub(super) fn set_max_runs(&mut self, max_runs: u32) {
        self.limit = limit(max_runs);
    }

    /// Refuses every further connection, also those that wait at the door.
    pub(super) fn close(&mut self) {
        self.door = None;
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = i32> + '_ {
        self.alive.iter().copied()
    }

    /// Takes note that a process ended; whether it was one of the runs.
    pub(super) fn ended(&mut self, pid: i32) -> bool {
        self.alive.remove(&pid)
    }

    /// The next connection. Nothing is lost when the future is dropped before.
    pub(super) async fn connection(&self, voice: &Voice) -> UnixStream {
        let Some(door) = &self.door else { return std::future::pending().await };
        loop {
            match door.accept().await {
                Ok(connection) => return connection,
                Err(error) => {
                    voice.say(Level::Warn, &format!("cannot take a connection for a run: {error}; again in 1 s"));
                }
            }
            tokio::time::sleep(AFTER_TROUBLE).await;
        }
    }

    /// Starts a run for `connection`, and returns its process id and the pipe that brings what it says.
    ///
    /// Over the limit, and where nothing can be started, the connection is closed without a line: not started. After
    /// the start no copy of it is ours: the router sees its end when the runner ends, however it ends.
    pub(super) fn start(
        &mut self,
        connection: UnixStream,
        children: &mut Children,
        around: &Surroundings,
    ) -> anyhow::Result<(i32, OwnedFd)> {
        anyhow::ensure!(self.alive.len() < self.limit, "{} runs live, more than max_runs allows", self.alive.len());
        let connection = connection.into_std()?;
        // As a socket unit passes it; whether it may block is said anew by whoever reads it.
        connection.set_nonblocking(false)?;
        let (mut command, said) = around.run(PROGRAM)?;
        command.stdin(Stdio::from(OwnedFd::from(connection)));
        let started = children.spawn(&mut command);
        let pid = started.with_context(|| format!("start {}", around.find(PROGRAM).display()))?;
        self.alive.insert(pid);
        Ok((pid, said))
    }

    /// Starts what writes down the end of runs that were killed, and ends what they left: the unit's `ExecStopPost=`. It is
    /// the run of the runner `pid`, or all that an earlier `up` left. Returns its process id and the pipe that brings what
    /// it says.
    pub(super) fn bury(
        pid: Option<i32>,
        children: &mut Children,
        around: &Surroundings,
    ) -> anyhow::Result<(i32, OwnedFd)> {
        let (mut command, said) = around.command(PROGRAM)?;
        // A runner that was given no other name is called so: nc-runner(8), --instance.
        command.arg("--buried").args(pid.map(|pid| format!("pid {pid}"))).stdin(Stdio::null());
        let started = children.spawn(&mut command);
        let pid = started.with_context(|| format!("start {}", around.find(PROGRAM).display()))?;
        Ok((pid, said))
    }
}

fn limit(max_runs: u32) -> usize {
    usize::try_from(max_runs).unwrap_or(usize::MAX).saturating_mul(CONNECTIONS_A_SLOT)
}
