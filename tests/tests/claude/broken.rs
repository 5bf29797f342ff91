//! A binary that is no Claude Code, or too old a one: a sentence for whoever waits, and no loop.

use std::fs;

use nc_testkit::messages_api::MessagesApi;
use nc_testkit::{Toolkit, claude_stand_in, finish};

use crate::house::{House, KEY, string};

/// The file of its starts, as the stand-in sees it in its sandbox.
const STARTS: &str = "/workspace/agent/starts";

/// What a person who talks reads, with how often the stand-in was started.
fn told(what: &str) -> (String, usize) {
    let kit = Toolkit::new();
    let binary = kit.beside().join("stand-in");
    claude_stand_in(&binary, what, Some(STARTS.as_ref()));
    let house = House::with(kit, MessagesApi::scripted([]).expect("an API"), &binary);
    let output = house.kit.talk_once("hello");
    let starts = fs::read_to_string(house.group("starts")).unwrap_or_default().lines().count();
    house.balances();
    assert!(!house.about().contains(KEY));
    (string(&output.stdout) + &string(&output.stderr), starts)
}

#[test]
fn one_that_is_old_hangs_or_says_rubbish_is_named_once_and_not_started_for_ever() {
    let cases = [
        ("version 2.1.273", "version 2.1.273 is too old"),
        ("hang", "it did not answer within"),
        ("rubbish", "it writes what is no JSON"),
        ("status 3", "it ended at its start"),
    ];
    let tries = cases.map(|(what, words)| std::thread::spawn(move || (told(what), words)));
    for ((said, starts), words) in tries.map(|one| one.join().expect("a try does not fail")) {
        assert_eq!(said.matches(words).count(), 1, "{words:?}: {said}");
        assert!((1..=2).contains(&starts), "{words:?}: started {starts} times");
    }
}

#[test]
fn one_that_is_old_hangs_or_says_rubbish_is_named_before_anything_is_started() {
    let cases = [
        ("version 2.1.273", "is version 2.1.273: it must be 2.1.274 or newer"),
        ("hang", "did not end within 10 s when it was asked for its version"),
        ("rubbish", "is no Claude Code: asked for its version it says"),
        ("status 3", "when it was asked for its version: \"it does not work\""),
    ];
    for (what, words) in cases {
        let mut kit = Toolkit::new();
        let binary = kit.beside().join("stand-in");
        claude_stand_in(&binary, what, None);
        kit.set(&format!("claude_path={}", binary.display())).env("ANTHROPIC_API_KEY", KEY);
        let output = finish(kit.program("nanoclawctl").arg("run"));
        let said = string(&output.stderr);
        assert_eq!((output.status.code(), string(&output.stdout).as_str()), (Some(78), ""), "{said}");
        assert_eq!(said.matches(words).count(), 1, "{words:?}: {said}");
        assert!(!kit.dir().join("data/logs/up.log").exists(), "it was started all the same");
    }
}
