//! The journal of the machine: a message by its number, a run by its id, and what is to be done.

use nc_testkit::machine::Machine;
use serde_json::Value;

use crate::house::{house, is_answered};

fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

/// Who says what in the order of the journal.
fn lines(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| format!("{}: {}", text(record, "SYSLOG_IDENTIFIER"), text(record, "MESSAGE"))).collect()
}

/// What of the journal is about a message, once `last` is among it.
fn about(machine: &Machine, seq: &str, last: &str) -> Vec<Value> {
    let field = format!("NANOCLAW_MESSAGE={seq}");
    let found = machine.wait_for(|machine| {
        let records = machine.journal(&[&field]);
        lines(&records).iter().any(|line| line.starts_with(last)).then_some(records)
    });
    found.unwrap_or_else(|| panic!("{last:?} is not there: {:#?}", lines(&machine.journal(&[&field]))))
}

#[track_caller]
fn in_order(lines: &[String], steps: &[&str]) {
    let at = |step: &&str| {
        let found = lines.iter().position(|line| line.starts_with(step));
        found.unwrap_or_else(|| panic!("{step:?} is not there: {lines:#?}"))
    };
    let places: Vec<usize> = steps.iter().map(at).collect();
    assert!(places.is_sorted(), "{steps:?} stand at {places:?}: {lines:#?}");
}

#[test]
fn journalctl_shows_the_way_of_a_message_by_its_number_and_a_run_by_its_id() {
    let Some(machine) = house("the way of a message in the journal") else { return };
    is_answered(&machine, "main", "where did this go");
    let why = machine.ok(["nanoclawctl", "why", "--json", "--chat", "terminal:root"]);
    let why: Value = serde_json::from_str(&why).expect("JSON");
    let seq = why["message"]["seq"].to_string();
    about(&machine, &seq, "nc-agent: ends it");
    let records = about(&machine, &seq, "nanoclawctl: sent");
    let lines = lines(&records);
    let (placed, taken) = ("nc-router: goes into the mailbox", "nc-ipcd: takes in what an agent sends");
    in_order(&lines, &["nanoclawctl: a message is stored", placed, taken, "nanoclawctl: sent"]);
    in_order(&lines, &[placed, "nc-runner: its agent has it", "nc-agent: took it", "nc-agent: ends it"]);
    assert!(lines.iter().all(|line| !line.contains("where did this go")), "{lines:#?}");

    let agent = records.iter().find(|record| text(record, "SYSLOG_IDENTIFIER") == "nc-agent").expect("its agent");
    assert!(text(agent, "_SYSTEMD_UNIT").starts_with("nc-runner@"), "{agent}");
    let run = text(agent, "NANOCLAW_RUN");
    let shown = machine.ok(["nanoclawctl", "run", "log", run]);
    assert!(shown.contains("nc-agent") && shown.contains(&format!("run {run} of session")), "{shown}");
    assert!(!machine.path(&format!("/var/lib/nanoclaw/groups/main/logs/{run}.log")).exists(), "the journal has it");

    let answered = format!("MESSAGE_ID={}", nc_model::event::MESSAGE_ANSWERED);
    let explained = machine.ok(["journalctl", "--no-pager", "-x", &answered, &format!("NANOCLAW_MESSAGE={seq}")]);
    assert!(explained.contains("Subject: A message was answered"), "{explained}");
}
