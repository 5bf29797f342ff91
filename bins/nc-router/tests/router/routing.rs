//! Who gets a message, and what is written down about it.

use std::os::unix::net::UnixDatagram;

use nc_config::Doorbell;
use nc_model::{Decision, IgnoredMessagePolicy, MessageKind, RoutingOutcome, SessionMode};
use nc_testkit::{PATIENCE, wait_until};

use crate::house::House;

#[test]
fn a_message_to_main_becomes_a_run_with_the_message_in_its_mailbox() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let seq = house.say(house.owner, "hello");
    let asked = runner.next();
    assert_eq!(asked.cause, "message");
    assert_eq!(asked.session, house.session_of(seq));
    let mut run = asked.begin();
    let rows = run.rows();
    assert_eq!(run.texts(), ["hello"]);
    assert_eq!(rows[0].id, format!("{seq}:{}", house.main));
    assert_eq!((rows[0].seq, rows[0].trigger), (2, true));
    let address = rows[0].address.clone().expect("an address");
    assert_eq!((address.channel_type.as_str(), address.platform_id.as_str()), ("terminal", "ana"));
    assert_eq!(run.address_book().destinations.len(), 1);
    run.answer(&run.pending(), "hi");
    run.end(nc_model::RunOutcome::Completed);
    house.wait_outcome(seq, nc_model::RoutingOutcome::Answered);
    assert_eq!(house.decided(seq), [(Some(house.main.0), "work".to_owned(), "main".to_owned())]);
}

#[test]
fn context_gathers_without_a_run_and_rides_along_with_the_next_work() {
    let mut house = House::new();
    let (chat, group) = house.group("family", true, |_| {});
    let (runner, _router) = (house.runner(), house.router());
    let context = [house.say(chat, "who cooks?"), house.say(chat, "not me")];
    for seq in context {
        assert_eq!(house.decided(seq), [(Some(group.0), "context".to_owned(), "accumulate".to_owned())]);
    }
    let work = house.say(chat, "@Andy you?");
    let run = runner.next().begin();
    assert!(runner.another().is_none());
    assert_eq!(run.texts(), ["who cooks?", "not me", "@Andy you?"]);
    assert_eq!(run.rows().iter().map(|row| row.trigger).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(house.decided(work), [(Some(group.0), "work".to_owned(), "trigger".to_owned())]);
}

#[test]
fn each_wiring_decides_for_its_own_agent() {
    let mut house = House::new();
    let (chat, first) = house.group("family", true, |wiring| wiring.priority = 1);
    let folder = nc_model::FolderName::parse("other").expect("a name");
    let other = house.store.create_group(&nc_store::NewGroup::new("Other", folder)).expect("a group").id;
    let mut wiring = nc_store::NewWiring::new(chat, other);
    wiring.engage_pattern = Some("deploy".to_owned());
    wiring.ignored_message_policy = IgnoredMessagePolicy::Drop;
    house.store.wire(&wiring, None).expect("a wiring");
    let _router = house.router();
    let both = house.say(chat, "@andy deploy it");
    let (work, context) = ("work".to_owned(), "context".to_owned());
    let expected =
        [(Some(first.0), work.clone(), "trigger".to_owned()), (Some(other.0), work.clone(), "pattern".to_owned())];
    assert_eq!(house.decided(both), expected);
    let none = house.say(chat, "good morning");
    assert_eq!(house.decided(none), [(Some(first.0), context, "accumulate".to_owned())]);
}

#[test]
fn where_nobody_takes_a_message_one_row_says_why() {
    let mut house = House::new();
    let alone = house.chat("nobody", false);
    let (quiet, _) = house.group("quiet", true, |wiring| wiring.ignored_message_policy = IgnoredMessagePolicy::Drop);
    let _router = house.router();
    let cases = [(alone, "no_wiring"), (quiet, "drop_policy")];
    for (chat, rule) in cases {
        let seq = house.say(chat, "hello");
        assert_eq!(house.decided(seq), [(None, "ignored".to_owned(), rule.to_owned())]);
    }
}

#[test]
fn a_pattern_that_cannot_be_read_drops_by_name_and_is_told_once() {
    let mut house = House::new();
    let (chat, group) = house.group("broken", false, |_| {});
    let raw = rusqlite::Connection::open(house.store.path()).expect("the file");
    raw.execute("UPDATE wirings SET engage_pattern = '(' WHERE agent_group_id = ?1", [group.0]).expect("a bad row");
    let router = house.router();
    for _ in 0..2 {
        let seq = house.say(chat, "hello");
        assert_eq!(house.decided(seq), [(None, "dropped".to_owned(), "engage_pattern".to_owned())]);
    }
    let told = house.wait_read("terminal", house.owner);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("engage_pattern is \"(\""), "{told:?}");
    drop(router);
    let _router = house.router();
    let seq = house.say(chat, "again");
    house.decided(seq);
    house.say(house.owner, "a message that is routed after it");
    assert_eq!(house.read("terminal", house.owner), Vec::<String>::new());
}

