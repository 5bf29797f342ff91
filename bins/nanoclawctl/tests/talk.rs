//! Talking without a person at the terminal: what is printed where, and with which status it ends.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use nc_model::Timestamp;
use nc_store::{Span, Unrouted};
use support::{Answerer, Deed, House, act, echo};

fn text(message: &Unrouted) -> &str {
    message.text.as_deref().unwrap_or_default()
}

#[test]
fn each_line_is_answered_and_the_replies_are_all_that_is_printed() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, echo);
    let ran = house.ctl_with(&["talk"], b"hello\nagain\nlast without a line end");
    assert_eq!(ran.stdout, "You said: hello\nYou said: again\nYou said: last without a line end\n");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert_eq!(house.store().ledger_check(Span::ALL).expect("checked"), []);
    let ledger = house.ok(&["ledger"]);
    assert!(ledger.contains("3 accepted = 3 ended + 0 open"), "{ledger}");
    assert!(ledger.contains("3 created = 3 sent + 0 unknown + 0 dead + 0 open"), "{ledger}");
}

#[test]
fn a_reply_may_have_several_messages_of_several_lines() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, |_| Deed::Say(vec!["one\ntwo".to_owned(), "three".to_owned()]));
    let ran = house.ctl(&["talk", "--once", "hello"]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "one\ntwo\nthree\n", ""));
}

#[test]
fn what_cannot_be_sent_is_refused_by_its_line_and_the_rest_goes_on() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, echo);
    let huge = "x".repeat(1_000_000);
    let mut input = b"first\n\n".to_vec();
    input.extend_from_slice(huge.as_bytes());
    input.extend_from_slice(b"\nnul\0\n\xff\xfe\nlast\n");
    let ran = house.ctl_with(&["talk"], &input);
    assert_eq!(ran.stdout, "You said: first\nYou said: last\n");
    let said = "nanoclawctl: line 2 is empty and was not sent\n\
                nanoclawctl: line 3 is 1000000 bytes long (the most is 262144) and was not sent\n\
                nanoclawctl: line 4 has a NUL character at byte 4 and was not sent\n\
                nanoclawctl: line 5 is not UTF-8 at byte 1 and was not sent\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (1, said));
}

#[test]
fn the_longest_line_is_sent() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, |m| Deed::Say(vec![text(m).len().to_string()]));
    let ran = house.ctl_with(&["talk"], "x".repeat(262_144).as_bytes());
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "262144\n"), "{}", ran.stderr);
}

#[test]
fn a_message_that_fails_is_said_and_the_next_goes_on() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, |m| if text(m) == "bad" { Deed::Fail } else { echo(m) });
    let ran = house.ctl_with(&["talk"], b"bad\ngood\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "You said: good\n"));
    assert!(ran.stderr.contains("): I could not deal with your message"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nanoclawctl: line 1 could not be answered"), "{}", ran.stderr);
}

#[test]
fn silence_is_said_and_is_no_failure() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, |_| Deed::Say(Vec::new()));
    let ran = house.ctl_with(&["talk"], b"hello\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert_eq!(ran.stderr, "nanoclawctl: Andy took line 1 and said nothing\n");
}

#[test]
fn what_nobody_takes_or_only_keeps_is_said_with_its_rule() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, |m| if text(m) == "note" { Deed::Context } else { Deed::Ignore });
    let ran = house.ctl_with(&["talk"], b"note\nother\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("line 1 is kept as context and not answered (rule test)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 2 was ignored (rule test)"), "{}", ran.stderr);
}

#[test]
fn with_nothing_running_it_says_how_to_start() {
    let house = House::with_main();
    house.ok(&["group", "add", "Family"]);
    let before = house.ok(&["chat", "list", "--json"]);
    for arguments in [&["talk"][..], &["talk", "--once", "x"], &["talk", "main"], &["talk", "family"]] {
        let ran = house.ctl(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (75, ""), "{arguments:?}");
        assert!(ran.stderr.contains("nothing runs in") && ran.stderr.contains("`nanoclawctl up`"), "{}", ran.stderr);
    }
    assert!(house.ok(&["ledger"]).contains("0 accepted"), "nothing was stored");
    assert_eq!(house.ok(&["chat", "list", "--json"]), before, "no chat was made");
}

#[test]
fn without_a_group_that_listens_it_says_how_to_get_one() {
    let house = House::new();
    let ran = house.ctl(&["talk"]);
    assert_eq!(ran.status, 78);
    assert!(ran.stderr.contains("nanoclawctl group add NAME --main"), "{}", ran.stderr);
    let house = House::with_main();
    let chat = house.ok(&["chat", "list", "--json"]);
    let chats: serde_json::Value = serde_json::from_str(&chat).expect("JSON");
    house.ok(&["unwire", &chats[0]["id"].to_string(), "main"]);
    let ran = house.ctl(&["talk"]);
    assert_eq!(ran.status, 78);
    assert!(ran.stderr.contains("no agent listens to your terminal: `nanoclawctl wire terminal:"), "{}", ran.stderr);
}

