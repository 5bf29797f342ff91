//! A container as a process of its own: SQLite's locks are a process's, so a writer in the reader's own process proves nothing.
//!
//! It is this test program, started again with the one test that plays the container.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The variable that tells the test which plays the container what to do.
const PART: &str = "NC_WIRE_TEST_PART";

/// The variable that tells it where.
const WORK: &str = "NC_WIRE_TEST_WORK";

/// A process that plays the container; killed when it is dropped.
pub(crate) struct Container {
    child: Child,
    /// Kept open: it says more before it ends.
    _output: BufReader<ChildStdout>,
}

impl Container {
    /// Starts the test `plays_the_container` as `part` in `work`, and waits until it says `said`.
    pub(crate) fn start(part: &str, work: &Path, said: &str) -> Self {
        let program = std::env::current_exe().expect("the test knows its program");
        let mut child = Command::new(program)
            .args(["--exact", "plays_the_container", "--ignored", "--nocapture"])
            .env(PART, part)
            .env(WORK, work)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the container starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let heard = output.by_ref().lines().map_while(Result::ok).any(|line| line.contains(said));
        assert!(heard, "the container ended without saying {said:?}");
        Self { child, _output: output }
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it is gone");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.end();
        }
    }
}

/// In the container: what it is to do, and where.
pub(crate) fn part() -> (String, std::path::PathBuf) {
    let variable = |name| std::env::var(name).expect("the container is started by a test");
    (variable(PART), variable(WORK).into())
}

/// In the container: waits until the test ends or kills it.
pub(crate) fn wait_for_the_end() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("standard input reads");
}