#[test]
fn one_session_for_all_chats_of_an_agent_answers_each_by_name() {
    let mut house = House::new();
    let (first, group) = house.group("first", false, |wiring| wiring.session_mode = SessionMode::AgentShared);
    let second = house.chat("second", false);
    let mut wiring = nc_store::NewWiring::new(second, group);
    wiring.session_mode = SessionMode::AgentShared;
    house.store.wire(&wiring, None).expect("a wiring");
    let (runner, _router) = (house.runner(), house.router());
    let one = house.say(first, "from the first");
    let mut run = runner.next().begin();
    let two = house.say(second, "from the second");
    assert_eq!(house.session_of(one), house.session_of(two));
    wait_until(PATIENCE, "both are there", || run.pending().len() == 2);
    assert!(runner.another().is_none());
    let places: Vec<_> = run.rows().iter().filter_map(|row| row.address.clone()).map(|a| a.platform_id).collect();
    assert_eq!(places, ["first", "second"]);
    let book = run.address_book();
    let names: Vec<_> = book.destinations.iter().map(|known| known.name.as_str()).collect();
    assert_eq!((names, book.routing.is_some()), (vec!["first", "second"], false));
    run.answer_in(second, &run.pending()[1..], "to the second");
    house.wait_outcome(two, RoutingOutcome::Answered);
    run.answer_in(first, &run.pending(), "to the first");
    house.wait_outcome(one, RoutingOutcome::Answered);
    assert_eq!(house.read("test", first), ["to the first"]);
    assert_eq!(house.read("test", second), ["to the second"]);
}

#[test]
fn a_cleared_session_ends_what_it_has_and_its_agent_leaves() {
    let mut house = House::new();
    std::fs::create_dir_all(house.installation.run_dir().join("runs")).expect("a directory");
    let (runner, _router) = (house.runner(), house.router());
    let before = house.say(house.owner, "before");
    let mut old = runner.next().begin();
    old.take(&old.pending());
    let bell = UnixDatagram::bind(house.installation.doorbell(Doorbell::Run(&old.session.id))).expect("a doorbell");
    bell.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let clear = house.say(house.owner, "/clear");
    assert_eq!(house.decided(clear), [(Some(house.main.0), "command".to_owned(), "command".to_owned())]);
    assert_eq!(house.wait_read("terminal", house.owner), ["Session cleared."]);
    let after = house.say(house.owner, "after");
    let run = runner.next().begin();
    assert_eq!((run.texts(), run.session.id.clone()), (vec!["after".to_owned()], house.session_of(after)));
    assert_ne!(run.session.id, old.session.id);
    assert!(!old.was_asked_to_leave(), "it has work still");
    old.answer(&old.pending(), "late");
    house.wait_outcome(before, RoutingOutcome::Answered);
    bell.recv(&mut [0; 16]).expect("it is rung");
    assert!(old.was_asked_to_leave());
    old.end(nc_model::RunOutcome::Completed);
    assert!(runner.another().is_none());
    assert_eq!(house.store.ledger_check(nc_store::Span::ALL).expect("the ledger"), []);
}

