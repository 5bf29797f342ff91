//! The host's side of `inbound.db`: numbers, modes, repeats, what a killed router left, and making it anew.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod other_process;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nc_model::Timestamp;
use nc_wire::Verdict;
use nc_wire::content::{ChatIn, Incoming};
use nc_wire::mailbox::host::{Contents, Inbound, MailboxError};
use nc_wire::mailbox::{
    Delivered, DeliveredStatus, Destination, DestinationKind, InKind, InRow, InStatus, Placed, Routing,
};
use other_process::{Container, part, wait_for_the_end};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// What the other process does in the tests below.
#[test]
#[ignore = "played by the other tests"]
fn plays_the_container() {
    let (part, directory) = part();
    let conn = Connection::open(directory.join("inbound.db")).expect("opened");
    match part.as_str() {
        // A router that dies with uncommitted pages in the file.
        "router" => conn
            .execute_batch(
                "PRAGMA cache_size = 2; BEGIN IMMEDIATE; DELETE FROM messages_in; DELETE FROM destinations;
                WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 500)
                INSERT INTO delivered SELECT 'never-' || x, hex(zeroblob(500)), 'delivered', '' FROM n",
            )
            .expect("it is in mid-transaction"),
        // An agent that keeps a reader's lock.
        "reader" => conn.execute_batch("BEGIN; SELECT count(*) FROM messages_in").expect("the lock is taken"),
        other => panic!("no part {other:?}"),
    }
    println!("ready");
    wait_for_the_end();
}

struct In {
    directory: TempDir,
}

impl In {
    fn new() -> (Self, Inbound) {
        let directory = tempfile::tempdir().expect("a directory");
        let inbound = Inbound::create(&directory.path().join("inbound.db"), 0o600).expect("it is made");
        (Self { directory }, inbound)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("inbound.db")
    }

