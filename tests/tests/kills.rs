//! Programs are killed in the middle of a conversation: each line is answered, none twice, and the ledger agrees.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nc_testkit::{Signal, Toolkit};

/// How long one answer may take while programs are killed; far above any back-off of a first retry.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `talk` on pipes, and the lines that it printed.
struct Talk {
    child: Child,
    to: ChildStdin,
    printed: Receiver<String>,
}

impl Talk {
    fn start(kit: &Toolkit) -> Self {
        let mut command = kit.program("nanoclawctl");
        command.arg("talk").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("talk starts");
        let from = child.stdout.take().expect("standard output is a pipe");
        let (lines, printed) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self { to: child.stdin.take().expect("standard input is a pipe"), child, printed }
    }

    fn say(&mut self, text: &str) {
        writeln!(self.to, "{text}").expect("talk reads");
    }

    /// Returns when a printed line has `text`, with how many of the lines before it had it too.
    fn hears(&self, text: &str, kit: &Toolkit) {
        loop {
            let line = self.printed.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|e| panic!("no answer to {text:?}: {e}\n{}", kit.log()));
            if line.contains(text) {
                return;
            }
        }
    }

    /// Ends standard input, and returns what else was printed.
    fn finish(self) -> Vec<String> {
        let (status, printed) = self.end();
        assert!(status.success(), "{status} {printed:?}");
        printed
    }

    /// Ends standard input, and returns how it ended and what else was printed.
    fn end(mut self) -> (ExitStatus, Vec<String>) {
        drop(self.to);
        let status = self.child.wait().expect("talk ends");
        (status, self.printed.into_iter().collect())
    }
}

fn talking() -> (Toolkit, Talk) {
    let mut kit = Toolkit::new();
    kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
    kit.up();
    let talk = Talk::start(&kit);
    (kit, talk)
}

fn balanced(kit: &Toolkit) {
    let check = kit.ctl(["ledger", "--check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

#[test]
fn each_program_killed_in_mid_message_leaves_one_answer() {
    let (kit, mut talk) = talking();
    for (round, program) in
        ["nc-router", "nc-ipcd", "nc-runner", "nc-agent", "nc-router", "nc-runner"].iter().enumerate()
    {
        let before = format!("before {round} {program}");
        talk.say(&before);
        talk.hears(&before, &kit);
        let during = format!("during {round} {program}");
        talk.say(&during);
        kit.kill(program, Signal::SIGKILL);
        talk.hears(&during, &kit);
    }
    let left = talk.finish();
    assert!(left.iter().all(|line| !line.contains("before") && !line.contains("during")), "answered twice: {left:?}");
    balanced(&kit);
}

#[test]
fn a_storm_of_kills_loses_and_doubles_nothing() {
    let (kit, mut talk) = talking();
    let programs = ["nc-router", "nc-ipcd", "nc-runner", "nc-agent"];
    for round in 0..24_usize {
        let text = format!("round {round} of the storm");
        talk.say(&text);
        // A different program at each round, so that each is hit in different states of the message.
        for process in kit.processes(programs[(round * 7) % programs.len()]) {
            nc_testkit::processes::send(process.pid, Signal::SIGKILL);
        }
        talk.hears(&text, &kit);
    }
    let left = talk.finish();
    assert!(left.iter().all(|line| !line.contains("of the storm")), "answered twice: {left:?}");
    balanced(&kit);
}

#[test]
fn all_killed_at_once_in_mid_message_and_started_again() {
    let (mut kit, mut talk) = talking();
    talk.say("warm");
    talk.hears("warm", &kit);
    talk.say("the lights go out");
    assert_eq!(kit.stop(Signal::SIGKILL), None);
    // It says that it keeps the line, and leaves with "try again".
    let (status, left) = talk.end();
    assert_eq!(status.code(), Some(75), "{left:?}");
    kit.up();
    let mut next = Talk::start(&kit);
    next.say("the lights are on");
    let printed = next.finish();
    let answers = printed.iter().chain(&left);
    assert_eq!(answers.filter(|line| line.contains("the lights go out")).count(), 1, "{left:?} {printed:?}");
    assert_eq!(printed.iter().filter(|line| line.contains("the lights are on")).count(), 1, "{printed:?}");
    balanced(&kit);
}
