//! A person at a terminal, an agent in a sandbox, and everything between them, as root's and as an ordinary user's
//! installation.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use nc_testkit::{Signal, Toolkit, finish};
use nix::fcntl::{Flock, FlockArg};

/// A user that no machine knows by name.
const NOBODY_BY_NAME: u32 = 61_999;

/// The installations to try: that of whoever runs the test and, where that is root, an ordinary user's too.
fn installations() -> Vec<Toolkit> {
    let mut all = vec![Toolkit::new()];
    if nix::unistd::geteuid().is_root() {
        all.push(Toolkit::as_user(NOBODY_BY_NAME));
    }
    all
}

/// Runs `nanoclawctl run` with `lines` on standard input.
fn run_with(kit: &Toolkit, lines: &[u8]) -> Output {
    let mut command = kit.program("nanoclawctl");
    command.arg("run").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("nanoclawctl starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let lines = lines.to_vec();
    let writer = std::thread::spawn(move || {
        // It may leave before it has read everything; what it printed says so then.
        drop(stdin.write_all(&lines));
    });
    let output = child.wait_with_output().expect("nanoclawctl ends");
    writer.join().expect("the writer ends");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The locks of sessions whose sandbox lives.
fn locks_held(kit: &Toolkit) -> Vec<PathBuf> {
    let sessions = kit.dir().join("data/sessions");
    let below = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let locks: Vec<_> =
        below(sessions).flat_map(below).map(|session| session.join("in/lock")).filter(|l| l.exists()).collect();
    assert!(!locks.is_empty(), "no session was made");
    let held =
        |path: &PathBuf| Flock::lock(File::open(path).expect("a lock opens"), FlockArg::LockExclusiveNonblock).is_err();
    locks.into_iter().filter(held).collect()
}

#[test]
fn two_lines_are_answered_by_two_replies_and_nothing_else_and_nothing_stays() {
    for kit in installations() {
        let output = run_with(&kit, b"hello\nagain\n");
        assert!(output.status.success(), "{}\n{}", output.status, text(&output.stderr));
        let printed = text(&output.stdout);
        assert_eq!(printed.matches("hello").count(), 1, "{printed}");
        assert_eq!(printed.matches("again").count(), 1, "{printed}");
        assert!(printed.find("hello") < printed.find("again"), "{printed}");
        let dir = format!("NANOCLAW_DIR={}", kit.dir().display());
        assert_eq!(nc_testkit::processes::all_with(&dir), [], "something stayed");
        assert_eq!(locks_held(&kit), Vec::<PathBuf>::new(), "a sandbox stayed");
        let check = kit.ctl(["ledger", "--check"]);
        assert!(check.status.success(), "{}{}", text(&check.stdout), text(&check.stderr));
    }
}

#[test]
fn odd_lines_are_answered_or_refused_in_a_sentence_and_the_status_says_so() {
    let kit = Toolkit::new();
    let mut lines = b"first\n\n".to_vec();
    lines.extend(std::iter::repeat_n(b'x', 1 << 20));
    lines.extend_from_slice(b"\nwith a \0 in it\nnot \xff UTF-8\nlast");
    let output = run_with(&kit, &lines);
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(printed.matches("first").count(), 1, "{printed}");
    assert_eq!(printed.matches("last").count(), 1, "{printed}");
    for line in ["line 3", "line 4", "line 5"] {
        assert!(said.contains(line), "nothing is said of {line}:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_message_while_up_runs_is_answered_and_the_ledger_balances() {
    for mut kit in installations() {
        kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
        kit.up();
        for word in ["one", "two", "<message to=\"x\">three</message>", "vier ✓"] {
            let output = kit.talk_once(word);
            assert!(output.status.success(), "{}\n{}", text(&output.stderr), kit.log());
            assert!(text(&output.stdout).contains(word), "{}", text(&output.stdout));
        }
        assert!(kit.ctl(["ledger", "--check"]).status.success());
        assert_eq!(kit.stop(Signal::SIGTERM), Some(0));
        assert!(kit.ctl(["ledger", "--check"]).status.success());
    }
}

#[test]
fn a_second_start_beside_a_running_one_is_refused_and_harms_nothing() {
    let mut kit = Toolkit::new();
    kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
    kit.up();
    let second = finish(kit.program("nanoclawctl").arg("up"));
    assert_eq!(second.status.code(), Some(75), "{}", text(&second.stderr));
    for program in ["nc-router", "nc-ipcd"] {
        let second = finish(&mut kit.program(program));
        assert_eq!(second.status.code(), Some(75), "{program}: {}", text(&second.stderr));
    }
    let output = kit.talk_once("still there?");
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), kit.log());
    assert_eq!(text(&output.stdout).matches("still there?").count(), 1);
    // `run` beside it only talks, and leaves it running.
    let output = run_with(&kit, b"and now?\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).matches("and now?").count(), 1);
    assert!(kit.up_ref().has_ended().is_none(), "{}", kit.log());
}

#[test]
fn what_an_agent_is_told_in_the_chat_of_another_group_stays_there() {
    let mut kit = Toolkit::new();
    kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
    kit.ctl_ok(["group", "add", "Family"]);
    kit.up();
    let output = kit.ctl(["talk", "family", "--once", "for the family"]);
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), kit.log());
    assert_eq!(text(&output.stdout).matches("for the family").count(), 1, "{}", text(&output.stdout));
    let output = kit.talk_once("for main");
    assert!(!text(&output.stdout).contains("family"), "{}", text(&output.stdout));
}
