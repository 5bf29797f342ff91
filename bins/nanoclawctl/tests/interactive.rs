//! Talking as a person does, through a pseudo-terminal.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nc_testkit::{PATIENCE, Signal, processes, wait_for, wait_until};
use nix::pty::openpty;
use support::{Answerer, Deed, House, echo};

/// `nanoclawctl talk` at a terminal of its own.
struct Talk {
    child: Child,
    keys: File,
    seen: Arc<Mutex<String>>,
}

impl Talk {
    fn start(house: &House, environment: &[(&str, &str)]) -> Self {
        let pty = openpty(None, None).expect("a pseudo-terminal");
        let end = |fd: &std::os::fd::OwnedFd| Stdio::from(fd.try_clone().expect("a descriptor"));
        let mut command = house.command(&["talk"]);
        command.env("TERM", "xterm").envs(environment.iter().copied());
        let child = command.stdin(end(&pty.slave)).stdout(end(&pty.slave)).stderr(end(&pty.slave)).spawn();
        let keys = File::from(pty.master);
        let (mut screen, seen) = (keys.try_clone().expect("a descriptor"), Arc::default());
        let shared: Arc<Mutex<String>> = Arc::clone(&seen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                shared.lock().expect("a screen").push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        let talk = Self { child: child.expect("started"), keys, seen };
        talk.sees("you> ", 1);
        talk
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    /// Waits until the screen has shown `text` that many times.
    fn sees(&self, text: &str, times: usize) {
        let shown = || self.seen.lock().expect("a screen").clone();
        let found = wait_for(PATIENCE, || (shown().matches(text).count() >= times).then_some(()));
        assert!(found.is_some(), "{text:?} was not shown {times} times: {:?}", shown());
    }

    fn screen(&self) -> String {
        self.seen.lock().expect("a screen").clone()
    }

    fn ends_with(mut self, status: i32) -> String {
        let ended = wait_for(PATIENCE, || self.child.try_wait().expect("a child"));
        assert_eq!(ended.and_then(|e| e.code()), Some(status), "{}", self.screen());
        self.screen()
    }
}

#[test]
fn replies_come_above_the_line_and_the_arrow_keys_bring_back_what_was_written() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, echo);
    let mut talk = Talk::start(&house, &[]);
    talk.types("hello\r");
    talk.sees("You said: hello", 1);
    talk.types("\x1b[A\r");
    talk.sees("You said: hello", 2);
    talk.types("half a line");
    let ran = house.ctl(&["talk", "--once", "from a script"]);
    assert_eq!(ran.stdout, "You said: from a script\n");
    talk.sees("You said: from a script", 1);
    talk.types(" and the rest\r");
    talk.sees("You said: half a line and the rest", 1);
    talk.types("\x04");
    let screen = talk.ends_with(0);
    assert!(screen.contains("\x1b[1m"), "nothing stood out on a terminal");
    let user = house.store().owners().expect("owners")[0].replace("terminal:", "");
    let file = house.path().join("data/talk_history").join(user);
    let kept = fs::read_to_string(&file).expect("a history");
    assert!(kept.contains("hello\n") && kept.contains("half a line and the rest\n"), "{kept}");
    assert_eq!(fs::metadata(&file).expect("a history").permissions().mode() & 0o777, 0o600);
    let mut again = Talk::start(&house, &[]);
    again.types("\x1b[A\r");
    again.sees("You said: half a line and the rest", 1);
    again.types("\x03");
    again.ends_with(0);
}

#[test]
fn while_the_agent_works_the_prompt_says_so() {
    let house = House::with_main();
    let answerer = Answerer::start(&house, |_| Deed::Nothing);
    let mut talk = Talk::start(&house, &[("NO_COLOR", "1")]);
    talk.types("hello\r");
    talk.sees("Andy is working … 1 s", 1);
    assert!(!talk.screen().contains("\x1b[1m") && !talk.screen().contains("\x1b[2m"), "{:?}", talk.screen());
    drop(answerer);
    talk.sees("(NanoClaw has stopped: what you wrote is kept, and answered when it runs again)", 1);
    let _answerer = Answerer::start(&house, echo);
    // It rings, as every program does that finds something when it starts.
    talk.sees("You said: hello", 1);
    talk.types("\x04");
    talk.ends_with(0);
}

#[test]
fn what_an_agent_says_cannot_steer_the_terminal() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, |_| Deed::Say(vec!["\x1b]0;owned\x07\x1b[2Jdone".to_owned()]));
    let mut talk = Talk::start(&house, &[]);
    talk.types("hello\r");
    talk.sees("␛]0;owned␇␛[2Jdone", 1);
    assert!(!talk.screen().contains("\x1b[2J") && !talk.screen().contains('\x07'), "{:?}", talk.screen());
    talk.types("\x04");
    talk.ends_with(0);
}

#[test]
fn a_terminal_that_knows_nothing_and_one_whose_program_is_told_to_stop() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, echo);
    let mut talk = Talk::start(&house, &[("TERM", "dumb")]);
    talk.types("hello\n");
    talk.sees("Andy: You said: hello", 1);
    processes::send(i32::try_from(talk.child.id()).expect("a number"), Signal::SIGTERM);
    talk.ends_with(1);
    let left = house.run_dir().join("talk");
    wait_until(PATIENCE, "its bell is gone", || {
        let mut entries = fs::read_dir(&left).expect("bells").flatten();
        !entries.any(|e| e.path().extension().is_some_and(|x| x == "sock"))
    });
}
