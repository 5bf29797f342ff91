//! systemd understands every line of every unit and drop-in.

use std::fs;

use crate::stage::{Stage, is_possible};

const WHAT: &str = "lint of the units";

/// How each file of a stage is named in a complaint.
fn names(stage: &Stage) -> Vec<String> {
    let root = stage.root();
    stage.files().iter().map(|path| format!("/{}", path.strip_prefix(root).expect("below it").display())).collect()
}

#[test]
fn systemd_has_no_complaint_with_all_programs_and_with_those_alone_that_are_always_there() {
    if !is_possible(WHAT) {
        return;
    }
    for stage in [Stage::complete(), Stage::with(&[]), Stage::of_user()] {
        let said = stage.complaints();
        assert!(said.success && said.text.is_empty(), "{}", said.text);
    }
}

#[test]
fn a_key_that_systemd_does_not_know_is_noticed_in_every_file() {
    if !is_possible(WHAT) {
        return;
    }
    for stage in [Stage::complete(), Stage::of_user()] {
        for path in stage.files() {
            let text = fs::read_to_string(&path).expect("a file of the stage");
            fs::write(&path, format!("{text}NoSuchKey=1\n")).expect("it is written");
        }
        let said = stage.complaints();
        let is_unread = |name: &String| !said.text.contains(&format!("{name}:"));
        let unread: Vec<String> = names(&stage).into_iter().filter(is_unread).collect();
        assert!(unread.is_empty(), "no unit reads {unread:?}:\n{}", said.text);
    }
}

#[test]
fn a_value_that_systemd_does_not_know_and_a_program_that_is_not_there_are_noticed() {
    if !is_possible(WHAT) {
        return;
    }
    let stage = Stage::complete();
    let strict = |text: &str| text.replace("ProtectSystem=strict", "ProtectSystem=strickt");
    stage.change("nc-.service.d/10-common.conf", strict);
    assert!(stage.complaints().text.contains("strickt"));
    let stage = Stage::complete();
    fs::remove_file(stage.path("usr/local/libexec/nanoclaw/nc-slack")).expect("it is removed");
    let said = stage.complaints();
    assert!(!said.success && said.text.contains("nc-slack is not executable"), "{}", said.text);
}
