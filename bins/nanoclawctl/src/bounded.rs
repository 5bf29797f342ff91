//! Programs that are not ours: started without our credentials, and bounded in time and in what they may say.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nc_config::CREDENTIALS;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// How much of what a program says is kept, in bytes. A guess: an error of npm with its hints has 2 KiB.
const MOST_SAID: u64 = 16 * 1024;

/// A command without the credentials of our environment, in a process group of its own, without standard input.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for known in CREDENTIALS {
        command.env_remove(known.name);
    }
    command.process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a program said until it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfinished {
    /// It was not started, or cannot be waited for.
    #[error("cannot be started")]
    NotStarted(#[source] io::Error),
    /// It took too long and was killed.
    #[error("did not end within {}", Seconds(*.0))]
    TooLong(Duration),
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs())
    }
}

/// Runs `command` to its end, or kills it with all that it started after `within`.
pub(crate) async fn run(mut command: Command, within: Duration) -> Result<Ran, Unfinished> {
    let mut child = command.spawn().map_err(Unfinished::NotStarted)?;
    let group = Group::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let whole = async {
        let (stdout, stderr, status) = tokio::join!(said(stdout), said(stderr), child.wait());
        status.map(|status| Ran { status, stdout, stderr })
    };
    let ended = tokio::time::timeout(within, whole).await;
    drop(group);
    ended.map_err(|_late| Unfinished::TooLong(within))?.map_err(Unfinished::NotStarted)
}

/// A program and what it started. All of it is killed on drop.
#[derive(Debug)]
pub(crate) struct Group(Option<Pid>);

impl Group {
    /// The group of `child`, which was started by [`command`].
    pub(crate) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Where nobody is left of it there is nobody to kill.
            killpg(group, Signal::SIGKILL).ok();
        }
    }
}

/// The beginning of what comes through a pipe; the rest is read and forgotten, or the program would wait for us.
pub(crate) async fn said(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        // A pipe that fails is one that has ended.
        (&mut pipe).take(MOST_SAID).read_to_end(&mut kept).await.ok();
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await.ok();
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(script: &str, within: Duration) -> Result<Ran, Unfinished> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut shell = command("/bin/sh");
        shell.args(["-c", script]);
        runtime.block_on(run(shell, within))
    }

    #[test]
    fn what_a_program_says_is_bounded_and_it_still_ends() {
        let ran = ran("head -c 1000000 /dev/zero; echo oops >&2; exit 3", Duration::from_secs(20)).unwrap();
        assert_eq!((ran.status.code(), ran.stdout.len() as u64, ran.stderr.as_str()), (Some(3), MOST_SAID, "oops\n"));
    }

    #[test]
    fn who_does_not_end_is_killed_with_his_children() {
        let before = std::time::Instant::now();
        let late = ran("sleep 3600 & sleep 3600", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(late, Unfinished::TooLong(_)) && before.elapsed() < Duration::from_secs(20), "{late}");
    }
}
