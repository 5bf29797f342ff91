//! Turns, and how they match what is in the mailbox.

use std::fs;

use nc_testkit::Signal;
use nc_testkit::messages_api::{Block, Reply};
use nc_testkit::processes;
use nc_wire::mailbox::AckStatus;
use serde_json::{Value, json};

use super::{House, KEY, bash, whole};
use crate::session::{DEADLINE, destination};

#[test]
fn a_second_line_goes_to_the_same_process_and_a_later_agent_goes_on_with_the_session() {
    let replies = ["Hello Ana.", "Again.", "You said: first line."].map(Reply::text);
    let Some(house) = House::new("a conversation with Claude Code", replies) else { return };
    house.session.say("1", "first line");
    let mut agent = house.start();
    house.session.until_completed(&["1"]);
    let process = House::claude_of(&agent);
    house.session.say("2", "second line");
    let seen = house.session.until_completed(&["1", "2"]);
    assert_eq!(seen.texts(), ["Hello Ana.", "Again."]);
    assert_eq!(seen.out[1].in_reply_to.as_deref(), Some("2"));
    assert_eq!(House::claude_of(&agent), process);
    let kept = seen.state["continuation:claude"].clone();
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.ended().code(), Some(0));
    assert!(!processes::all().iter().any(|p| p.pid == process), "it left a process behind");

    house.session.say("3", "third line");
    let _agent = house.start();
    let seen = house.session.until_completed(&["3"]);
    assert_eq!(seen.texts().last(), Some(&"You said: first line."));
    assert_eq!(seen.state["continuation:claude"], kept);
    let turns = house.turns();
    for said in ["first line", "Hello Ana.", "second line", "Again.", "third line"] {
        assert!(whole(&turns[2]).contains(said), "{said} is not in the history");
    }
    assert!(turns.iter().all(|turn| turn.header("x-api-key") == Some(KEY)));
    assert!(!house.session.log().contains(KEY));
}

#[test]
fn what_comes_in_mid_turn_becomes_part_of_it_and_a_tool_at_work_is_shown() {
    let Some(house) = House::new("messages in mid-turn", []) else { return };
    let (gate, command) = house.gate("gate");
    let house = House::with("messages in mid-turn", scripted([bash(&command), Reply::text("To both.")]))
        .map(|other| House { session: house.session, ..other });
    let house = house.expect("the binary was there");
    house.session.say("1", "first line");
    let _agent = house.start();
    let seen = house.session.until(|seen| seen.tool.is_some());
    assert_eq!(seen.tool, Some(("Bash".to_owned(), Some(50_000))));
    house.session.say("2", "second line");
    house.session.until(|seen| seen.acks.get("2") == Some(&AckStatus::Processing));
    // It hears of the second line only when it reads its input, which it does while the command runs.
    fs::write(gate, "").expect("the gate opens");
    let seen = house.session.until_completed(&["1", "2"]);
    assert_eq!(seen.texts().last(), Some(&"To both."));
    assert_eq!(seen.tool, None);
    let usage: Value = serde_json::from_str(&seen.state["usage:run-1"]).expect("JSON");
    assert_eq!(usage["tools"]["Bash"]["calls"], 1);
    assert!(usage["input_tokens"].as_u64() >= Some(22) && usage["turns"].as_u64() >= Some(1), "{usage}");
    assert!(usage["cost_usd"].as_f64() > Some(0.0) && usage["first_token_ms"].as_u64() > Some(0), "{usage}");
}

#[test]
fn a_turn_that_nobody_asked_for_is_heard_too() {
    let Some(house) = House::new("finished background work", []) else { return };
    let (gate, command) = house.gate("gate");
    let background = Reply::tool("Bash", json!({"command": command, "run_in_background": true}));
    let api = scripted([background, Reply::text("It goes on."), Reply::text("It is done.")]);
    let house = House { api, ..house };
    house.session.say("1", "do it");
    let _agent = house.start();
    let seen = house.session.until_completed(&["1"]);
    assert_eq!(seen.texts(), ["It goes on."]);
    house.session.until(|seen| seen.tool.is_some());
    fs::write(gate, "").expect("the gate opens");
    let seen = house.session.until(|seen| seen.out.len() == 2 && seen.tool.is_none());
    assert_eq!(seen.texts(), ["It goes on.", "It is done."]);
}

