//! A model's API that fails: the person reads why, once, within a minute.

use std::thread;
use std::time::{Duration, Instant};

use nc_testkit::Toolkit;
use nc_testkit::messages_api::{MessagesApi, Reply};

use crate::house::{House, KEY, string};

/// What a person is told when the API always answers so.
fn told(reply: Reply) -> Option<String> {
    let api = MessagesApi::start(move |_| reply.clone()).expect("an API");
    let house = House::real("errors of the model's API", Toolkit::new(), api)?;
    let began = Instant::now();
    let output = house.kit.talk_once("hello");
    assert!(began.elapsed() < Duration::from_secs(60), "it took {:?}", began.elapsed());
    let said = string(&output.stdout) + &string(&output.stderr);
    house.balances();
    assert!(!(said.clone() + &house.about()).contains(KEY), "{said}\n{}", house.about());
    Some(said)
}

#[test]
fn the_person_reads_why_once_and_within_a_minute() {
    let cases = [
        (Reply::error(401), "refused the credential (401)"),
        (Reply::error(402), "no credit left"),
        (Reply::error(429), "limit of the model's API is reached (429)"),
        (Reply::error(529), "overloaded (529)"),
        (Reply::Cut("Half of".to_owned()), "broke off in the middle"),
        (Reply::Hang, "sent nothing for"),
    ];
    // Side by side: most of it is waiting.
    let tries = cases.map(|(reply, words)| thread::spawn(move || (told(reply), words)));
    for (said, words) in tries.map(|one| one.join().expect("a try does not fail")) {
        let Some(said) = said else { return };
        assert_eq!(said.matches(words).count(), 1, "{words:?}: {said}");
    }
}