#[test]
fn a_talk_with_a_group_is_a_chat_apart() {
    let house = House::with_main();
    house.ok(&["group", "add", "Family"]);
    let _answerer = Answerer::start(&house, |m| Deed::Say(vec![m.platform_id.clone()]));
    let user = house.ctl(&["talk", "--once", "x"]).stdout;
    let main = house.ctl(&["talk", "main", "--once", "x"]).stdout;
    let family = house.ctl(&["talk", "family", "--once", "x"]).stdout;
    assert_eq!(main, user, "the terminal that only main listens to is main's");
    assert_eq!(family, format!("{}/family\n", user.trim_end()));
    let ran = house.ctl(&["talk", "nobody", "--once", "x"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("no group in the folder \"nobody\""), "{}", ran.stderr);
}

#[test]
fn what_waited_is_shown_beside_and_once() {
    let house = House::with_main();
    let mut talking = house.command(&["talk"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    // Somebody hears the bell and does nothing, and the terminal is killed while it waits.
    let deaf = Answerer::start(&house, |_| Deed::Nothing);
    drop(talking.kill().and_then(|()| talking.wait()));
    let mut talking = house.command(&["talk", "--once", "first"]).stdout(Stdio::piped()).spawn().expect("started");
    let mut store = house.store();
    let message = nc_testkit::wait_for(nc_testkit::PATIENCE, || store.unrouted(1).expect("messages").pop());
    talking.kill().and_then(|()| talking.wait()).expect("killed");
    drop(deaf);
    act(&mut store, &message.expect("it was stored"), &Deed::Say(vec!["late".to_owned()]));
    let _answerer = Answerer::start(&house, echo);
    let ran = house.ctl(&["talk", "--once", "second"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "You said: second\n"));
    assert!(ran.stderr.starts_with("nanoclawctl: Andy (2") && ran.stderr.ends_with("): late\n"), "{}", ran.stderr);
    let ran = house.ctl(&["talk", "--once", "third"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("You said: third\n", ""));
}

#[test]
fn what_a_dead_terminal_was_showing_is_shown_again_and_says_so() {
    let house = House::with_main();
    let mut store = house.store();
    let answerer = Answerer::start(&house, echo);
    house.ctl(&["talk", "--once", "first"]);
    drop(answerer);
    let chat = store.unrouted(1).expect("messages");
    assert!(chat.is_empty());
    // As a terminal leaves it that dies between the two commits.
    let main = store.main_group().expect("read").expect("main");
    let chat = store.wirings_of_group(main.id).expect("wirings")[0].chat;
    let recorded = store.record(&nc_store::NewMessage::new(chat, "e", "x")).expect("recorded").seq();
    let message = store.unrouted(1).expect("messages").remove(0);
    assert_eq!(message.seq, recorded);
    act(&mut store, &message, &Deed::Say(vec!["perhaps".to_owned()]));
    let leased =
        store.lease_sends("terminal", None, nc_store::now(), Timestamp(i64::MAX), 1).expect("leased").remove(0);
    assert!(store.begin_send(&leased, nc_store::now()).expect("begun"));
    let _answerer = Answerer::start(&house, echo);
    let ran = house.ctl(&["talk", "--once", "second"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "You said: second\n"));
    assert!(ran.stderr.contains(", perhaps shown before): perhaps\n"), "{}", ran.stderr);
    assert!(house.ok(&["ledger"]).contains("3 created = 3 sent + 0 unknown + 0 dead + 0 open"));
}

#[test]
fn a_closed_standard_output_keeps_the_reply_for_the_next_talk() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, echo);
    let mut talking = house.command(&["talk", "--once", "lost"]);
    let mut talking = talking.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    drop(talking.stdout.take());
    let ran = support::Ran::of(&talking.wait_with_output().expect("ended"));
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("it is kept and shown at the next `nanoclawctl talk`"), "{}", ran.stderr);
    let due = |house: &House| house.store().next_send_due("terminal", Timestamp(0)).expect("due").is_some();
    assert!(due(&house), "the reply was given up");
    let shown = nc_testkit::wait_for(nc_testkit::PATIENCE, || {
        Some(house.ctl(&["talk", "--once", "x"]).stderr).filter(|said| said.contains("You said: lost"))
    });
    assert!(shown.is_some(), "the reply was lost");
}

#[test]
fn one_line_at_a_time_can_be_written_to_a_talk_that_stays_open() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, echo);
    let mut talking = house.command(&["talk"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    let mut input = talking.stdin.take().expect("an input");
    let mut output = BufReader::new(talking.stdout.take().expect("an output"));
    for word in ["one", "two", "three"] {
        writeln!(input, "{word}").expect("written");
        let mut line = String::new();
        output.read_line(&mut line).expect("read");
        assert_eq!(line, format!("You said: {word}\n"));
    }
    drop(input);
    assert!(talking.wait().expect("ended").success());
    let left = std::fs::read_dir(house.run_dir().join("talk")).expect("bells").flatten();
    let bells: Vec<_> = left.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "sock")).collect();
    assert!(bells.is_empty(), "{bells:?}");
}

#[test]
fn when_everything_stops_while_it_waits_it_says_so() {
    let house = House::with_main();
    let answerer = Answerer::start(&house, |_| Deed::Nothing);
    let talking = house.command(&["talk", "--once", "x"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let store = house.store();
    nc_testkit::wait_until(nc_testkit::PATIENCE, "the message is stored", || {
        !store.unrouted(1).expect("messages").is_empty()
    });
    drop(answerer);
    let ran = support::Ran::of(&talking.expect("started").wait_with_output().expect("ended"));
    assert_eq!((ran.status, ran.stdout.as_str()), (75, ""));
    assert!(ran.stderr.contains("NanoClaw has stopped; the message is kept"), "{}", ran.stderr);
    store.checkpoint_truncate().expect("the store is free");
}

#[test]
fn standard_input_that_cannot_be_read_is_said() {
    let house = House::with_main();
    let _answerer = Answerer::start(&house, echo);
    let directory = File::open(house.path()).expect("a directory");
    let output = nc_testkit::finish(house.command(&["talk"]).stdin(directory));
    let ran = support::Ran::of(&output);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("standard input cannot be read after line 0"), "{}", ran.stderr);
}
