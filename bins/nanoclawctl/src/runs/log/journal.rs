//! What the agent of a run printed, where nc-runner logs to the journal: journalctl(1) knows how to read it.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::Context as _;
use nc_store::{RunRecord, Store};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{LOOK_AGAIN_MS, PIECE, Printer};

/// How long the journal may be silent after the end of a run before nothing more is waited for, in milliseconds. What
/// nc-runner sent before it wrote the end is there within some of them.
const LAST_WORDS_MS: u16 = 1_000;

/// Prints the lines of the agent of `run`, and with `follow` those that come until the run ends. False where there are none,
/// none that may be read, or no journal.
pub(super) fn print(store: &Store, run: &RunRecord, follow: bool) -> anyhow::Result<bool> {
    let follow = follow && run.ended_at.is_none();
    let mut child = match command(&run.id, follow).spawn() {
        Ok(child) => Reader(child),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).context("failed to start journalctl"),
    };
    let Some(mut lines) = child.0.stdout.take() else { return Ok(false) };
    let mut printer = Printer::default();
    let mut any = false;
    let mut ended = !follow;
    loop {
        if follow {
            let silent = !waits(&lines, if ended { LAST_WORDS_MS } else { LOOK_AGAIN_MS })?;
            if silent && ended {
                break;
            }
            ended = ended || store.run(&run.id)?.is_none_or(|run| run.ended_at.is_some());
            if silent {
                continue;
            }
        }
        let piece = read(&mut lines)?;
        if piece.is_empty() {
            break;
        }
        any = true;
        printer.print(&piece)?;
    }
    printer.end()?;
    Ok(any)
}

/// What asks the journal for them: without the host's name, and with what is no text.
fn command(run: &str, follow: bool) -> Command {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--all", "--no-hostname", "--output=short-iso"]);
    if follow {
        command.args(["--follow", "--no-tail"]);
    }
    command.arg(format!("NANOCLAW_RUN={run}")).arg("SYSLOG_IDENTIFIER=nc-agent");
    // What it complains of is that there is no journal, or none that may be read: we say so ourselves.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn read(lines: &mut ChildStdout) -> anyhow::Result<Vec<u8>> {
    let mut buffer = vec![0; PIECE];
    let read = lines.read(&mut buffer).context("failed to read what journalctl prints")?;
    buffer.truncate(read);
    Ok(buffer)
}

/// Whether there is something to read, or the end, within `ms` milliseconds.
fn waits(lines: &ChildStdout, ms: u16) -> anyhow::Result<bool> {
    let mut waiting = [PollFd::new(lines.as_fd(), PollFlags::POLLIN)];
    match poll(&mut waiting, PollTimeout::from(ms)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error).context("failed to wait for the log"),
    }
}

/// journalctl, which ends with us.
struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