#[test]
fn an_answer_that_reaches_nobody_is_corrected_once() {
    let stray = Reply::text("Hello?");
    let blocks = Reply::text("<message to=\"home\">Hello.</message><internal>good</internal>");
    let replies = [stray.clone(), blocks, stray.clone(), stray];
    let Some(house) = House::new("a correction", replies) else { return };
    house.session.inbound.replace_destinations(&[destination("home", "ana"), destination("work", "bo")]).expect("two");
    house.session.say("1", "hello");
    let _agent = house.start();
    assert_eq!(house.session.until_completed(&["1"]).texts(), ["Hello."]);
    let correction = house.turns()[1].newest_text();
    assert!(correction.contains("reached nobody") && correction.contains("home, work"), "{correction}");
    house.session.say("2", "hello");
    let seen = house.session.until_completed(&["2"]);
    assert_eq!((seen.texts(), house.turns().len()), (vec!["Hello."], 4));
}

#[test]
fn a_process_that_is_killed_in_mid_turn_answers_once_and_its_session_goes_on() {
    let Some(house) = House::new("Claude Code killed in mid-turn", []) else { return };
    let (_gate, command) = house.gate("gate");
    let replies = [Reply::text("First."), bash(&command), Reply::text("After all."), Reply::text("Third.")];
    let house = House { api: scripted(replies), ..house };
    house.session.say("1", "first line");
    let agent = house.start();
    house.session.until_completed(&["1"]);
    house.session.say("2", "second line");
    house.session.until(|seen| seen.tool.is_some());
    let killed = House::claude_of(&agent);
    processes::send(killed, Signal::SIGKILL);
    let seen = house.session.until_completed(&["2"]);
    assert_eq!(seen.texts(), ["First.", "After all."]);
    assert_ne!(House::claude_of(&agent), killed);
    assert!(whole(&house.turns()[2]).contains("first line"));
    house.session.say("3", "third line");
    assert_eq!(house.session.until_completed(&["3"]).texts(), ["First.", "After all.", "Third."]);
}

#[test]
fn an_agent_that_is_killed_in_mid_turn_leaves_the_message_to_the_next_which_answers_once() {
    let Some(house) = House::new("the agent killed in mid-turn", []) else { return };
    let (_gate, command) = house.gate("gate");
    let replies = [Reply::text("First."), bash(&command), Reply::text("After all.")];
    let house = House { api: scripted(replies), ..house };
    house.session.say("1", "first line");
    let agent = house.start();
    house.session.until_completed(&["1"]);
    house.session.say("2", "second line");
    house.session.until(|seen| seen.tool.is_some());
    let own = i32::try_from(agent.id()).expect("a process id");
    let below = processes::below(own);
    processes::send(own, Signal::SIGKILL);
    // In a sandbox these end with it.
    for process in &below {
        processes::send(process.pid, Signal::SIGKILL);
    }
    drop(agent);
    nc_testkit::wait_until(DEADLINE, "all are gone", || !below.iter().any(processes::lives));
    let _agent = house.start();
    let seen = house.session.until_completed(&["1", "2"]);
    assert_eq!(seen.texts(), ["First.", "After all."]);
    let last = whole(&house.turns()[2]);
    assert!(last.contains("first line") && last.contains("second line"));
}

#[test]
fn a_turn_of_several_blocks_ends_with_its_last_text() {
    let both = Reply::Blocks(vec![
        Block::Text("I look.".to_owned()),
        Block::Tool { name: "Bash".to_owned(), input: json!({"command": "true"}) },
    ]);
    let Some(house) = House::new("a turn with a tool", [both, Reply::text("I looked.")]) else { return };
    house.session.say("1", "look");
    let _agent = house.start();
    assert_eq!(house.session.until_completed(&["1"]).texts(), ["I looked."]);
}

fn scripted(replies: impl IntoIterator<Item = Reply>) -> nc_testkit::messages_api::MessagesApi {
    nc_testkit::messages_api::MessagesApi::scripted(replies).expect("an API")
}
