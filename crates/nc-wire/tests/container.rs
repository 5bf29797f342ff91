//! The container's side of the mailbox against the host's: what one writes the other reads.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nc_model::Timestamp;
use nc_wire::content::{ChatIn, Incoming, Outgoing};
use nc_wire::files::Directory;
use nc_wire::mailbox::container::{Address, Bounds, Mailbox, MailboxError, NewRow, Settlement, Watch};
use nc_wire::mailbox::host::Inbound;
use nc_wire::mailbox::{AckStatus, Delivered, DeliveredStatus, Destination, DestinationKind, InRow, InStatus, Routing};
use nc_wire::snapshot::{self, Limits, Look, Snapshot};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rusqlite::Connection;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_000_000);

const PLENTY: Bounds = Bounds { rows: 1000, bytes: 1 << 30 };

struct Session {
    root: TempDir,
    host: Inbound,
}

impl Session {
    fn new() -> Self {
        let root = TempDir::new().expect("a directory");
        let host = Inbound::create(&root.path().join("inbound.db"), 0o600).expect("inbound.db");
        Self { root, host }
    }

    fn with_rows(ids: &[&str]) -> Self {
        let session = Self::new();
        session.append(ids);
        session
    }

    fn append(&self, ids: &[&str]) {
        self.host.append(&ids.iter().map(|id| row(id)).collect::<Vec<_>>(), 0).expect("rows");
    }

    fn open(&self) -> Mailbox {
        Mailbox::open(self.root.path()).expect("the mailbox")
    }

    fn outbound(&self) -> PathBuf {
        self.root.path().join("outbound.db")
    }

    fn snapshot(&self) -> Snapshot {
        let work = Directory::open(self.root.path()).expect("the directory");
        match snapshot::read(&work, &Limits::default(), None).expect("a safe copy") {
            Look::Snapshot(snapshot) => *snapshot,
            other => panic!("no copy: {other:?}"),
        }
    }

    fn numbers(&self) -> Vec<i64> {
        let rows = self.snapshot().messages_out(|_| false).expect("rows").rows;
        rows.into_iter().map(|row| row.expect("a row").seq).collect()
    }

    fn acks(&self) -> BTreeSet<(String, AckStatus)> {
        let acks = self.snapshot().acks(|_| false).expect("acks").rows;
        acks.into_iter().map(|ack| ack.expect("an ack")).map(|ack| (ack.message_id, ack.status)).collect()
    }

    fn delivered(&self, rows: &[&str]) {
        let delivered = |id: &&str| Delivered {
            message_out_id: (*id).to_owned(),
            platform_message_id: None,
            status: DeliveredStatus::Delivered,
            at: NOW,
        };
        self.host.record_delivered(&rows.iter().map(delivered).collect::<Vec<_>>()).expect("delivered");
    }
}

fn row(id: &str) -> InRow {
    let content = Incoming::Chat(ChatIn { sender: "Ana".into(), text: format!("I am {id}"), ..ChatIn::default() });
    InRow {
        id: id.to_owned(),
        kind: content.kind(),
        timestamp: NOW,
        trigger: true,
        platform_id: Some("ana".to_owned()),
        channel_type: Some("terminal".to_owned()),
        thread_id: Some(format!("thread of {id}")),
        content: content.to_json(),
        source_session_id: None,
        on_wake: false,
        process_after: None,
    }
}

fn ana() -> Address {
    Address { channel_type: "terminal".to_owned(), platform_id: "ana".to_owned(), thread_id: None }
}

fn ids(look: &nc_wire::mailbox::container::Look) -> Vec<&str> {
    look.rows.iter().map(|row| row.id.as_str()).collect()
}

fn answer(text: &str) -> NewRow {
    NewRow { in_reply_to: None, address: ana(), content: Outgoing::text(text) }
}

