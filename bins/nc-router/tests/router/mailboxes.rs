//! The sessions' directories: filled, repaired, and one that cannot be written harming nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nc_model::{Cause, Decision, RunOutcome};
use nc_store::{Decided, Left, NewWiring, Taken};
use nc_testkit::{PATIENCE, wait_until};
use nc_wire::mailbox::host::Inbound;

use crate::house::House;
use crate::runner::Run;

fn pending(house: &House, session: &str) -> Vec<String> {
    let rows = Inbound::open(&house.session_dir(session).inbound_db).and_then(|inbound| inbound.pending());
    rows.map(|rows| rows.into_iter().map(|row| row.id).collect()).unwrap_or_default()
}

/// As a router does that is killed right after its decision.
fn decide(house: &mut House, text: &str) -> (nc_model::Seq, String) {
    let chat = house.owner;
    let seq = house.say(chat, text);
    let taken = vec![Taken::work(house.main, "main", chat)];
    let left = Left { decision: Decision::Ignored, rule: "none".to_owned() };
    let decided = Decided::new(seq, chat, taken, left);
    house.store.decide(&[decided]).expect("a decision");
    (seq, house.session_of(seq))
}

#[test]
fn a_decision_that_was_not_placed_is_placed_at_the_next_start() {
    let mut house = House::new();
    let (seq, session) = decide(&mut house, "hello");
    let (runner, _router) = (house.runner(), house.router());
    let run = runner.next().begin();
    assert_eq!(run.session.id, session);
    assert_eq!(run.pending(), [format!("{seq}:{}", house.main)]);
}

#[test]
fn a_row_that_was_placed_and_not_marked_is_not_placed_twice() {
    let mut house = House::new();
    let router = house.router();
    let first = house.say(house.owner, "one");
    let session = house.session_of(first);
    wait_until(PATIENCE, "it is placed", || pending(&house, &session).len() == 1);
    drop(router);
    // The router that placed the second was killed before it marked it.
    let (second, _) = decide(&mut house, "two");
    let inbound = Inbound::open(&house.session_dir(&session).inbound_db).expect("the mailbox");
    let row = nc_wire::mailbox::InRow {
        id: format!("{second}:{}", house.main),
        kind: nc_wire::mailbox::InKind::Chat,
        timestamp: nc_store::now(),
        trigger: true,
        platform_id: None,
        channel_type: None,
        thread_id: None,
        content: "{\"text\":\"two\"}".to_owned(),
        source_session_id: None,
        on_wake: false,
        process_after: None,
    };
    inbound.append(&[row], 0).expect("a row");
    let (runner, _router) = (house.runner(), house.router());
    let run = runner.next().begin();
    assert_eq!(run.texts(), ["one", "two"]);
    assert_eq!(house.store.sessions_to_place().expect("a list"), Vec::<String>::new());
}

#[test]
fn the_directory_keeps_others_out_and_lets_the_sandbox_read() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    house.say(house.owner, "hello");
    let run = runner.next().begin();
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&run.dir.in_dir), 0o700);
    assert_eq!(mode(&run.dir.inbound_db), 0o644);
    assert_eq!(mode(&run.dir.inbox), 0o755);
    assert_eq!(mode(&run.dir.lock), 0o600);
    assert!(fs::metadata(&run.dir.lock).expect("the lock").is_file());
    assert!(!run.dir.work_dir.exists(), "work/ is the runner's");
}

#[test]
fn a_mailbox_of_another_boot_is_made_anew_before_its_first_run() {
    for damage in [false, true] {
        let mut house = House::new();
        let router = house.router();
        let first = house.say(house.owner, "one");
        let session = house.session_of(first);
        wait_until(PATIENCE, "it is placed", || pending(&house, &session).len() == 1);
        drop(router);
        house.store.set_inbound_boot(&session, "an earlier boot").expect("a boot");
        let file = house.session_dir(&session).inbound_db;
        if damage {
            fs::write(&file, vec![7; 8192]).expect("damage");
        }
        let second = house.say(house.owner, "two");
        let (runner, router) = (house.runner(), house.router());
        let run = runner.next().begin();
        router.wait_said("made the mailbox anew from the store");
        assert_eq!(run.texts(), ["one", "two"], "damaged: {damage}");
        assert_eq!(run.pending(), [first, second].map(|seq| format!("{seq}:{}", house.main)));
        assert_eq!(run.address_book().destinations.len(), 1);
    }
}

#[test]
fn a_mailbox_that_is_damaged_or_gone_between_runs_is_made_anew() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let first = house.say(house.owner, "one");
    let mut run = runner.next().begin();
    run.answer(&run.pending(), "hi");
    let dir = run.dir.clone();
    run.end(RunOutcome::Completed);
    house.wait_outcome(first, nc_model::RoutingOutcome::Answered);
    fs::write(&dir.inbound_db, vec![7; 8192]).expect("damage");
    house.say(house.owner, "two");
    let mut run = runner.next().begin();
    assert_eq!(run.texts(), ["two"]);
    run.answer(&run.pending(), "hi");
    run.end(RunOutcome::Completed);
    fs::remove_dir_all(&dir.root).expect("it is gone");
    house.say(house.owner, "three");
    let run = runner.next().begin();
    assert_eq!(run.texts(), ["three"]);
}

