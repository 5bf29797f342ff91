//! Sessions that Claude Code does not have any more.

use std::fs;

use nc_testkit::Signal;
use nc_testkit::messages_api::Reply;

use super::House;

#[test]
fn a_lost_session_is_begun_anew_and_said_once() {
    let replies = ["One.", "Two.", "Three."].map(Reply::text);
    let Some(house) = House::new("a lost session", replies) else { return };
    house.session.say("1", "hello");
    let mut agent = house.start();
    let first = house.session.until_completed(&["1"]).state["continuation:claude"].clone();
    agent.signal(Signal::SIGTERM);
    agent.ended();
    fs::remove_dir_all(house.session.work().join("home/.claude/projects")).expect("its sessions");
    house.session.say("2", "hello again");
    let mut agent = house.start();
    let seen = house.session.until_completed(&["2"]);
    assert_eq!(seen.texts(), ["One.", "I could not find our earlier conversation any more, and begin anew.", "Two."]);
    assert_ne!(seen.state["continuation:claude"], first);
    agent.signal(Signal::SIGTERM);
    agent.ended();
    house.session.say("3", "and again");
    let _agent = house.start();
    assert_eq!(house.session.until_completed(&["3"]).texts()[3..], ["Three."]);
}