fn settle(mailbox: &mut Mailbox, texts: &[&str], completed: &[&str]) {
    let outgoing: Vec<NewRow> = texts.iter().map(|text| answer(text)).collect();
    let acks: Vec<_> = completed.iter().map(|id| ((*id).to_owned(), AckStatus::Completed)).collect();
    mailbox.settle(&Settlement { outgoing: &outgoing, acks: &acks, state: &[] }).expect("it is written");
}

fn ack(id: &str, status: AckStatus) -> (String, AckStatus) {
    (id.to_owned(), status)
}

#[test]
fn a_row_is_taken_once_whatever_the_host_says_of_it() {
    let session = Session::with_rows(&["1", "2"]);
    let mut mailbox = session.open();
    assert_eq!(ids(&mailbox.look(NOW, PLENTY).expect("a look")), ["1", "2"]);
    mailbox.take(&["1"]).expect("it is taken");
    assert_eq!(ids(&mailbox.look(NOW, PLENTY).expect("a look")), ["2"]);
    settle(&mut mailbox, &["hi"], &["1", "2"]);
    assert!(mailbox.look(NOW, PLENTY).expect("a look").rows.is_empty());
    drop(mailbox);
    assert!(session.open().look(NOW, PLENTY).expect("a look").rows.is_empty(), "the next agent takes it again");
}

#[test]
fn a_row_that_was_rolled_back_and_came_again_is_not_taken_again() {
    let session = Session::with_rows(&["1"]);
    let mut mailbox = session.open();
    settle(&mut mailbox, &["hi"], &["1"]);
    fs::remove_file(session.host.path()).expect("it is gone");
    let host = Inbound::create(session.host.path(), 0o600).expect("a new one");
    for _ in 0..3 {
        assert!(mailbox.look(NOW, PLENTY).expect("a look").rows.is_empty());
        settle(&mut mailbox, &["something else"], &[]);
    }
    host.append(&[row("1"), row("2")], 0).expect("rows");
    assert_eq!(ids(&mailbox.look(NOW, PLENTY).expect("a look")), ["2"]);
}

#[test]
fn what_an_agent_that_died_had_taken_is_given_back_and_what_it_finished_is_not() {
    let session = Session::with_rows(&["1", "2"]);
    let mut mailbox = session.open();
    settle(&mut mailbox, &["hi"], &["1"]);
    mailbox.take(&["2"]).expect("it is taken");
    mailbox.set_tool("Bash", None, NOW).expect("a tool");
    drop(mailbox);
    let mut next = session.open();
    assert_eq!(session.acks(), BTreeSet::from([ack("1", AckStatus::Completed)]));
    let tool = session.snapshot().container_state().expect("a state").expect("a row").expect("as it has to be");
    assert_eq!(tool.current_tool, None);
    assert_eq!(ids(&next.look(NOW, PLENTY).expect("a look")), ["2"]);
}

#[test]
fn a_look_is_bounded_in_rows_and_bytes_and_a_large_row_comes_alone() {
    let session = Session::with_rows(&["1", "2"]);
    session
        .host
        .append(&[InRow { content: row(&"x".repeat(9000)).content, ..row("large") }, row("4")], 0)
        .expect("rows");
    let mut mailbox = session.open();
    let bounds = Bounds { rows: 1, bytes: 1 << 30 };
    assert_eq!(ids(&mailbox.look(NOW, bounds).expect("a look")), ["1"]);
    let bounds = Bounds { rows: 10, bytes: 1000 };
    assert_eq!(ids(&mailbox.look(NOW, bounds).expect("a look")), ["1", "2"]);
    mailbox.take(&["1", "2"]).expect("they are taken");
    assert_eq!(ids(&mailbox.look(NOW, bounds).expect("a look")), ["large"]);
}

