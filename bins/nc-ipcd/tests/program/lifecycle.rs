//! Runs that begin and end, and the program that does.

use std::fs;
use std::process::Output;

use crate::house::{House, Signal, ack, say};
use nc_testkit::{PATIENCE, wait_until};

const COLLECTED: &str = "SELECT collected_at IS NOT NULL FROM runs ORDER BY started_at, id";

#[test]
fn a_run_that_ended_is_collected_after_its_last_word() {
    let mut house = House::new();
    let desk = house.main_at_work();
    let running = house.start();
    let agent = desk.outbound();
    let usage = r#"{"input_tokens":10,"output_tokens":-1,"cost_usd":0.5,"turns":2}"#;
    agent
        .execute("INSERT INTO session_state VALUES (?1, ?2, datetime('now'))", [&format!("usage:{}", desk.run), usage])
        .expect("usage");
    ack(&agent, &desk.row_of(nc_model::Seq(1)), "processing");
    house.wait_rows("SELECT given_at IS NOT NULL FROM routings", &["1"]);
    say(&agent, "a", 1, ("terminal", "ana"), r#"{"text":"hi"}"#);
    ack(&agent, &desk.row_of(nc_model::Seq(1)), "completed");
    house.wait_rows("SELECT outcome FROM routings", &["answered"]);
    wait_until(PATIENCE, "the router is rung for the end of the message", || house.router_rung());
    assert_eq!(house.rows(COLLECTED), ["0"]);
    drop(agent);
    house.end_run(&desk);
    house.wait_rows(COLLECTED, &["1"]);
    wait_until(PATIENCE, "the router is rung for the end of the run", || house.router_rung());
    assert_eq!(house.rows("SELECT input_tokens, output_tokens, cost_usd, turns FROM runs"), ["10|-|0.5|2"]);
    running.wait_said("STATUS=0 sessions at work; took in 1 messages, refused 0");
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn what_ended_while_nobody_watched_is_taken_in_at_the_start() {
    let mut house = House::new();
    let desk = house.main_at_work();
    say(&desk.outbound(), "a", 1, ("terminal", "ana"), r#"{"text":"hi"}"#);
    house.end_run(&desk);
    let silent = house.family_at_work();
    house.end_run(&silent);
    let running = house.start();
    house.wait_rows(COLLECTED, &["1", "1"]);
    assert_eq!(house.rows("SELECT source_id FROM deliveries"), ["a"]);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_second_run_of_the_session_is_taken_in_like_the_first() {
    let mut house = House::new();
    let mut desk = house.main_at_work();
    let running = house.start();
    let agent = desk.outbound();
    say(&agent, "a", 1, ("terminal", "ana"), r#"{"text":"1"}"#);
    house.end_run(&desk);
    house.wait_rows(COLLECTED, &["1"]);
    house.begin_run(&mut desk);
    ack(&agent, &desk.row_of(nc_model::Seq(1)), "processing");
    house.wait_rows("SELECT run_id FROM routings", &[&desk.run]);
    say(&agent, "b", 3, ("terminal", "ana"), r#"{"text":"2"}"#);
    house.wait_rows("SELECT source_id FROM deliveries ORDER BY id", &["a", "b"]);
    house.end_run(&desk);
    house.wait_rows(COLLECTED, &["1", "1"]);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn told_to_stop_it_takes_in_what_nobody_rang_for() {
    let mut house = House::new();
    let running = house.start();
    let bell = house.installation.doorbell(nc_config::Doorbell::Ipcd);
    let hidden = bell.with_extension("hidden");
    fs::rename(&bell, &hidden).expect("a bell that cannot be found");
    let desk = house.main_at_work();
    say(&desk.outbound(), "a", 1, ("terminal", "ana"), r#"{"text":"hi"}"#);
    house.end_run(&desk);
    assert_eq!(house.rows("SELECT source_id FROM deliveries"), Vec::<String>::new());
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
    assert_eq!(house.rows("SELECT source_id FROM deliveries"), ["a"]);
    assert_eq!(house.rows(COLLECTED), ["1"]);
}

#[test]
fn a_work_directory_that_comes_later_is_found() {
    let mut house = House::new();
    let desk = house.main_at_work();
    fs::remove_dir_all(&desk.dir.root).expect("no directory");
    let running = house.start();
    running.wait_said("STATUS=1 sessions at work");
    fs::create_dir_all(&desk.dir.work_dir).expect("a directory");
    say(&desk.outbound(), "a", 1, ("terminal", "ana"), r#"{"text":"hi"}"#);
    house.wait_rows("SELECT source_id FROM deliveries", &["a"]);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_second_one_beside_it_ends_with_75_and_names_the_first() {
    let house = House::new();
    let running = house.start();
    let second = house.command().output().expect("a second one");
    assert_eq!(second.status.code(), Some(75), "{}", said(&second));
    assert!(said(&second).contains(&format!("is held by process {}", running.pid())), "{}", said(&second));
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
}

#[test]
fn what_a_person_must_look_at_ends_it_with_78() {
    let house = House::new();
    fs::write(house.dir.path().join("nanoclaw.toml"), "max_runs = 0").expect("a file");
    let output = house.command().output().expect("an end");
    assert_eq!(output.status.code(), Some(78));
    assert!(
        said(&output).contains("nanoclaw.toml:1: max_runs is 0: write a whole number from 1 to 1000"),
        "{}",
        said(&output)
    );
    fs::remove_file(house.dir.path().join("nanoclaw.toml")).expect("no file");
    let conn = rusqlite::Connection::open(house.store.path()).expect("the store");
    conn.pragma_update(None, "user_version", 99).expect("a newer one");
    let output = house.command().output().expect("an end");
    assert_eq!(output.status.code(), Some(78));
    assert!(said(&output).contains("it has schema 99"), "{}", said(&output));
    let usage = house.command().arg("--colour").output().expect("an end");
    assert_eq!(usage.status.code(), Some(64));
}