#[test]
fn what_a_cleared_session_has_is_run_again_after_a_failure() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let before = house.say(house.owner, "before");
    let mut run = runner.next().begin();
    run.take(&run.pending());
    let clear = house.say(house.owner, "/clear");
    house.decided(clear);
    let session = run.session.id.clone();
    run.end(nc_model::RunOutcome::Killed);
    let mut again = runner.next().begin();
    assert_eq!(again.session.id, session);
    again.answer(&again.pending(), "hi");
    house.wait_outcome(before, RoutingOutcome::Answered);
}

#[test]
fn an_answered_message_is_shown_with_the_answer() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let first = house.say(house.owner, "one");
    let mut message = house.message(house.owner, "two");
    message.reply_to = Some("platform-1".to_owned());
    house.record(&message);
    let run = runner.next().begin();
    wait_until(PATIENCE, "both are there", || run.pending().len() == 2);
    let rows = run.rows();
    let nc_wire::content::Incoming::Chat(chat) = rows[1].content.as_ref().expect("content") else {
        panic!("no chat row")
    };
    let reply_to = chat.reply_to.clone().expect("what it answers");
    assert_eq!(reply_to.id, Some(format!("{first}:{}", house.main)));
    assert_eq!((reply_to.sender.as_deref(), reply_to.text.as_deref()), (Some("Bob"), Some("one")));
}

#[test]
fn what_is_changed_taken_back_or_reacted_to_is_context_that_says_of_what() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let first = house.say(house.owner, "eight o'clock");
    let mut run = runner.next().begin();
    run.answer(&run.pending(), "fine");
    house.wait_outcome(first, RoutingOutcome::Answered);
    let said = [
        (MessageKind::Edit, "nine o'clock", "[changed an earlier message to:] nine o'clock", true),
        (MessageKind::Delete, "", "[took back an earlier message]", false),
        (MessageKind::Reaction, "thumbs_up", "[reacted to an earlier message:] thumbs_up", true),
    ];
    for (n, (kind, text, shown, quotes)) in said.into_iter().enumerate() {
        let mut message = house.message(house.owner, text);
        (message.kind, message.target_message_id) = (kind, Some("platform-1".to_owned()));
        let seq = house.record(&message);
        let decided = (Some(house.main.0), "context".to_owned(), "not_a_message".to_owned());
        assert_eq!(house.decided(seq), [decided], "{kind}");
        wait_until(PATIENCE, "it is there", || run.pending().len() == n + 1);
        let row = run.rows().remove(n + 1);
        let Ok(nc_wire::content::Incoming::Chat(chat)) = &row.content else { panic!("no chat row") };
        let of = chat.reply_to.clone().expect("what it is about");
        assert_eq!((chat.text.as_str(), row.trigger), (shown, false));
        assert_eq!(of.id, Some(format!("{first}:{}", house.main)));
        assert_eq!(of.text.is_some(), quotes, "{kind}");
    }
    assert!(runner.another().is_none());
}

#[test]
fn what_was_routed_before_stays_as_it_was_decided() {
    let mut house = House::new();
    let (chat, group) = house.group("family", true, |_| {});
    let router = house.router();
    let before = house.say(chat, "hello");
    let decided = house.decided(before);
    house.store.unwire(chat, group).expect("no wiring");
    let after = house.say(chat, "hello");
    assert_eq!(house.decided(after), [(None, "ignored".to_owned(), "no_wiring".to_owned())]);
    assert_eq!(house.decided(before), decided);
    assert_eq!(house.fate(before).agents[0].decision, Decision::Context);
    drop(router);
}