#[test]
fn context_comes_only_with_work_that_waits_anywhere() {
    let session = Session::new();
    let context = |id| InRow { trigger: false, ..row(id) };
    session.host.append(&[context("1"), context("2")], 0).expect("rows");
    let mut mailbox = session.open();
    let bounds = Bounds { rows: 2, bytes: 1 << 30 };
    assert!(mailbox.look(NOW, bounds).expect("a look").rows.is_empty());
    session.append(&["3"]);
    assert_eq!(ids(&mailbox.look(NOW, bounds).expect("a look")), ["1", "2"], "the work is beyond the bounds");
}

#[test]
fn a_row_waits_for_its_time_and_the_look_says_when_that_is() {
    let session = Session::new();
    let later = |id, ms| InRow { process_after: Some(NOW.plus_ms(ms)), ..row(id) };
    session.host.append(&[later("far", 9000), later("near", 10), later("past", -10)], 0).expect("rows");
    let mut mailbox = session.open();
    let look = mailbox.look(NOW, PLENTY).expect("a look");
    assert_eq!((ids(&look), look.next_due), (vec!["past"], Some(NOW.plus_ms(10))));
    mailbox.take(&["past"]).expect("it is taken");
    let look = mailbox.look(NOW.plus_ms(10), PLENTY).expect("a look");
    assert_eq!((ids(&look), look.next_due), (vec!["near"], Some(NOW.plus_ms(9000))));
}

#[test]
fn numbers_are_odd_and_above_the_highest_of_both_sides() {
    let session = Session::new();
    let mut mailbox = session.open();
    settle(&mut mailbox, &["first"], &[]);
    assert_eq!(session.numbers(), [1]);
    session.append(&["1", "2", "3"]);
    settle(&mut mailbox, &["second", "third"], &[]);
    assert_eq!(session.numbers(), [1, 7, 9]);
    drop(mailbox);
    settle(&mut session.open(), &["fourth"], &[]);
    assert_eq!(session.numbers(), [1, 7, 9, 11]);
}

#[test]
fn what_was_delivered_is_removed_but_for_the_newest() {
    let session = Session::new();
    let mut mailbox = session.open();
    for text in ["1", "2", "3", "4"] {
        settle(&mut mailbox, &[text], &[]);
    }
    let rows = session.snapshot().messages_out(|_| false).expect("rows").rows;
    let third = rows.into_iter().nth(2).expect("a row").expect("a row").id;
    session.delivered(&[&third]);
    mailbox.look(NOW, PLENTY).expect("a look");
    assert_eq!(session.numbers(), [1, 3, 5, 7], "a look writes nothing");
    settle(&mut mailbox, &["5"], &[]);
    assert_eq!(session.numbers(), [5, 7, 9]);
}

#[test]
fn an_acknowledgement_is_removed_when_the_host_has_taken_note_of_it() {
    let session = Session::with_rows(&["1", "2", "3"]);
    let mut mailbox = session.open();
    settle(&mut mailbox, &[], &["1", "2"]);
    session.host.set_statuses(&[("1", InStatus::Completed)]).expect("a status");
    mailbox.look(NOW, PLENTY).expect("a look");
    settle(&mut mailbox, &[], &["3"]);
    let left = BTreeSet::from([ack("2", AckStatus::Completed), ack("3", AckStatus::Completed)]);
    assert_eq!(session.acks(), left);
}

#[test]
fn an_old_acknowledgement_of_a_row_that_the_host_has_no_more_is_removed() {
    let session = Session::with_rows(&["kept"]);
    let mut mailbox = session.open();
    settle(&mut mailbox, &[], &["gone", "gone just now", "kept"]);
    let other = Connection::open(session.outbound()).expect("outbound.db");
    other
        .execute(
            "UPDATE processing_ack SET status_changed = datetime('now', '-2 days') WHERE message_id <> 'gone just now'",
            [],
        )
        .expect("they are old");
    drop(other);
    mailbox.look(NOW, PLENTY).expect("a look");
    settle(&mut mailbox, &[], &[]);
    let left = BTreeSet::from([ack("gone just now", AckStatus::Completed), ack("kept", AckStatus::Completed)]);
    assert_eq!(session.acks(), left);
}

