//! What bubblewrap says of itself by `--json-status-fd`.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::SandboxError;
use crate::process::wait_readable;

/// How long bubblewrap may take until it has made its first process. Ordinary are 2 ms.
const LONGEST_START: Duration = Duration::from_secs(10);

/// The pipe on which bubblewrap says which process is the first, and how the command ended.
#[derive(Debug)]
pub(crate) struct Status {
    pipe: File,
    said: String,
}

impl Status {
    pub(crate) fn new(pipe: OwnedFd) -> Self {
        Self { pipe: pipe.into(), said: String::new() }
    }

    /// The sandbox's first process as the host numbers it; none where bubblewrap gave up before.
    pub(crate) fn first_process(&mut self) -> Result<Option<i32>, SandboxError> {
        while !self.said.contains('}') {
            if !wait_readable(self.pipe.as_fd(), LONGEST_START)? || self.read_some()? == 0 {
                return Ok(None);
            }
        }
        Ok(number_after(&self.said, "\"child-pid\":"))
    }

    /// How the command ended: 128 and more for a signal; none where it never began. Bubblewrap is gone.
    pub(crate) fn exit_code(&mut self) -> Result<Option<i32>, SandboxError> {
        while self.read_some()? > 0 {}
        Ok(number_after(&self.said, "\"exit-code\":"))
    }

    fn read_some(&mut self) -> Result<usize, SandboxError> {
        let mut buffer = [0; 512];
        let count = self.pipe.read(&mut buffer).map_err(SandboxError::io("read bubblewrap's status"))?;
        self.said.push_str(&String::from_utf8_lossy(&buffer[..count]));
        Ok(count)
    }
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
}
