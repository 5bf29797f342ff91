//! What happens to a file that an agent sends while nc-ipcd is killed, or there is no room.

use std::fs;

use nc_testkit::{Action, Errno};

use crate::house::{Desk, House, Signal, say};

/// The steps of a copy.
const STEPS: [&str; 5] = ["make_directory", "create", "copy", "sync", "sync_directory"];

const SAID: &str = "SELECT source_id, kind, json_extract(content, '$.text') FROM deliveries ORDER BY id";

fn point(step: &str) -> String {
    format!("nc-ipcd.media.{step}.before")
}

/// A text, a text with a file, and another text.
fn say_three(desk: &Desk) {
    let agent = desk.outbound();
    let outbox = desk.dir.work_dir.join("outbox/row-2");
    fs::create_dir_all(&outbox).expect("an outbox");
    fs::write(outbox.join("a.txt"), "all is well").expect("a file");
    say(&agent, "row-1", 1, ("test", "family"), r#"{"text":"one"}"#);
    say(&agent, "row-2", 3, ("test", "family"), r#"{"text":"two","files":["a.txt"]}"#);
    say(&agent, "row-3", 5, ("test", "family"), r#"{"text":"three"}"#);
}

fn all_arrived(house: &House) {
    house.wait_rows(SAID, &["row-1|text|one", "row-2|file|two", "row-3|text|three"]);
    let id: String = house.one("SELECT id FROM deliveries WHERE kind = 'file'", |row| row.get(0));
    let copy = fs::read(house.installation.media_out(&id).join("a.txt"));
    assert_eq!(copy.expect("the copy"), b"all is well");
    assert_eq!(house.rows("SELECT kind FROM session_inbox"), Vec::<String>::new());
    house.balances();
}

#[test]
fn killed_at_any_step_of_a_copy_it_is_taken_once() {
    for step in STEPS {
        let mut house = House::new();
        let desk = house.family_at_work();
        say_three(&desk);
        house.points.arm(&point(step), Action::Kill);
        let killed = house.spawn();
        assert_eq!(killed.ended(), None, "{step}");
        let running = house.start();
        all_arrived(&house);
        assert_eq!(running.end(Signal::SIGTERM), Some(0));
    }
}

#[test]
fn without_room_it_waits_and_what_was_said_before_goes_out() {
    let mut house = House::new();
    let desk = house.family_at_work();
    for step in STEPS {
        house.points.arm(&point(step), Action::Fail(Errno::ENOSPC));
    }
    say_three(&desk);
    let running = house.start();
    running.wait_logged("there is no room for a file of an agent, which waits for it");
    assert_eq!(house.rows(SAID), ["row-1|text|one"]);
    // Five times there is no room, and then there is; each is tried when the agent says something, too.
    let agent = desk.outbound();
    for (number, step) in (0..).zip(STEPS) {
        nc_testkit::wait_until(nc_testkit::PATIENCE, step, || house.points.fired(&point(step)));
        say(&agent, &format!("late-{number}"), 7 + 2 * number, ("elsewhere", "x"), r#"{"text":"not to be"}"#);
    }
    house.wait_rows(SAID, &["row-1|text|one", "row-2|file|two", "row-3|text|three"]);
    assert_eq!(running.log().matches("there is no room").count(), 1, "{}", running.log());
    house.balances();
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}
