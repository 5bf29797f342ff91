//! What the container reads, and takes.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd as _;

use nc_wire::mailbox::container::{Bounds, MailboxError, Watch};
use nc_wire::mailbox::host::Inbound;
use nc_wire::mailbox::{AckStatus, Destination, DestinationKind, InRow, InStatus, Routing};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::session::{NOW, PLENTY, Session, ack, ana, ids, row, settle};

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
