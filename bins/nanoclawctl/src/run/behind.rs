//! `nanoclawctl up` as a child that runs behind a talk: its output goes into a file, and it ends with us.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nc_config::{CREDENTIALS, Credentials, Options};
use nc_daemon::holder::{Children, Ended, Readiness, supervise};
use nc_daemon::{Failure, Handover};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::quoted;

/// How long it may take to be ready: programs of an earlier one may have to end first (15 s). A guess.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long it may take to end: its runs' 20 s and its programs' 10 s each, and as much again. A guess.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// How many lines of its output are shown where it fails.
const SHOWN: usize = 20;

/// The child.
pub(super) struct Behind {
    children: Children,
    pid: i32,
    log: PathBuf,
}

impl Behind {
    /// Starts it and waits until all its programs are ready. It gets `credentials` through memory, and not in its
    /// environment.
    pub(super) async fn start(
        installed: &Installed,
        options: &Options,
        credentials: &Credentials,
    ) -> anyhow::Result<Self> {
        let paths = installed.paths();
        let log = paths.logs_dir().join("up.log");
        // The one before is kept, for whoever asks what happened.
        drop(fs::rename(&log, log.with_extension("log.old")));
        let file = installed.fresh_file(&log)?;
        let socket = paths.run_dir().join(format!("ready-{}.sock", std::process::id()));
        let readiness =
            Readiness::listen(&socket).with_context(|| format!("failed to listen at {}", quoted(&socket)))?;
        let _removed_after = Removed(socket);

        let mut command = Command::new(env::current_exe().context("failed to find this program")?);
        command.arg("--dir").arg(paths.dir());
        for set in &options.set {
            command.arg("--set").arg(set);
        }
        command.arg("up").stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        for known in CREDENTIALS {
            command.env_remove(known.name);
        }
        if !credentials.is_empty() {
            let handover = Handover::new(&credentials.to_hand_on());
            handover.and_then(|memory| memory.pass(&mut command)).context("failed to hand the credentials over")?;
        }
        supervise(&mut command);
        readiness.expect(&mut command);
        let mut children = Children::listen()?;
        let pid = children.spawn(&mut command).context("failed to start `nanoclawctl up`")?;
        drop(command);

        let mut behind = Self { children, pid, log };
        tokio::select! {
            () = readiness.ready() => Ok(behind),
            error = behind.ended() => Err(error),
            () = tokio::time::sleep(READY_WITHIN) => {
                let said = behind.last_lines();
                drop(behind.stop().await);
                Err(Refusal::again(format!("`nanoclawctl up` was not ready within {} s{said}", READY_WITHIN.as_secs())))
            }
        }
    }

    /// Returns when it has ended by itself, with its last lines and its status.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        let (_, how) = self.children.next().await;
        let status = match how {
            Ended::Exited(status) => u8::try_from(status).ok().filter(|s| *s != 0).unwrap_or(Failure::FAILED),
            Ended::Killed(_) | Ended::KilledNameless => Failure::FAILED,
        };
        Refusal::with(status, format!("`nanoclawctl up` {how}{}", self.last_lines()))
    }

    /// Asks it to end and waits until it has.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        self.send(Signal::SIGTERM);
        let in_time = tokio::time::timeout(STOP_WITHIN, self.children.next()).await;
        let (_, how) = if let Ok(ended) = in_time {
            ended
        } else {
            self.send(Signal::SIGKILL);
            self.children.next().await
        };
        match how {
            Ended::Exited(0) => Ok(()),
            how => Err(Refusal::no(format!("`nanoclawctl up` {how} when it was told to stop{}", self.last_lines()))),
        }
    }

    /// Its end has not been taken, so the number is its own; that it has ended already is no error.
    fn send(&self, signal: Signal) {
        let _sent = kill(Pid::from_raw(self.pid), signal);
    }

    /// The end of its output, to be put behind a message.
    fn last_lines(&self) -> String {
        let said = fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n  ");
        format!("; its last lines in {}:\n  {last}", quoted(&self.log))
    }
}

/// A file that is removed with this value.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}