    /// What a reader in the sandbox sees.
    fn read<T: rusqlite::types::FromSql>(&self, sql: &str) -> Vec<T> {
        let conn = Connection::open_with_flags(self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opened");
        let mut query = conn.prepare(sql).expect("prepared");
        query.query_map([], |row| row.get(0)).expect("asked").map(|value| value.expect("a value")).collect()
    }
}

fn row(id: &str) -> InRow {
    let content =
        ChatIn { sender: "Ana".into(), sender_id: "terminal:ana".into(), text: id.into(), ..ChatIn::default() };
    InRow {
        id: id.into(),
        kind: InKind::Chat,
        timestamp: Timestamp(1_800_000_000_123),
        trigger: true,
        platform_id: Some("ana".into()),
        channel_type: Some("terminal".into()),
        thread_id: None,
        content: Incoming::Chat(content).to_json(),
        source_session_id: None,
        on_wake: false,
        process_after: None,
    }
}

fn rows(ids: &[&str]) -> Vec<InRow> {
    ids.iter().map(|id| row(id)).collect()
}

fn placed(pairs: &[(&str, i64)]) -> Vec<Placed> {
    pairs.iter().map(|(id, seq)| Placed { id: (*id).into(), seq: *seq }).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn it_gets_the_mode_that_was_asked_for_and_keeps_its_rows() {
    let (place, inbound) = In::new();
    assert_eq!(mode(&place.path()), 0o600);
    inbound.append(&rows(&["1:1"]), 0).expect("appended");
    let again = Inbound::create(&place.path(), 0o640).expect("it is there");
    assert_eq!(mode(&place.path()), 0o640);
    assert_eq!(again.pending().expect("pending"), placed(&[("1:1", 2)]));
}

#[test]
fn a_row_reads_as_the_protocol_says() {
    let (place, inbound) = In::new();
    let later = InRow {
        trigger: false,
        on_wake: true,
        process_after: Some(Timestamp(1_800_000_001_000)),
        thread_id: Some("T".into()),
        source_session_id: Some("s".into()),
        ..row("1:1")
    };
    inbound.append(&[later], 0).expect("appended");
    let sql = "SELECT concat_ws('|', id, seq, kind, timestamp, status, process_after, ifnull(recurrence, '-'), series_id, tries,
        trigger, platform_id, channel_type, thread_id, source_session_id, on_wake, content) FROM messages_in";
    assert_eq!(
        place.read::<String>(sql),
        [concat!(
            "1:1|2|chat|2027-01-15T08:00:00.123Z|pending|2027-01-15T08:00:01.000Z|-|1:1|0|0|ana|terminal|T|s|1|",
            r#"{"sender":"Ana","senderId":"terminal:ana","text":"1:1","isFromMe":false}"#
        )]
    );
    assert_eq!(place.read::<String>("PRAGMA journal_mode"), ["delete"]);
}

#[test]
fn numbers_are_even_above_both_sides_and_repeats_change_nothing() {
    let (_place, inbound) = In::new();
    assert_eq!(inbound.append(&rows(&["a", "b"]), 0).expect("appended"), placed(&[("a", 2), ("b", 4)]));
    assert_eq!(inbound.append(&rows(&["a", "c"]), 9).expect("appended"), placed(&[("c", 10)]));
    assert_eq!(inbound.append(&rows(&["a", "b", "c"]), 99).expect("appended"), []);
    assert_eq!(inbound.append(&rows(&["d"]), 10).expect("appended"), placed(&[("d", 12)]));
    assert_eq!(inbound.highest_seq().expect("a number"), 12);
}

#[test]
fn destinations_are_replaced_whole_and_the_route_is_one_row() {
    let (place, inbound) = In::new();
    let destination = |name: &str, kind| Destination {
        name: name.into(),
        display_name: None,
        kind,
        channel_type: Some("terminal".into()),
        platform_id: Some("ana".into()),
        agent_group_id: None,
    };
    inbound.replace_destinations(&[destination("old", DestinationKind::Channel)]).expect("replaced");
    let both = [destination("ana", DestinationKind::Channel), destination("research", DestinationKind::Agent)];
    inbound.replace_destinations(&both).expect("replaced");
    assert_eq!(
        place.read::<String>("SELECT name || ' ' || type FROM destinations ORDER BY 1"),
        ["ana channel", "research agent"]
    );
    for thread in [Some("T"), None] {
        let routing = Routing {
            channel_type: Some("c".into()),
            platform_id: Some("p".into()),
            thread_id: thread.map(Into::into),
        };
        inbound.set_routing(&routing).expect("set");
    }
    assert_eq!(
        place.read::<String>("SELECT concat(id, channel_type, platform_id, thread_id) FROM session_routing"),
        ["1cp"]
    );
}

#[test]
fn the_newest_word_on_a_delivery_stands() {
    let (place, inbound) = In::new();
    let word = |status, id: Option<&str>| Delivered {
        message_out_id: "m".into(),
        platform_message_id: id.map(Into::into),
        status,
        at: Timestamp(0),
    };
    inbound.record_delivered(&[word(DeliveredStatus::Failed, None)]).expect("recorded");
    inbound.record_delivered(&[word(DeliveredStatus::Delivered, Some("17.2"))]).expect("recorded");
    let sql = "SELECT concat_ws(' ', message_out_id, platform_message_id, status, delivered_at) FROM delivered";
    assert_eq!(place.read::<String>(sql), ["m 17.2 delivered 1970-01-01T00:00:00.000Z"]);
}

#[test]
fn a_status_is_set() {
    let (_place, inbound) = In::new();
    inbound.append(&rows(&["a", "b"]), 0).expect("appended");
    inbound.set_statuses(&[("a", InStatus::Completed), ("none", InStatus::Failed)]).expect("set");
    assert_eq!(inbound.status("a").expect("a status"), Some(InStatus::Completed));
    assert_eq!(inbound.status("none").expect("no row"), None);
    assert_eq!(inbound.pending().expect("pending"), placed(&[("b", 4)]));
}

#[test]
fn pruning_keeps_what_is_open_and_the_highest_number() {
    let (_place, inbound) = In::new();
    inbound.append(&rows(&["a", "b", "c", "d", "e"]), 0).expect("appended");
    let done: Vec<_> = ["a", "c", "d", "e"].iter().map(|id| (*id, InStatus::Completed)).collect();
    inbound.set_statuses(&done).expect("set");
    inbound.prune(2).expect("pruned");
    let left: Vec<_> =
        ["a", "b", "c", "d", "e"].into_iter().filter(|id| inbound.status(id).expect("asked").is_some()).collect();
    assert_eq!(left, ["b", "d", "e"]);
    inbound.prune(0).expect("pruned");
    assert_eq!(inbound.append(&rows(&["f"]), 0).expect("appended"), placed(&[("f", 12)]));
}

#[test]
fn what_a_killed_router_left_is_rolled_back_when_it_is_opened() {
    let (place, inbound) = In::new();
    let many: Vec<String> = (0..200).map(|n| format!("{n}:1")).collect();
    inbound.append(&many.iter().map(|id| row(id)).collect::<Vec<_>>(), 0).expect("appended");
    Container::start("router", place.directory.path(), "ready").kill();
    let journal = place.directory.path().join("inbound.db-journal");
    assert!(journal.exists(), "it was not killed in the middle");
    Inbound::open(&place.path()).expect("opened");
    assert!(!journal.exists());
    assert_eq!(place.read::<i64>("SELECT count(*) FROM messages_in"), [200]);
    assert_eq!(place.read::<i64>("SELECT count(*) FROM delivered"), [0]);
}

#[test]
fn a_reader_that_keeps_its_lock_makes_the_writer_give_up_soon_and_keep_the_row() {
    let (place, inbound) = In::new();
    let reader = Container::start("reader", place.directory.path(), "ready");
    let start = std::time::Instant::now();
    let error = inbound.append(&rows(&["a"]), 0).expect_err("the lock is held");
    assert!(matches!(error, MailboxError::Busy { .. }) && error.verdict() == Verdict::Keep, "{error:?}");
    assert!(start.elapsed() < std::time::Duration::from_secs(3), "{:?}", start.elapsed());
    reader.kill();
    assert_eq!(inbound.append(&rows(&["a"]), 0).expect("appended"), placed(&[("a", 2)]));
}

#[test]
fn a_missing_file_is_an_error_and_is_not_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("inbound.db");
    let error = Inbound::open(&path).expect_err("it is missing");
    assert_eq!(error.to_string(), format!("use {}", path.display()));
    assert!(!path.exists());
}

