//! `nanoclawctl prove` on real installations: nothing gets out of a sandbox, and each try shows outside that it would have noticed.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use nc_testkit::{Signal, Toolkit, finish, programs, skip};
use serde_json::Value;

/// A user that no machine knows by name.
const NOBODY_BY_NAME: u32 = 61_993;

/// What may succeed, since the network and the disk are the host's.
const SHARED: &[&str] =
    &["an abstract socket of the host", "a port of the host's loopback", "the disk of the host, by files of its own"];

/// What an ordinary user may not do outside of a sandbox either.
const ROOTS_ALONE: &[&str] = &["settings of the kernel", "sockets of other kinds", "devices"];

/// Ways that have to be tried, whatever else is.
const WAYS: &[&str] = &[
    "write /usr",
    "write /workspace/inbound.db",
    "write /proc/1",
    "the store",
    "the session's lock",
    "the folder of group other",
    "a file of the host by its path",
    "a file of the host by .. from every mount",
    "a file of the host by a symbolic link",
    "a file of the host by a hard link",
    "a file of the host by the root of a process",
    "a file of the host by an open descriptor",
    "the first process: /proc",
    "the first process: a descriptor by pidfd",
    "the first process: its memory",
    "the first process: ptrace",
    "the environment of a process of the host",
    "a signal to a process of the host",
    "a socket of the host by its path",
    "memory beyond /tmp and its like",
    "inodes beyond /tmp and its like",
    "more processes than are allowed",
    "output without end",
    "keyrings",
    "dangerous calls of the kernel",
    "new namespaces",
    "namespaces of others",
    "mounts",
];

fn house(mut kit: Toolkit) -> Toolkit {
    kit.set("idle_timeout=2s");
    kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
    kit.ctl_ok(["group", "add", "Other", "--folder", "other"]);
    kit
}

/// Proves the walls of the main group, and gives what was proved: names and states.
fn proved(kit: &Toolkit) -> BTreeMap<String, String> {
    let output = kit.ctl(["prove", "main", "--json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {said}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    let proof: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&proof["group"], &proof["failed"]), (&Value::from("main"), &Value::from(0)), "{said}");
    assert!(proof["uid"].as_u64().is_some_and(|uid| uid > 0), "{said}");
    let mounts = proof["mounts"].as_array().expect("mounts");
    let writes = |path: &str| mounts.iter().any(|mount| mount["mount"] == path && mount["access"] == "write");
    assert!(writes("/workspace/agent") && !writes("/workspace/inbox"), "{said}");
    let tries = proof["tries"].as_array().expect("tries");
    let pair = |one: &Value| Some((one["try"].as_str()?.to_owned(), one["state"].as_str()?.to_owned()));
    tries.iter().filter_map(pair).collect()
}

/// Sees that everything was tried, and proved but for what cannot be.
fn assert_proved(kit: &Toolkit, excused: &[&str]) {
    let proved = proved(kit);
    for way in WAYS {
        assert_eq!(proved.get(*way).map(String::as_str), Some("pass"), "{way}: {proved:#?}");
    }
    let warned = proved.iter().filter(|(_, state)| *state != "pass").map(|(name, _)| name.as_str());
    let warned: Vec<_> = warned.filter(|name| !SHARED.contains(name) && !excused.contains(name)).collect();
    assert!(warned.is_empty(), "{warned:?} prove nothing");
    if proved.get(SHARED[0]).is_none_or(|state| state != "pass") {
        skip("abstract sockets of the host", "this kernel has no Landlock with scopes, or something forbids it");
    }
    let left = finish(Command::new("find").arg(kit.dir().join("data/sessions")).args(["-name", "shell-*"]));
    assert!(left.stdout.is_empty(), "a session is left: {}", String::from_utf8_lossy(&left.stdout));
}

#[test]
fn nobody_gets_out_where_nothing_runs() {
    // Root may do outside what no sandbox may, but whether this machine has such devices and sockets is its own matter.
    let machines = if nix::unistd::geteuid().is_root() { &ROOTS_ALONE[1..] } else { ROOTS_ALONE };
    assert_proved(&house(Toolkit::new()), machines);
}

#[test]
fn nobody_gets_out_below_up_of_an_ordinary_user() {
    let mut kit = if nix::unistd::geteuid().is_root() { Toolkit::as_user(NOBODY_BY_NAME) } else { Toolkit::new() };
    kit = house(kit);
    kit.up();
    assert_proved(&kit, ROOTS_ALONE);
    assert!(kit.talk_once("still there").status.success(), "{}", kit.log());
    assert_eq!(kit.stop(Signal::SIGTERM), Some(0));
}

#[test]
fn a_group_that_is_not_there_is_said() {
    let kit = house(Toolkit::new());
    let output = kit.ctl(["prove", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no group in the folder \"nobody\""));
}

/// Copies a program by another process: a descriptor of ours that writes it could live on in a child, and nobody could start it.
fn install(from: &Path, to: &Path) {
    let output = finish(Command::new("install").args(["-m", "755"]).args([from, to]));
    assert!(output.status.success(), "{} is copied", from.display());
}

/// With a runner that finds a way out in the place of the real one.
#[test]
fn a_way_out_is_said_and_is_status_1() {
    let dir = tempfile::tempdir().expect("a directory");
    let ctl = dir.path().join("nanoclawctl");
    install(&programs().join("nanoclawctl"), &ctl);
    let lines = [
        r#"{"uid":7,"limits":"none"}"#,
        r#"{"mount":"/x","from":"/y","access":"read"}"#,
        r#"{"try":"by the window","state":"fail","inside":"it is \u001b[2Jopen","outside":null}"#,
        r#"{"try":"by the door","state":"pass","inside":"it is shut","outside":"it is open"}"#,
    ];
    let runner = dir.path().join("runner");
    fs::write(&runner, format!("#!/bin/sh\ncat <<'END'\n{}\nEND\n", lines.join("\n"))).expect("a runner");
    install(&runner, &dir.path().join("nc-runner"));
    let kit = house(Toolkit::new());
    let output = finish(Command::new(&ctl).arg("--dir").arg(kit.dir()).args(["prove", "main"]));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = [
        "group main, as uid 7 of the host; none",
        "READ  /x (/y)",
        "FAIL  by the window: it is ",
        "PASS  by the door: it is shut",
        "      outside: it is open",
        "tries: 2, passed: 1, warnings: 0, failures: 1",
    ];
    let mut lines = said.lines();
    for expected in expected {
        assert!(lines.any(|line| line.starts_with(expected)), "{expected} is not said: {said}");
    }
    assert!(!said.contains('\u{1b}'), "a word of a sandbox moves the cursor");
}
