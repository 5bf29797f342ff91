//! A Messages API on loopback for trying things by hand.
//!
//! ```text
//! prints   its base URL, then a line for each request
//! answers  a turn with what was said; "!STATUS" (such as !529) with that error; "!hang", "!cut" and "!slow" so
//! ends     when standard input ends
//! ```

use std::io::Read as _;
use std::time::Duration;

use nc_testkit::messages_api::{MessagesApi, Reply, Request};

fn main() -> std::io::Result<()> {
    let api = MessagesApi::start(|request| {
        let reply = answer(request);
        eprintln!("{} turn={} {:?} -> {reply:?}", request.path, request.is_turn(), request.newest_text());
        reply
    })?;
    println!("{}", api.url());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn answer(request: &Request) -> Reply {
    let said = request.newest_text();
    let word = said.rsplit_once('!').map_or("", |(_, rest)| rest.split_whitespace().next().unwrap_or(""));
    match word.trim_end_matches("</message>") {
        "hang" => Reply::Hang,
        "cut" => Reply::Cut("Half of".to_owned()),
        "slow" => Reply::Slow("One after another.".to_owned(), Duration::from_millis(200)),
        word => match word.parse() {
            Ok(code @ 400..=599) => Reply::error(code),
            _ => Reply::text(format!("I heard: {said}")),
        },
    }
}