#[test]
fn the_file_gives_back_the_room_of_what_was_removed() {
    let session = Session::new();
    let mut mailbox = session.open();
    settle(&mut mailbox, &[&"x".repeat(200_000)], &[]);
    settle(&mut mailbox, &["short"], &[]);
    let size = || fs::metadata(session.outbound()).expect("outbound.db").len();
    let before = size();
    let rows = session.snapshot().messages_out(|_| false).expect("rows").rows;
    let newest = rows.into_iter().next_back().expect("a row").expect("a row").id;
    session.delivered(&[&newest]);
    mailbox.look(NOW, PLENTY).expect("a look");
    settle(&mut mailbox, &[], &[]);
    assert!(size() + 190_000 < before, "{before} became {}", size());
}

#[test]
fn a_thousand_turns_leave_a_small_file() {
    let session = Session::new();
    let mut mailbox = session.open();
    for n in 0..1000 {
        let id = n.to_string();
        session.append(&[&id]);
        mailbox.look(NOW, PLENTY).expect("a look");
        mailbox.take(&[&id]).expect("it is taken");
        settle(&mut mailbox, &["an answer of some length, as people and models write them"], &[&id]);
        let rows = session.snapshot().messages_out(|_| false).expect("rows").rows;
        session.delivered(&[&rows.into_iter().next_back().expect("a row").expect("a row").id]);
        session.host.set_statuses(&[(&id, InStatus::Completed)]).expect("a status");
    }
    let size = fs::metadata(session.outbound()).expect("outbound.db").len();
    assert!(size < 70_000, "{size} bytes");
}

#[test]
fn the_newest_row_of_a_chat_is_one_that_was_taken() {
    let session = Session::with_rows(&["1", "2", "3"]);
    let mut mailbox = session.open();
    assert_eq!(mailbox.newest_taken(&ana(), i64::MAX).expect("a look"), None);
    mailbox.take(&["1", "2"]).expect("they are taken");
    let newest = |up_to| mailbox.newest_taken(&ana(), up_to).expect("a look").map(|(id, _)| id);
    assert_eq!((newest(i64::MAX).as_deref(), newest(2).as_deref(), newest(1)), (Some("2"), Some("1"), None));
    session.host.set_statuses(&[("3", InStatus::Completed)]).expect("a status");
    let thread = mailbox.newest_taken(&ana(), i64::MAX).expect("a look");
    assert_eq!(thread, Some(("3".to_owned(), Some("thread of 3".to_owned()))));
}

#[test]
fn chats_and_agents_have_addresses_and_what_has_none_is_left_out() {
    let session = Session::new();
    let destination = |name: &str, kind, channel: Option<&str>, place: Option<&str>, agent: Option<&str>| Destination {
        name: name.to_owned(),
        display_name: None,
        kind,
        channel_type: channel.map(str::to_owned),
        platform_id: place.map(str::to_owned),
        agent_group_id: agent.map(str::to_owned),
    };
    let destinations = [
        destination("ana", DestinationKind::Channel, Some("terminal"), Some("ana"), None),
        destination("work", DestinationKind::Agent, None, None, Some("7")),
        destination("broken", DestinationKind::Channel, Some("terminal"), None, None),
    ];
    session.host.replace_destinations(&destinations).expect("destinations");
    let book = session.open().address_book().expect("a look");
    assert_eq!(book.routing, None);
    let known: Vec<(&str, &str, &str)> = book
        .destinations
        .iter()
        .map(|known| (known.name.as_str(), known.address.channel_type.as_str(), known.address.platform_id.as_str()))
        .collect();
    assert_eq!(known, [("ana", "terminal", "ana"), ("work", "agent", "7")]);
    session.host.set_routing(&Routing::default()).expect("a routing to nowhere");
    assert_eq!(session.open().address_book().expect("a look").routing, None);
}

