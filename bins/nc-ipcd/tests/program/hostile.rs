//! What hostile agents put in place of a mailbox.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::house::{Desk, House, Running, Signal, ack, say};
use nc_config::Doorbell;
use nc_testkit::{PATIENCE, wait_until};

const STATUS: &str = "SELECT s.status, r.leave_at IS NOT NULL FROM sessions s JOIN runs r ON r.session_id = s.id WHERE r.ended_at IS NULL";

/// Puts something in place of the family's file, rings, and sees the session set aside while main goes on.
fn is_set_aside(put: impl FnOnce(&Path), why: &str) {
    let mut house = House::new();
    let main = house.main_at_work();
    let desk = house.family_at_work();
    let runner = UnixDatagram::bind(house.installation.doorbell(Doorbell::Run(&desk.session))).expect("a bell");
    put(&desk.dir.outbound_db);
    let running = house.start();
    let status = format!("{STATUS} AND s.id = '{}'", desk.session);
    house.wait_rows(&status, &["set_aside|1"]);
    running.wait_logged(why);
    runner.recv(&mut [0; 16]).expect("a ring at the runner");
    assert_eq!(
        house.rows("SELECT audience, messaging_group_id, unit FROM notices"),
        [format!("chat|{}|nc-ipcd", desk.chat)]
    );
    assert_eq!(house.rows("SELECT kind, trigger FROM session_inbox"), ["notice|0"]);
    wait_until(PATIENCE, "the router is rung", || house.router_rung());
    say(&main.outbound(), "a", 1, ("terminal", "ana"), r#"{"text":"hi"}"#);
    house.wait_rows("SELECT source_id FROM deliveries", &["a"]);
    the_next_run_begins_anew(&mut house, desk, &running);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

fn the_next_run_begins_anew(house: &mut House, mut desk: Desk, running: &Running) {
    house.end_run(&desk);
    let collected = format!("SELECT collected_at IS NOT NULL FROM runs WHERE id = '{}'", desk.run);
    house.wait_rows(&collected, &["1"]);
    // The runner begins the run, and renames the file away before it starts the agent.
    house.begin_run(&mut desk);
    fs::rename(&desk.dir.outbound_db, desk.dir.root.join("aside")).expect("a rename");
    say(&desk.outbound(), "b", 1, ("test", "family"), r#"{"text":"hi again"}"#);
    house.wait_rows("SELECT source_id FROM deliveries ORDER BY id", &["a", "b"]);
    house.wait_rows(&format!("{STATUS} AND s.id = '{}'", desk.session), &["active|0"]);
    running.wait_logged("the agent's file was renewed");
    assert_eq!(house.rows("SELECT count(*) FROM notices"), ["1"]);
}

#[test]
fn a_file_of_noise() {
    is_set_aside(|path| fs::write(path, "noise ".repeat(5000)).expect("a file"), "it is not a SQLite database");
}

#[test]
fn a_pipe() {
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
    is_set_aside(|path| nix::unistd::mkfifo(path, mode).expect("a pipe"), "a pipe or device, not a regular file");
}

#[test]
fn a_link_to_a_file_of_the_host() {
    is_set_aside(|path| symlink("/etc/passwd", path).expect("a link"), "a symbolic link, not a regular file");
}

#[test]
fn a_directory() {
    is_set_aside(|path| fs::create_dir(path).expect("a directory"), "a directory, not a regular file");
}

#[test]
fn a_file_in_another_journal_mode() {
    let wal = |path: &Path| {
        let conn = rusqlite::Connection::open(path).expect("a file");
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).expect("a mode");
        conn.execute_batch("CREATE TABLE x (y)").expect("a table");
    };
    is_set_aside(wal, "journal_mode WAL");
}

#[test]
fn a_view_in_place_of_a_table() {
    let view = |path: &Path| {
        let conn = rusqlite::Connection::open(path).expect("a file");
        let sql = "CREATE VIEW messages_out AS WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n";
        conn.execute_batch(sql).expect("a view");
    };
    is_set_aside(view, "is no plain table");
}

#[test]
fn a_bad_row_is_refused_alone() {
    let mut house = House::new();
    let desk = house.family_at_work();
    let agent = desk.outbound();
    agent
        .execute_batch(
            "INSERT INTO messages_out (id, seq, timestamp, kind, channel_type, platform_id, content)
               VALUES ('huge', 1, datetime('now'), 'chat', 'test', 'family', '{\"text\":\"' || hex(zeroblob(600000)) || '\"}'),
                      ('long', 3, datetime('now'), 'chat', 'test', 'family', '{\"text\":\"' || hex(zeroblob(150000)) || '\"}'),
                      ('even', 4, datetime('now'), 'chat', 'test', 'family', '{\"text\":\"x\"}'),
                      ('kind', 5, datetime('now'), 'telegram', 'test', 'family', '{\"text\":\"x\"}'),
                      ('json', 7, datetime('now'), 'chat', 'test', 'family', 'text'),
                      ('time', 9, 'yesterday', 'chat', 'test', 'family', '{\"text\":\"x\"}'),
                      (x'00ff', 11, datetime('now'), 'chat', 'test', 'family', '{\"text\":\"x\"}'),
                      ('nul', 13, datetime('now'), 'chat', 'test', 'family', '{\"text\":\"a\\u0000b\"}'),
                      ('far', 9007199254740993, datetime('now'), 'chat', 'test', 'family', '{\"text\":\"x\"}'),
                      ('fine', 15, datetime('now'), 'chat', 'test', 'family', '{\"text\":\"x\"}')",
        )
        .expect("rows");
    let running = house.start();
    house.wait_rows("SELECT source_id FROM deliveries ORDER BY id", &["nul", "fine"]);
    let told = house.rows("SELECT json_extract(content, '$.text') FROM session_inbox ORDER BY id");
    for (row, field) in
        [("huge", "row"), ("long", "content.text"), ("even", "seq"), ("kind", "kind"), ("json", "content")]
    {
        let named = |text: &&String| text.contains(&format!("{row:?}")) && text.contains(field);
        assert!(told.iter().any(|text| named(&text)), "{row}: {told:#?}");
    }
    assert_eq!(told.len(), 8);
    assert_eq!(house.rows("SELECT outbound_seen FROM sessions"), ["15"]);
    assert_eq!(house.rows("SELECT status FROM sessions"), ["active"]);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn an_agent_speaks_of_its_own_messages_alone() {
    let mut house = House::new();
    let main = house.main_at_work();
    let desk = house.family_at_work();
    let agent = desk.outbound();
    for id in [main.row_of(nc_model::Seq(1)), "1:2:3".to_owned(), "01:1".to_owned(), "x".to_owned(), ":".to_owned()] {
        ack(&agent, &id, "completed");
    }
    ack(&agent, &format!("1:{}", desk.group), "completed");
    ack(&agent, &desk.row_of(nc_model::Seq(2)), "eaten");
    agent.execute_batch("INSERT INTO processing_ack VALUES (x'00', 'completed', 'now')").expect("a row");
    let running = house.start();
    say(&agent, "last", 1, ("test", "family"), r#"{"text":"x"}"#);
    house.wait_rows("SELECT source_id FROM deliveries", &["last"]);
    assert_eq!(house.rows("SELECT outcome, given_at FROM routings"), ["-|-", "-|-"]);
    running.wait_logged("an acknowledgement of an agent is passed over");
    house.balances();
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn more_changes_than_can_be_heard_of_lose_nothing() {
    let mut house = House::new();
    let main = house.main_at_work();
    let desk = house.family_at_work();
    let running = house.start();
    running.send(Signal::SIGSTOP);
    // The kernel keeps 16,384 events by default.
    for n in 0..10_000 {
        let noise = desk.dir.work_dir.join(format!("noise-{}", n % 2));
        fs::write(&noise, "").expect("a file");
        fs::remove_file(&noise).expect("its end");
    }
    say(&main.outbound(), "a", 1, ("terminal", "ana"), r#"{"text":"hi"}"#);
    running.send(Signal::SIGCONT);
    house.wait_rows("SELECT source_id FROM deliveries", &["a"]);
    running.wait_logged("there were more changes than could be heard of");
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}
