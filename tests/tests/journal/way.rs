//! One message through all programs, by one field.

use std::collections::BTreeSet;

use nc_model::event;

use crate::listener::{House, Record, value};

/// Who says what of a message that is answered, in the order in which one thing leads to the next.
const CHANNEL_FIRST: [(&str, &str); 3] = [
    ("nanoclawctl", "a message is stored"),
    ("nc-router", "goes into the mailbox of a session as work"),
    ("nc-ipcd", "takes in what an agent sends (text)"),
];
const ROUTER_RUNNER_AGENT: [(&str, &str); 5] = [
    ("nc-router", "goes into the mailbox of a session as work"),
    ("nc-runner", "a run begins that is to answer it"),
    ("nc-runner", "its agent has it"),
    ("nc-agent", "took it, with 0 others"),
    ("nc-agent", "ends it, with 1 texts"),
];
const CHANNEL_LAST: [(&str, &str); 2] = [("nc-ipcd", "takes in what an agent sends (text)"), ("nanoclawctl", "sent")];

#[track_caller]
fn in_order(records: &[Record], steps: &[(&str, &str)]) {
    let at = |(who, what): &(&str, &str)| {
        let is =
            |record: &Record| value(record, "SYSLOG_IDENTIFIER") == *who && value(record, "MESSAGE").starts_with(what);
        records.iter().position(is).unwrap_or_else(|| panic!("{who} does not say {what:?}: {records:#?}"))
    };
    let places: Vec<usize> = steps.iter().map(at).collect();
    assert!(places.is_sorted(), "{steps:?} stand at {places:?}: {records:#?}");
}

/// The number of the message that says `text`.
fn number(house: &House) -> String {
    let why = house.kit.ctl_ok(["why", "--json", "--chat", "terminal:root"]);
    let why: serde_json::Value = serde_json::from_str(&why).expect("JSON");
    why["message"]["seq"].to_string()
}

#[test]
fn a_message_is_followed_by_its_number_through_all_programs() {
    let Some(house) = House::at("info", "the way of a message") else { return };
    let said = house.kit.talk_once("a secret of mine");
    let answer = String::from_utf8_lossy(&said.stdout);
    assert!(answer.starts_with("You said: a secret of mine\n"), "{answer}\n{}", house.kit.log());
    let seq = number(&house);
    // The agent's own lines come by another way and may come last.
    house.told("NANOCLAW_MESSAGE", &seq, "ends it");
    let records = house.told("NANOCLAW_MESSAGE", &seq, "sent");
    for steps in [&CHANNEL_FIRST[..], &ROUTER_RUNNER_AGENT, &CHANNEL_LAST] {
        in_order(&records, steps);
    }
    let answered = records.iter().find(|record| value(record, "MESSAGE_ID") == event::MESSAGE_ANSWERED);
    let answered = answered.unwrap_or_else(|| panic!("it was not answered: {records:#?}"));
    assert_eq!(value(answered, "NANOCLAW_GROUP"), "main");
    let of_channel = house.records("NANOCLAW_CHANNEL", "terminal");
    let who: BTreeSet<&str> = of_channel.iter().map(|record| value(record, "SYSLOG_IDENTIFIER")).collect();
    assert_eq!(who, BTreeSet::from(["nanoclawctl", "nc-ipcd", "nc-router", "nc-runner"]));
    // Only its number is told, never what it says.
    let everything = house.everything();
    assert!(everything.len() > 8, "{everything:#?}");
    let told = everything.iter().flat_map(|record| record.values().flatten());
    assert!(told.clone().all(|value| !value.contains("secret of mine")), "{everything:#?}");
}

#[test]
fn what_a_sandbox_prints_stands_under_its_run_and_only_under_messages_of_its_own() {
    let Some(house) = House::at("debug", "the output of a run in the journal") else { return };
    let said = house.kit.talk_once("hello <internal>to myself</internal>");
    assert!(said.status.success(), "{}", house.kit.log());
    let seq = number(&house);
    let records = house.told("NANOCLAW_MESSAGE", &seq, "ends it");
    let run = records.iter().find(|record| value(record, "SYSLOG_IDENTIFIER") == "nc-agent").expect("its agent");
    let (run, session) = (value(run, "NANOCLAW_RUN").to_owned(), value(run, "NANOCLAW_SESSION").to_owned());
    let of_run = house.told("NANOCLAW_RUN", &run, "the model says");
    for record in of_run.iter().filter(|record| value(record, "SYSLOG_IDENTIFIER") == "nc-agent") {
        assert_eq!((value(record, "NANOCLAW_SESSION"), value(record, "NANOCLAW_GROUP")), (&*session, "main"));
        assert!(!value(record, "MESSAGE").starts_with("20"), "time and level are the journal's: {record:?}");
    }
    let whole = of_run.iter().find(|record| value(record, "MESSAGE").starts_with("the model says")).expect("its words");
    assert!(value(whole, "MESSAGE").contains("<internal>to myself"), "{whole:?}");
    assert_eq!(value(whole, "PRIORITY"), "6", "tracing-journald's word for debug");
    assert!(of_run.iter().any(|record| value(record, "MESSAGE") == "a mount"), "{of_run:#?}");
    let began = of_run.iter().find(|record| value(record, "MESSAGE_ID") == event::RUN_BEGAN);
    assert_eq!(began.map(|record| value(record, "SYSLOG_IDENTIFIER")), Some("nc-runner"));
    let no_file = house.kit.installation().groups_dir().join(format!("main/logs/{run}.log"));
    assert!(!no_file.exists(), "the journal has it");
}
