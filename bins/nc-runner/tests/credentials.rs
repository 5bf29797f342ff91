//! Where a run's credentials and binary come from, and why there is no run without them.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use house::House;
use house::session::Runner;
use serde_json::{Value, json};

/// A group `main` whose agent writes down what it is told; there is a binary, which is not run.
fn house() -> House {
    let mut house = House::own();
    house.agent("cat >/workspace/agent/told");
    let binary = house.kit.beside().join("claude");
    nc_testkit::claude_stand_in(&binary, "version 2.1.331", None);
    house.kit.set(&format!("claude_path={}", binary.display()));
    house
}

/// Writes a credential into a directory of credentials.
fn keep(dir: &Path, name: &str, value: &str, modes: (u32, u32)) {
    fs::create_dir_all(dir).expect("a directory");
    fs::write(dir.join(name), value).expect("a credential");
    fs::set_permissions(dir.join(name), Permissions::from_mode(modes.0)).expect("a mode");
    fs::set_permissions(dir, Permissions::from_mode(modes.1)).expect("a mode");
}

/// Runs the agent, and returns what it was told.
fn told(house: &House) -> Value {
    let session = house.session();
    let mut runner = Runner::start(house, &format!("run {session} message\n"));
    runner.started();
    assert_eq!(runner.answer(), "ended completed", "{}", house.said());
    assert_eq!(runner.end(), Some(0));
    assert!(!house.said().contains("hunter"), "{}", house.said());
    let told = fs::read_to_string(house.group("main").join("told")).expect("what it was told");
    serde_json::from_str(&told).expect("a start object")
}

/// Why there is no run, and the status of the runner.
fn refused(house: &House) -> (String, Option<i32>) {
    let session = house.session();
    let mut runner = Runner::start(house, &format!("run {session} message\n"));
    let answer = runner.answer();
    let why = answer.strip_prefix("refused ").unwrap_or_else(|| panic!("it answered {answer:?}"));
    (why.to_owned(), runner.end())
}

#[test]
fn what_systemd_gives_goes_before_a_file_and_the_runners_own_environment_is_no_place() {
    let mut house = house();
    let own = house.kit.dir().join("credentials");
    keep(&own, "ANTHROPIC_API_KEY", "hunter2-file", (0o600, 0o700));
    keep(&own, "ANTHROPIC_MODEL", "a-model\n", (0o600, 0o700));
    house.kit.env("ANTHROPIC_API_KEY", "hunter2-environment").env("AWS_REGION", "nowhere");
    let told_by_files = told(&house);
    let expected = json!({"ANTHROPIC_API_KEY": "hunter2-file", "ANTHROPIC_MODEL": "a-model"});
    assert_eq!((&told_by_files["credentials"], told_by_files["provider"].as_str()), (&expected, Some("claude")));
    // As systemd lays them out, with access lists that show as the group's right to read.
    let systemd = house.kit.beside().join("systemd");
    keep(&systemd, "ANTHROPIC_API_KEY", "hunter2-systemd", (0o440, 0o750));
    keep(&systemd, "something-else", "hunter2-other", (0o440, 0o750));
    house.kit.env("CREDENTIALS_DIRECTORY", &systemd.display().to_string());
    let expected = json!({"ANTHROPIC_API_KEY": "hunter2-systemd", "ANTHROPIC_MODEL": "a-model"});
    assert_eq!(told(&house)["credentials"], expected);
}

#[test]
fn what_is_wrong_is_said_to_whoever_asked_and_nothing_is_started() {
    let mut house = house();
    house.kit.set("provider=claude");
    let (why, status) = refused(&house);
    assert!(why.starts_with("the provider claude cannot work: there is no credential"), "{why}");
    assert_eq!(status, Some(0));
    let own = house.kit.dir().join("credentials");
    keep(&own, "ANTHROPIC_API_KEY", "hunter2", (0o644, 0o700));
    let (why, _) = refused(&house);
    assert!(why.contains("(mode 0644): chmod 600") && !why.contains("hunter"), "{why}");
    keep(&own, "ANTHROPIC_API_KEY", "hunter2\0", (0o600, 0o700));
    let (why, _) = refused(&house);
    assert!(why.contains("has a NUL in it") && !why.contains("hunter"), "{why}");
    keep(&own, "ANTHROPIC_API_KEY", "hunter2", (0o600, 0o700));
    fs::write(house.kit.beside().join("claude"), "#!/bin/sh\n").expect("a script");
    let (why, _) = refused(&house);
    assert!(why.contains("is a script that wants an interpreter"), "{why}");
    house.kit.env("NC_HANDOVER", "0");
    let (why, status) = refused(&house);
    assert!(why.contains("NC_HANDOVER names no descriptor") && status == Some(78), "{why} {status:?}");
    assert!(!house.group("main").join("told").exists());
}

#[test]
fn a_word_that_is_no_provider_is_named() {
    let house = house();
    let mut store = house.kit.store();
    let edit = nc_store::GroupEdit { provider: Some(Some("gpt".to_owned())), ..Default::default() };
    store.edit_group(house.main, &edit).expect("the store takes any word");
    let (why, _) = refused(&house);
    assert!(why.contains("\"gpt\" is not a provider: allowed are auto, echo, claude"), "{why}");
}

#[test]
fn a_binary_that_the_sandboxs_user_may_not_run_is_named() {
    if !house::is_root() {
        return nc_testkit::skip("a binary of root's alone", "the test does not run as root");
    }
    let house = house();
    keep(&house.kit.dir().join("credentials"), "ANTHROPIC_API_KEY", "hunter2", (0o600, 0o700));
    fs::set_permissions(house.kit.beside().join("claude"), Permissions::from_mode(0o700)).expect("a mode");
    let session = house.session();
    let mut runner = Runner::start(&house, &format!("run {session} message\n"));
    let run = runner.started();
    assert_eq!(runner.answer(), "ended failed");
    let error = house.run(&run).error.expect("why");
    assert!(error.contains("may not be run by the sandbox's user: chmod a+rx"), "{error}");
}
