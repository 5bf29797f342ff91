//! A conversation is kept before it is made shorter.

use std::fs;

use nc_testkit::messages_api::{MessagesApi, Reply};

use super::House;

#[test]
fn a_conversation_is_kept_as_markdown_before_it_is_made_shorter() {
    let api = MessagesApi::start(|request| {
        let text = request.newest_text();
        if text.contains("detailed summary") {
            return Reply::text("<analysis>a</analysis><summary>They spoke of bees.</summary>");
        }
        Reply::Full(format!("I heard of {}.", if text.contains("bees") { "bees" } else { "nothing" }), 160_000)
    });
    let Some(house) = House::with("a conversation made shorter", api.expect("an API")) else { return };
    house.session.say("1", "Tell me about bees");
    let _agent = house.start();
    house.session.until_completed(&["1"]);
    for id in ["2", "3"] {
        house.session.say(id, "and on");
        house.session.until_completed(&[id]);
    }
    let conversations = house.session.work().join("agent/conversations");
    let names = fs::read_dir(&conversations).expect("a directory").map(|entry| entry.expect("one").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("text")).collect();
    names.sort_by_key(String::len);
    assert!(names[0].ends_with("-tell-me-about-bees.md"), "{names:?}");
    let text = fs::read_to_string(conversations.join(&names[0])).expect("Markdown");
    assert!(text.contains("**User**: ") && text.contains("**Andy**: I heard of bees."), "{text}");
}
