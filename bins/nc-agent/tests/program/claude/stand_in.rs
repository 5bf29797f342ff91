//! Programs that are not what they should be: a sentence for whoever waits, and no loop.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nc_testkit::messages_api::MessagesApi;
use nc_wire::mailbox::AckStatus;

use super::House;

/// What a person reads when this script is in the place of Claude Code, and how often it was started.
fn told(script: &str) -> (String, usize) {
    told_by(|path| {
        let starts = path.with_extension("starts");
        fs::write(path, format!("#!/bin/sh\necho x >> '{}'\n{script}\n", starts.display())).expect("a script");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it can be run");
    })
}

fn told_by(make: impl FnOnce(&Path)) -> (String, usize) {
    let api = MessagesApi::scripted([]).expect("an API");
    let mut house = House::with_binary("nowhere".into(), api);
    house.binary = house.session.root().join("claude");
    make(&house.binary);
    house.session.say("1", "hello");
    let began = Instant::now();
    let mut agent = house.start_with(&house.object(), &["--start-within", "1s"]);
    assert_eq!(agent.ended().code(), Some(78), "{}", house.session.log());
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
    let seen = house.session.seen();
    assert_eq!((seen.out.len(), seen.acks.get("1")), (1, Some(&AckStatus::Failed)), "{seen:?}");
    let starts = fs::read_to_string(house.binary.with_extension("starts")).unwrap_or_default();
    (seen.texts()[0].to_owned(), starts.lines().count())
}

#[test]
fn one_that_is_not_there_or_cannot_be_run() {
    let (text, _) = told_by(|_| {});
    assert!(text.starts_with("Claude Code cannot be used: there is no program "), "{text}");
    let (text, _) = told_by(|path| fs::write(path, "x").expect("a file"));
    assert!(text.starts_with("Claude Code cannot be used: ") && text.ends_with(" may not be executed."), "{text}");
    let (text, _) = told_by(|path| {
        fs::write(path, "\x7fELF").expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it can be run");
    });
    assert!(text.contains("cannot be started"), "{text}");
}

#[test]
fn one_that_hangs_is_started_twice() {
    let said = told("exec sleep 3600");
    assert_eq!(said, ("Claude Code cannot be used: it did not answer within 1 s of its start.".to_owned(), 2));
}

#[test]
fn one_that_dies_is_started_twice() {
    let (text, starts) = told("echo 'no such luck' >&2; exit 3");
    let words = "Claude Code cannot be used: it ended at its start: no such luck (exit status: 3).";
    assert_eq!((text.as_str(), starts), (words, 2));
}

#[test]
fn one_that_writes_rubbish_is_not_started_again() {
    let (text, starts) = told("while :; do echo rubbish; done");
    let words = "Claude Code cannot be used: it writes what is no JSON, such as \"rubbish\".";
    assert_eq!((text.as_str(), starts), (words, 1));
}

#[test]
fn one_that_is_too_old_is_not_started_again() {
    let (text, starts) = told("echo \"error: unknown option '--system-prompt-snapshot'\" >&2; exit 1");
    assert!(text.starts_with("Claude Code cannot be used: it is too old or not Claude Code."), "{text}");
    assert_eq!(starts, 1);
    let init = r#"{"type":"system","subtype":"init","session_id":"s","claude_code_version":"1.0.128"}"#;
    let (text, starts) = told(&format!("echo '{init}'; exec sleep 3600"));
    assert!(text.starts_with("Claude Code cannot be used: version 1.0.128 is too old."), "{text}");
    assert_eq!(starts, 1);
}

#[test]
fn without_a_credential_nothing_is_started() {
    let api = MessagesApi::scripted([]).expect("an API");
    let house = House::with_binary("/nowhere".into(), api);
    let mut object = house.object();
    object.credentials.0.remove("ANTHROPIC_API_KEY");
    house.session.say("1", "hello");
    let mut agent = house.start_with(&object, &[]);
    assert_eq!(agent.ended().code(), Some(78));
    let seen = house.session.seen();
    assert!(seen.texts()[0].starts_with("Claude cannot be used: there is no credential for Claude"), "{seen:?}");
}
