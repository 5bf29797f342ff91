//! Files that agents send.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::house::{House, Signal, say};

const TOLD: &str = "SELECT kind, json_extract(content, '$.text') FROM session_inbox ORDER BY id";
const SAID: &str = "SELECT source_id, kind, json_extract(content, '$.text') FROM deliveries ORDER BY id";

#[test]
fn a_file_is_copied_for_its_delivery_before_anybody_is_told_of_it() {
    let mut house = House::new();
    let desk = house.family_at_work();
    let agent = desk.outbound();
    let outbox = desk.dir.work_dir.join("outbox/row-1");
    fs::create_dir_all(&outbox).expect("an outbox");
    fs::write(outbox.join("é.txt"), "all is well").expect("a file");
    say(&agent, "row-1", 1, ("test", "family"), r#"{"text":"here","files":["é.txt"]}"#);
    let running = house.start();
    house.wait_rows(SAID, &["row-1|file|here"]);
    let id: String = house.one("SELECT id FROM deliveries", |row| row.get(0));
    let copy = house.installation.media_out(&id).join("é.txt");
    assert_eq!(fs::read(&copy).expect("the copy"), b"all is well");
    assert_eq!(house.rows("SELECT delivery_id FROM sends"), [id]);
    house.balances();
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

/// What an agent puts in the place of `outbox/row/a`.
type Trick = fn(&Path);

#[test]
fn what_is_no_plain_file_is_refused_and_agent_and_person_are_told_why() {
    let tricks: [(Trick, &str); 5] = [
        (
            |work| symlink("/etc/passwd", work.join("outbox/row/a")).expect("a link"),
            "open \"a\": it is a symbolic link",
        ),
        (
            |work| mkfifo(&work.join("outbox/row/a"), Mode::S_IRWXU).expect("a pipe"),
            "open \"a\": it is a pipe or device",
        ),
        (
            |work| File::create(work.join("outbox/row/a")).and_then(|file| file.set_len(100 << 20)).expect("large"),
            "read \"a\": it has 104857600 bytes, at most 52428800 are allowed",
        ),
        (
            |work| {
                fs::rename(work.join("outbox/row"), work.join("elsewhere")).expect("moved");
                fs::write(work.join("elsewhere/a"), "x").expect("a file");
                symlink("../elsewhere", work.join("outbox/row")).expect("a link");
            },
            "open \"row\": it is ",
        ),
        (|_| (), "open \"a\": there is no such file"),
    ];
    for (trick, why) in tricks {
        let mut house = House::new();
        let desk = house.family_at_work();
        fs::create_dir_all(desk.dir.work_dir.join("outbox/row")).expect("an outbox");
        trick(&desk.dir.work_dir);
        let agent = desk.outbound();
        say(&agent, "row", 1, ("test", "family"), r#"{"text":"see","files":["a"]}"#);
        say(&agent, "fine", 3, ("test", "family"), r#"{"text":"still here"}"#);
        let running = house.start();
        house.wait_rows("SELECT source_id FROM deliveries ORDER BY id", &["row", "fine"]);
        let said = house.rows(SAID);
        assert!(said[0].starts_with(&format!("row|text|see\n(A file could not be sent: {why}")), "{said:?}");
        let told = house.rows(TOLD);
        assert!(told[0].starts_with(&format!("notice|What you sent (row \"row\") was refused: {why}")), "{told:?}");
        let kept = fs::read_dir(house.installation.media_out("")).map_or(0, Iterator::count);
        assert_eq!((told.len(), kept), (1, 0));
        house.balances();
        assert_eq!(running.end(Signal::SIGTERM), Some(0));
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let mut house = House::new();
    let desk = house.family_at_work();
    let agent = desk.outbound();
    say(&agent, "row", 1, ("test", "family"), r#"{"text":"see","files":["../../inbound.db"]}"#);
    let running = house.start();
    house.wait_rows("SELECT source FROM session_inbox", &["refused:row"]);
    let told = house.rows(TOLD);
    assert!(told[0].contains("files[0]"), "{told:?}");
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}
