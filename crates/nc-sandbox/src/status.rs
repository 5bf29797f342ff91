//! What bubblewrap says of itself by `--json-status-fd`, and to standard error.
//!
//! No read waits for the end of a pipe: what bubblewrap started may hold the other end when it is gone, for ever where it
//! waits for a word of it. Whatever bubblewrap wrote is in the pipe when it ends.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::SandboxError;
use crate::process::Process;

/// How long bubblewrap may take until it has made its first process. Ordinary are 2 ms.
pub(crate) const LONGEST_START: Duration = Duration::from_secs(10);

/// How much of what bubblewrap says is kept where it could not build the sandbox, in bytes.
const LONGEST_COMPLAINT: u64 = 4096;

/// The pipe on which bubblewrap says which process is the first, and how the command ended.
#[derive(Debug)]
pub(crate) struct Status {
    pipe: File,
    said: String,
}

/// What became of bubblewrap's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The sandbox's first process, as the host numbers it.
    First(i32),
    /// bubblewrap gave up, or was ended.
    GaveUp,
    /// Nothing was heard for [`LONGEST_START`].
    Silent,
}

impl Status {
    pub(crate) fn new(pipe: OwnedFd) -> Result<Self, SandboxError> {
        no_waiting(&pipe)?;
        Ok(Self { pipe: pipe.into(), said: String::new() })
    }

    /// Waits until bubblewrap, the process `outer`, has made the sandbox's first process, or will not.
    pub(crate) fn first_process(&mut self, outer: &Process) -> Result<Start, SandboxError> {
        loop {
            let gone = outer.gone_within(Duration::ZERO)?;
            let closed = self.read()?;
            if self.said.contains('}') {
                return Ok(number_after(&self.said, "\"child-pid\":").map_or(Start::GaveUp, Start::First));
            }
            if gone || closed {
                return Ok(Start::GaveUp);
            }
            if !outer.says_within(self.pipe.as_fd(), LONGEST_START)? {
                return Ok(Start::Silent);
            }
        }
    }

    /// How the command ended: 128 and more for a signal; none where it never began. Bubblewrap is gone.
    pub(crate) fn exit_code(&mut self) -> Result<Option<i32>, SandboxError> {
        self.read()?;
        Ok(number_after(&self.said, "\"exit-code\":"))
    }

    /// Reads what is there, and returns whether nothing can follow.
    fn read(&mut self) -> Result<bool, SandboxError> {
        let (said, closed) =
            read_there(&mut self.pipe, u64::MAX).map_err(SandboxError::io("read bubblewrap's status"))?;
        self.said.push_str(&said);
        Ok(closed)
    }
}

/// What bubblewrap, which is gone, wrote to `stderr`.
pub(crate) fn complaint(stderr: OwnedFd) -> Result<String, SandboxError> {
    no_waiting(&stderr)?;
    let (said, _) = read_there(&mut File::from(stderr), LONGEST_COMPLAINT)
        .map_err(SandboxError::io("read what bubblewrap said"))?;
    Ok(said.trim().to_owned())
}

fn no_waiting(pipe: &OwnedFd) -> Result<(), SandboxError> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(SandboxError::system("make a pipe non-blocking"))?;
    Ok(())
}

fn read_there(pipe: &mut File, most: u64) -> std::io::Result<(String, bool)> {
    let mut said = Vec::new();
    let closed = match pipe.take(most).read_to_end(&mut said) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => return Err(error),
    };
    Ok((String::from_utf8_lossy(&said).into_owned(), closed))
}

fn number_after(text: &str, key: &str) -> Option<i32> {
    let rest = text.split_once(key)?.1.trim_start();
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_bubblewrap_writes() {
        let said = "{ \"child-pid\": 4711, \"mnt-namespace\": 4026532178 }\n{ \"exit-code\": 137 }\n";
        assert_eq!(number_after(said, "\"child-pid\":"), Some(4711));
        assert_eq!(number_after(said, "\"exit-code\":"), Some(137));
        assert_eq!(number_after("{ \"child-pid\": 4711 }", "\"exit-code\":"), None);
    }

    #[test]
    fn a_pipe_whose_other_end_stays_open_is_read_as_far_as_it_goes() {
        let (ours, theirs) = nix::unistd::pipe().unwrap();
        nix::unistd::write(&theirs, b"bwrap: no\n").unwrap();
        assert_eq!(complaint(ours).unwrap(), "bwrap: no");
        drop(theirs);
    }
}
