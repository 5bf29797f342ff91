//! A sandbox that was started.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rustix::process::Signal;

use crate::SandboxError;
use crate::cgroup::{Enforcement, Reached, Tally};
use crate::orphans::end_holders;
use crate::process::{Process, lasting_name};
use crate::status::{LONGEST_START, Start, Status, complaint};

/// How long the kernel may take to end everything in a sandbox whose first process was killed.
const LONGEST_END: Duration = Duration::from_secs(60);

/// What the command reads from and writes to.
#[derive(Debug)]
pub struct Streams {
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error; bubblewrap's own complaints come there too.
    pub stderr: Stdio,
}

/// A sandbox that was started. Dropping it kills what is in it.
#[derive(Debug)]
pub struct Sandbox {
    child: Child,
    outer: Process,
    /// The first process in the sandbox, bubblewrap's own; none where it was gone before we could take hold of it.
    first: Option<Process>,
    id: Option<String>,
    status: Status,
    tally: Tally,
    /// The file whose lock is held in the sandbox.
    lock: u64,
}

/// How a sandbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How the command ended.
    pub how: How,
    /// CPU time of everything in it, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory in bytes: of all together where a cgroup counted it, else of the largest process.
    pub peak_rss: u64,
    /// How often its limits were reached; never where no cgroup counts.
    pub reached: Reached,
}

/// How the command of a sandbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It left with this status.
    Exited(u8),
    /// This signal ended it.
    Signalled(u8),
    /// This signal ended bubblewrap, and with it everything.
    Torn(u8),
    /// bubblewrap gave up before the command began; why it wrote to standard error.
    NotBuilt,
}

impl Sandbox {
    /// Watches over bubblewrap just started, which has the lock on the file `lock`.
    pub(crate) fn watch(mut child: Child, mut status: Status, tally: Tally, lock: u64) -> Result<Self, SandboxError> {
        let pid = i32::try_from(child.id()).unwrap_or(0);
        let gone = SandboxError::io("take hold of bubblewrap");
        let outer = Process::open(pid)?.ok_or_else(|| gone(std::io::ErrorKind::NotFound.into()))?;
        let first = match status.first_process(&outer)? {
            Start::First(first) => Process::open_first(first, pid)?,
            start => return Err(gave_up(&mut child, lock, start)?),
        };
        let id = first.as_ref().and_then(|first| lasting_name(first.pid())).map(|name| format!("bubblewrap:{name}"));
        Ok(Self { child, outer, first, id, status, tally, lock })
    }

    /// What the sandbox is called for as long as the machine runs: see [`wait_until_gone`](crate::wait_until_gone).
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How its limits are held.
    #[must_use]
    pub fn enforcement(&self) -> Enforcement {
        self.tally.enforcement()
    }

    /// The pipe to the command's standard input, where it is one.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The pipe from the command's standard output, where it is one.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The pipe from the command's standard error, where it is one.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Whether the command has ended. When it does, whoever started it gets SIGCHLD.
    ///
    /// # Errors
    /// [`SandboxError`] where the system does not say.
    pub fn has_ended(&self) -> Result<bool, SandboxError> {
        self.outer.gone_within(Duration::ZERO)
    }

    /// Sends SIGTERM to the command itself; false where it is gone or has not begun.
    ///
    /// # Errors
    /// [`SandboxError`] where the system refuses.
    pub fn ask_to_leave(&self) -> Result<bool, SandboxError> {
        let Some(first) = &self.first else { return Ok(false) };
        // bubblewrap is the first process in the sandbox, and starts the command as the second. What the command leaves
        // behind when it ends gets other numbers.
        let Some(second) = first.second_in_namespace() else { return Ok(false) };
        match Process::open_child(second, first.pid())? {
            Some(second) => second.signal(Signal::TERM),
            None => Ok(false),
        }
    }

    /// Kills everything in the sandbox.
    ///
    /// # Errors
    /// [`SandboxError`] where the system refuses.
    pub fn kill(&self) -> Result<(), SandboxError> {
        let killed = match &self.first {
            Some(first) => first.signal(Signal::KILL)?,
            None => false,
        };
        if !killed {
            self.outer.signal(Signal::KILL)?;
        }
        Ok(())
    }

    /// Waits for the command to end and for everything else in the sandbox to be gone.
    ///
    /// # Errors
    /// [`SandboxError`] where the system does not say, or something cannot be killed.
    pub fn wait(mut self) -> Result<Ending, SandboxError> {
        let status = self.gone()?;
        let how = match (self.status.exit_code()?, status.signal()) {
            (Some(code), _) => how(code),
            (None, Some(signal)) => How::Torn(u8::try_from(signal).unwrap_or(u8::MAX)),
            // Its first process was killed: it never said how the command ended.
            (None, None) => status.code().filter(|code| *code > 128).map_or(How::NotBuilt, how),
        };
        self.ending(how)
    }

    /// Waits for bubblewrap, and then for its first process, with which everything in the sandbox ends.
    fn gone(&mut self) -> Result<ExitStatus, SandboxError> {
        let waiting = SandboxError::io("wait for bubblewrap");
        let status = self.child.wait().map_err(&waiting)?;
        let Some(first) = self.first.take() else {
            end_holders(self.lock)?;
            return Ok(status);
        };
        // bubblewrap leaves as soon as the command did; what the command left running goes with the first process.
        first.signal(Signal::KILL)?;
        if !first.gone_within(LONGEST_END)? {
            return Err(waiting(std::io::ErrorKind::TimedOut.into()));
        }
        Ok(status)
    }

    fn ending(&self, how: How) -> Result<Ending, SandboxError> {
        let used = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(SandboxError::system("read what children used"))?;
        let cpu = used.user_time().num_milliseconds() + used.system_time().num_milliseconds();
        let largest = u64::try_from(used.max_rss()).unwrap_or(0) * 1024;
        Ok(Ending {
            how,
            cpu_ms: u64::try_from(cpu).unwrap_or(0),
            peak_rss: self.tally.peak().unwrap_or(largest),
            reached: self.tally.reached(),
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.kill());
            drop(self.gone());
        }
    }
}

fn how(code: i32) -> How {
    match u8::try_from(code) {
        Ok(code) if code > 128 && code <= 128 + 64 => How::Signalled(code - 128),
        Ok(code) => How::Exited(code),
        Err(_) => How::Exited(u8::MAX),
    }
}

/// Ends what is left of a bubblewrap that built nothing, and says what it said.
fn gave_up(child: &mut Child, lock: u64, start: Start) -> Result<SandboxError, SandboxError> {
    let status = child.kill().and_then(|()| child.wait()).map_err(SandboxError::io("end bubblewrap"))?;
    // Where its outer process ends in between, the inner one waits for a word of it, for ever.
    end_holders(lock)?;
    let said = child.stderr.take().map(|stderr| complaint(stderr.into())).transpose()?.unwrap_or_default();
    Ok(SandboxError::NotBuilt { said: last_words(&said, start, status) })
}

fn last_words(said: &str, start: Start, status: ExitStatus) -> String {
    let said = if said.is_empty() { "it said nothing" } else { said };
    match (start, status.signal()) {
        (Start::Silent, _) => format!("{said}, and was ended after {} s", LONGEST_START.as_secs()),
        (_, Some(signal)) => format!("{said}, and was ended by signal {signal}"),
        (_, None) => said.to_owned(),
    }
}
