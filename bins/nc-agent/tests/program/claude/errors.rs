//! A model's API that fails: whoever waits reads why, once.

use std::time::{Duration, Instant};

use nc_testkit::messages_api::{MessagesApi, Reply};
use nc_wire::mailbox::AckStatus;

use super::{House, KEY};

/// What a person reads when the API always answers so, and how often it was asked.
fn told(what: &str, reply: Reply, arguments: &[&str]) -> Option<(String, usize)> {
    let is_failing = std::sync::atomic::AtomicBool::new(true);
    let failing = std::sync::Arc::new(is_failing);
    let switch = std::sync::Arc::clone(&failing);
    let api = MessagesApi::start(move |_| {
        let fails = switch.load(std::sync::atomic::Ordering::Relaxed);
        if fails { reply.clone() } else { Reply::text("Better now.") }
    });
    let house = House::with(what, api.expect("an API"))?;
    house.session.say("1", "hello");
    let began = Instant::now();
    let _agent = house.start_with(&house.object(), arguments);
    let seen = house.session.until(|seen| seen.acks.get("1") == Some(&AckStatus::Failed));
    assert!(began.elapsed() < Duration::from_secs(60), "it took {:?}", began.elapsed());
    assert_eq!(seen.out.len(), 1, "once: {seen:?}");
    let asked = house.turns().len();
    let text = seen.texts()[0].to_owned();
    assert!(!house.session.log().contains(KEY));
    // The session is not broken by it.
    failing.store(false, std::sync::atomic::Ordering::Relaxed);
    house.session.say("2", "and now?");
    assert_eq!(house.session.until_completed(&["2"]).texts()[1], "Better now.");
    Some((text, asked))
}

#[test]
fn what_does_not_pass_is_told_at_once() {
    for (code, words) in [
        (401, "The model's API refused the credential (401). It says: invalid x-api-key."),
        (402, "There is no credit left at the model's API (402)."),
        (403, "The model's API does not allow this with the present credential (403)."),
        (404, "The model's API does not know the model that is configured (404)."),
    ] {
        let Some((text, asked)) = told("errors that do not pass", Reply::error(code), &[]) else { return };
        assert!(text.starts_with(words), "{code}: {text}");
        assert!(asked <= 2, "{code}: asked {asked} times");
    }
}

#[test]
fn what_may_pass_is_tried_again_for_a_while() {
    for (reply, words) in [
        (Reply::error(429), "The limit of the model's API is reached (429)."),
        (Reply::error(529), "The model's API is overloaded (529)."),
        (Reply::error(500), "The model's API has a fault of its own (500)."),
        (Reply::Cut("Half of".to_owned()), "The answer of the model's API broke off in the middle."),
    ] {
        let Some((text, asked)) = told("errors that may pass", reply, &["--api-silence", "2s"]) else { return };
        assert!(text.starts_with(words), "{text}");
        assert!((2..10).contains(&asked), "{text}: asked {asked} times");
    }
}

#[test]
fn an_api_that_says_nothing_is_told_of_within_its_time() {
    let Some((text, asked)) = told("an API that says nothing", Reply::Hang, &["--api-silence", "2s"]) else { return };
    assert!(text.starts_with("The model's API sent nothing for 2 s."), "{text}");
    assert_eq!(asked, 1);
}

#[test]
fn an_api_that_is_not_there_is_named() {
    let Some(house) = House::new("an API that is not there", []) else { return };
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let mut object = house.object();
    object.credentials.0.insert("ANTHROPIC_BASE_URL".to_owned(), format!("http://{nobody}"));
    house.session.say("1", "hello");
    let _agent = house.start_with(&object, &["--api-silence", "2s"]);
    let seen = house.session.until(|seen| seen.acks.get("1") == Some(&AckStatus::Failed));
    assert_eq!(seen.out.len(), 1);
    let text = seen.texts()[0];
    assert!(text.starts_with(&format!("The model's API at {nobody} cannot be reached: ")), "{text}");
}

#[test]
fn an_answer_that_comes_slowly_is_no_error_and_a_sign_of_work() {
    let slow = Reply::Slow("Slowly.".to_owned(), Duration::from_millis(500));
    let Some(house) = House::new("a slow answer", [slow]) else { return };
    house.session.say("1", "hello");
    let _agent = house.start_with(&house.object(), &["--api-silence", "3s"]);
    assert_eq!(house.session.until_completed(&["1"]).texts(), ["Slowly."]);
}
