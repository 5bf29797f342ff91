//! Who gets a message, and what is written down about it.

use nc_model::{Decision, EngageMode, IgnoredMessagePolicy, SessionMode, UnknownSenderPolicy};
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
fn what_this_version_does_not_carry_out_drops_by_name_and_is_told_once() {
    let mut house = House::new();
    let (by_thread, _) = house.group("by-thread", false, |wiring| wiring.session_mode = SessionMode::PerThread);
    let (mention, _) = house.group("mention", false, |wiring| wiring.engage_mode = EngageMode::Mention);
    let (known, _) = house.group("known", false, |wiring| wiring.sender_scope = nc_model::SenderScope::Known);
    let (asking, _) = house.group("asking", false, |_| {});
    house.store.set_unknown_sender_policy(asking, UnknownSenderPolicy::RequestApproval).expect("a policy");
    let router = house.router();
    let cases = [
        (by_thread, "session_mode", "\"per-thread\", and this version carries out only \"shared\""),
        (mention, "engage_mode", "\"mention\", and this version carries out only \"pattern\""),
        (known, "sender_scope", "\"known\", and this version carries out only \"all\""),
        (
            asking,
            "unknown_sender_policy",
            "\"request_approval\", and this version carries out only \"strict\" and \"public\"",
        ),
    ];
    for (chat, rule, words) in cases {
        for _ in 0..2 {
            let seq = house.say(chat, "hello");
            assert_eq!(house.decided(seq), [(None, "dropped".to_owned(), rule.to_owned())]);
        }
        let told = house.wait_read("terminal", house.owner);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(words), "{told:?}");
    }
    drop(router);
    let _router = house.router();
    let seq = house.say(by_thread, "again");
    house.decided(seq);
    house.say(house.owner, "a message that is routed after it");
    assert_eq!(house.read("terminal", house.owner), Vec::<String>::new());
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
