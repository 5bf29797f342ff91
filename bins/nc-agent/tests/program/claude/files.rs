//! Tools that send, called by the real client.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use nc_testkit::messages_api::Reply;
use nc_wire::content::Outgoing;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use super::{House, whole};

fn send_file(arguments: Value) -> Reply {
    Reply::tool("mcp__nanoclaw__send_file", arguments)
}

#[test]
fn a_file_and_a_message_go_out_in_mid_turn_and_the_answer_after_them() {
    let replies = [
        Reply::tool("mcp__nanoclaw__send_message", json!({"text": "A moment."})),
        send_file(json!({"path": "report.txt", "text": "Here."})),
        Reply::text("That was it."),
    ];
    let Some(house) = House::new("files and messages by tools", replies) else { return };
    fs::write(house.session.work().join("agent/report.txt"), "all is well").expect("a file");
    house.session.say("1", "report");
    let _agent = house.start();
    let seen = house.session.until_completed(&["1"]);
    assert_eq!(seen.texts(), ["A moment.", "Here.", "That was it."]);
    let Outgoing::Text(with_file) = &seen.out[1].content else { panic!("{:?}", seen.out[1]) };
    assert_eq!(with_file.files, ["report.txt"]);
    let copy = house.session.work().join("outbox").join(&seen.out[1].id).join("report.txt");
    assert_eq!(fs::read(copy).expect("the copy"), b"all is well");
    assert!(seen.out.iter().all(|row| row.in_reply_to.as_deref() == Some("1")));
    assert!(whole(&house.turns()[2]).contains("report.txt (11 bytes) is on its way to home."));
}

#[test]
fn what_may_not_be_sent_is_refused_and_the_model_told_why() {
    let cases = [
        ("link", "a symbolic link"),
        ("../outbound.db", "may not have"),
        ("pipe", "a pipe"),
        ("large", "at most 52428800 are allowed"),
        ("/etc/hostname", "only what lies below"),
    ];
    let replies = cases.iter().map(|(path, _)| send_file(json!({"path": path}))).chain([Reply::text("None of them.")]);
    let Some(house) = House::new("files that may not be sent", replies) else { return };
    let agent = house.session.work().join("agent");
    fs::write(agent.join("secret"), "x").expect("a file");
    symlink("secret", agent.join("link")).expect("a link");
    mkfifo(&agent.join("pipe"), Mode::S_IRWXU).expect("a pipe");
    File::create(agent.join("large")).and_then(|file| file.set_len(100 << 20)).expect("a large file");
    house.session.say("1", "send them");
    let _agent = house.start();
    let seen = house.session.until_completed(&["1"]);
    assert_eq!(seen.texts(), ["None of them."]);
    let last = whole(house.turns().last().expect("a turn"));
    for (path, why) in cases {
        assert!(last.contains(why), "{path}: the model is not told {why:?}");
    }
    assert!(!house.session.work().join("outbox").exists());
}
