//! Commands that end, or else.

use std::io::{Read, Write as _};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::deadline::wait_for;

/// How long a command may take: the longest wait of a program of ours, and as much again.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs `command` to its end and returns all that it said.
///
/// # Panics
/// Where it cannot be started, or does not end in time; it is killed then.
pub fn finish(command: &mut Command) -> Output {
    finish_with(command, &[], LONGEST)
}

/// The same, with `input` on standard input where there is any, and so much patience.
///
/// # Panics
/// As [`finish`].
pub fn finish_with(command: &mut Command, input: &[u8], patience: Duration) -> Output {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        // It may leave before it has read everything; what it said and how it ended says so then.
        thread::spawn(move || stdin.write_all(&input).ok());
    }
    let ended = end(&mut child, patience);
    if ended.is_none() {
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }
    let output = |thread: JoinHandle<Vec<u8>>| thread.join().expect("a reader does not panic");
    let (stdout, stderr) = (output(stdout), output(stderr));
    let said = || format!("{}\n{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let status = ended.unwrap_or_else(|| panic!("{command:?} did not end within {patience:?}:\n{}", said()));
    Output { status, stdout, stderr }
}

/// Waits for the child's end; `None` where `patience` ends first.
pub(crate) fn end(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    wait_for(patience, || child.try_wait().expect("a child can be waited for"))
}

fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut all).ok();
        }
        all
    })
}