#[test]
fn what_has_an_end_in_the_store_is_not_pending_in_the_next_run() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    house.say(house.owner, "one");
    let mut run = runner.next().begin();
    run.answer(&run.pending(), "hi");
    run.end(RunOutcome::Completed);
    house.say(house.owner, "two");
    // The copy that is read here knows nothing of what an earlier run acknowledged.
    assert_eq!(runner.next().begin().texts(), ["two"]);
}

#[test]
fn a_session_that_cannot_be_written_is_told_of_once_and_harms_nobody_else() {
    let mut house = House::new();
    let (chat, group) = house.group("family", false, |_| {});
    // A file where the directory belongs refuses root too.
    let sessions = house.installation.data_dir().join("sessions");
    fs::create_dir_all(&sessions).expect("a directory");
    let in_the_way = sessions.join(group.to_string());
    fs::write(&in_the_way, "").expect("a file");
    let (runner, router) = (house.runner(), house.router());
    let stuck = house.say(chat, "hello");
    house.session_of(stuck);
    assert!(house.wait_read("test", chat)[0].contains("It is kept, and I try again"));
    house.say(house.owner, "hello");
    let mut other = runner.next().begin();
    assert_eq!(other.texts(), ["hello"]);
    other.answer(&other.pending(), "hi");
    other.end(RunOutcome::Completed);
    router.wait_told("1 whose mailbox cannot be written");
    house.say(chat, "still there?");
    fs::remove_file(&in_the_way).expect("the file goes");
    let run = runner.next().begin();
    wait_until(PATIENCE, "both are there", || run.texts() == ["hello", "still there?"]);
    router.wait_said("the mailbox can be written again");
    assert_eq!(house.read("test", chat), Vec::<String>::new());
    assert_eq!(router.said().matches("a mailbox cannot be written").count(), 1);
}

#[test]
fn a_running_agent_sees_new_destinations() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    house.say(house.owner, "hello");
    let run = runner.next().begin();
    let names = |run: &Run| run.address_book().destinations.into_iter().map(|d| d.name).collect::<Vec<_>>();
    assert_eq!(names(&run), ["ana"]);
    let chat = house.chat("family", true);
    house.store.wire(&NewWiring::new(chat, house.main), Some("kin")).expect("a wiring");
    house.ring();
    wait_until(PATIENCE, "the new one is there", || names(&run) == ["ana", "kin"]);
    house.store.unwire(chat, house.main).expect("no wiring");
    house.ring();
    wait_until(PATIENCE, "it is gone again", || names(&run) == ["ana"]);
}

#[test]
fn the_fate_of_what_was_sent_reaches_the_agent_without_a_run() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let seq = house.say(house.owner, "hello");
    let mut run = runner.next().begin();
    run.answer(&run.pending(), "hi");
    let dir = run.dir.clone();
    run.end(RunOutcome::Completed);
    house.wait_outcome(seq, nc_model::RoutingOutcome::Answered);
    assert_eq!(house.wait_read("terminal", house.owner), ["hi"]);
    house.ring();
    wait_until(PATIENCE, "it is placed", || house.store.sessions_to_place().expect("a list").is_empty());
    assert!(Inbound::open(&dir.inbound_db).and_then(|inbound| inbound.pending()).expect("the mailbox").len() <= 1);
    assert!(runner.another().is_none());
}

#[test]
fn files_of_a_message_come_into_the_inbox_and_what_is_no_file_does_not() {
    let mut house = House::new();
    let (runner, _router) = (house.runner(), house.router());
    let mut message = house.message(house.owner, "look");
    let named = |name: &str| serde_json::json!({ "type": "file", "name": name });
    message.attachments = Some(serde_json::json!([named("a.txt"), named("../b"), named("link"), named("gone")]));
    let seq = house.store.record(&message).expect("a message").seq();
    let media = house.installation.media_in(seq);
    fs::create_dir_all(&media).expect("a directory");
    fs::write(media.join("a.txt"), "text").expect("a file");
    std::os::unix::fs::symlink("/etc/passwd", media.join("link")).expect("a link");
    house.ring();
    let run = runner.next().begin();
    let rows = run.rows();
    let nc_wire::content::Incoming::Chat(chat) = rows[0].content.as_ref().expect("content") else {
        panic!("no chat row")
    };
    let places: Vec<_> = chat.attachments.iter().map(|a| a.local_path.clone()).collect();
    let here = format!("inbox/{seq}:{}/a.txt", house.main);
    assert_eq!(places, [Some(here.clone()), None, None, None]);
    assert_eq!(fs::read_to_string(run.dir.in_dir.join(here)).expect("the file"), "text");
}

#[test]
fn a_mailbox_that_a_killed_router_left_torn_is_whole_at_the_next_start() {
    let mut house = House::new();
    let (runner, router) = (house.runner(), house.router());
    house.say(house.owner, "hello");
    let asked = runner.next();
    drop(router);
    let run = Run::begin(&house.installation, &asked.session, Cause::Message, None);
    let journal = run.dir.in_dir.join("inbound.db-journal");
    // A journal without a page is what a writer leaves that was killed right after it had begun.
    fs::write(&journal, vec![0; 512]).expect("a journal");
    let _router = house.router();
    wait_until(PATIENCE, "the agent can read", || run.texts() == ["hello"]);
}