#[test]
fn a_write_waits_for_a_host_that_copies() {
    let session = Session::new();
    let mut mailbox = session.open();
    let host = Connection::open(session.outbound()).expect("outbound.db");
    host.execute_batch("BEGIN; SELECT * FROM messages_out").expect("a shared lock");
    std::thread::scope(|scope| {
        scope.spawn(|| settle(&mut mailbox, &["hi"], &[]));
        // The writer has its journal and waits for the lock.
        let journal = session.root.path().join("outbound.db-journal");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !journal.exists() {
            assert!(Instant::now() < deadline, "it wrote without waiting");
            std::thread::yield_now();
        }
        host.execute_batch("COMMIT").expect("the lock is free");
    });
    assert_eq!(session.numbers(), [1]);
}

#[test]
fn of_many_runs_the_usage_of_the_newest_few_is_kept() {
    let session = Session::new();
    let mut mailbox = session.open();
    mailbox.set_state("continuation:echo", "s").expect("a state");
    for n in 0..9 {
        mailbox.set_state(&format!("usage:run-{n}"), "{}").expect("a state");
    }
    let kept = session.snapshot().session_state("").expect("state").rows;
    let keys: Vec<String> = kept.into_iter().map(|state| state.expect("a state").key).collect();
    assert_eq!(keys, ["continuation:echo", "usage:run-5", "usage:run-6", "usage:run-7", "usage:run-8"]);
    assert_eq!(mailbox.state("continuation:echo").expect("a state").as_deref(), Some("s"));
    assert_eq!(mailbox.state("other").expect("a state"), None);
}

#[test]
fn the_hosts_write_is_heard_once_and_then_there_is_silence() {
    let session = Session::new();
    let watch = Watch::new(session.root.path()).expect("a watch");
    let heard = |timeout: u16| {
        let mut fds = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(timeout)).expect("a poll") > 0
    };
    assert!(!heard(0));
    session.append(&["1"]);
    assert!(heard(60_000));
    watch.drain();
    assert!(!heard(0));
    let mut mailbox = session.open();
    mailbox.look(NOW, PLENTY).expect("a look");
    settle(&mut mailbox, &["hi"], &["1"]);
    mailbox.touch_heartbeat().expect("a heartbeat");
    assert!(!heard(0), "it wakes itself");
}

#[test]
fn a_torn_or_missing_file_of_the_host_is_an_error_that_passes() {
    let session = Session::with_rows(&["1"]);
    let whole = fs::read(session.host.path()).expect("inbound.db");
    let mut mailbox = session.open();
    for torn in [&b""[..], b"SQLite format 3\0", &whole[..whole.len() / 2], &[0xff; 4096]] {
        fs::write(session.host.path(), torn).expect("it is torn");
        let error = mailbox.look(NOW, PLENTY).expect_err("it is read");
        assert!(error.passes() && matches!(error, MailboxError::Inbound(_)), "{error:?}");
    }
    fs::remove_file(session.host.path()).expect("it is gone");
    assert!(mailbox.look(NOW, PLENTY).expect_err("it is read").passes());
    assert!(!session.host.path().exists(), "a look made the file");
    fs::write(session.host.path(), whole).expect("it is whole");
    assert_eq!(ids(&mailbox.look(NOW, PLENTY).expect("a look")), ["1"]);
}

#[test]
fn a_read_only_outbound_file_is_an_error_that_does_not_pass() {
    let session = Session::new();
    fs::write(session.outbound(), "x".repeat(4096)).expect("rubbish");
    fs::set_permissions(session.outbound(), fs::Permissions::from_mode(0o640)).expect("a mode");
    let error = Mailbox::open(session.root.path()).expect_err("it is opened");
    assert!(!error.passes(), "{error:?}");
}