#[test]
fn a_damaged_file_says_that_it_must_be_rebuilt_and_is() {
    let (place, _) = In::new();
    fs::write(place.path(), vec![b'x'; 8192]).expect("damaged");
    let error = Inbound::open(&place.path()).expect_err("it is damaged");
    assert_eq!(error.to_string(), format!("read {}: it is damaged and must be rebuilt", place.path().display()));
    assert_eq!(error.verdict(), Verdict::Refuse);
    let contents = rows(&["a"]);
    let contents = Contents { rows: &contents, ..Contents::default() };
    let inbound = Inbound::rebuild(&place.path(), 0o640, &contents, 7).expect("rebuilt");
    assert_eq!(inbound.pending().expect("pending"), placed(&[("a", 8)]));
    assert_eq!(mode(&place.path()), 0o640);
}

#[test]
fn a_rebuilt_file_keeps_the_numbers_that_the_agent_knows() {
    let (place, inbound) = In::new();
    inbound.append(&rows(&["gone", "open"]), 0).expect("appended");
    inbound.append(&rows(&["done"]), 20).expect("appended");
    let routing = Routing { channel_type: Some("c".into()), ..Routing::default() };
    let contents = rows(&["open", "new"]);
    let contents = Contents { rows: &contents, routing: Some(&routing), ..Contents::default() };
    fs::write(place.directory.path().join("inbound.db.new"), "left by a crash").expect("written");
    let inbound = Inbound::rebuild(&place.path(), 0o600, &contents, 5).expect("rebuilt");
    assert_eq!(inbound.pending().expect("pending"), placed(&[("open", 4), ("new", 24)]));
    assert_eq!(place.read::<String>("SELECT channel_type FROM session_routing"), ["c"]);
    assert_eq!(fs::read_dir(place.directory.path()).expect("it lists").count(), 1);
}

#[test]
fn it_is_rebuilt_where_there_is_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("inbound.db");
    let inbound = Inbound::rebuild(&path, 0o600, &Contents::default(), 0).expect("made");
    assert_eq!(inbound.append(&rows(&["a"]), 0).expect("appended"), placed(&[("a", 2)]));
}
