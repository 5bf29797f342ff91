//! Groups, wirings, the ledger, the configuration and the doctor: what they do, refuse and print.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::process::Stdio;

use serde_json::Value;
use support::House;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn the_main_group_comes_with_its_owner_chat_and_pages() {
    let house = House::new();
    let said = house.ok(&["group", "add", "Andy", "--main"]);
    assert!(said.contains("`nanoclawctl talk main`"), "{said}");
    let main = json(&house.ok(&["group", "show", "main", "--json"]));
    assert_eq!((main["main"].as_bool(), main["wirings"][0]["channel"].as_str()), (Some(true), Some("terminal")));
    let user = main["wirings"][0]["platform_id"].as_str().expect("a user").to_owned();
    assert_eq!(house.store().owners().expect("owners"), [format!("terminal:{user}")]);
    for page in ["main/CLAUDE.md", "global/CLAUDE.md"] {
        assert!(!fs::read_to_string(house.path().join("groups").join(page)).expect(page).is_empty());
    }
    let mode = |path: &str| fs::metadata(house.path().join(path)).expect(path).mode() & 0o777;
    assert_eq!((mode("store"), mode("groups/main"), mode("store/messages.db")), (0o700, 0o700, 0o600));
}

#[test]
fn what_is_no_folder_or_there_already_is_refused_and_nothing_is_half_done() {
    let house = House::with_main();
    let before = listing(&house);
    let cases: &[(&[&str], &str)] = &[
        (&["group", "add", "Andy", "--main"], "the group in the folder \"main\" is the main group"),
        (&["group", "add", "X", "--main", "--folder", "other"], "there is one only"),
        (&["group", "add", "X", "--folder", "main"], "another group has it"),
        (&["group", "add", "X", "--folder", "../x"], "folder name \"../x\" is not allowed"),
        (&["group", "add", "X", "--folder", "global"], "it is the folder that all groups read"),
        (&["group", "add", "X", "--folder", "a/b"], "folder name \"a/b\" is not allowed"),
        (&["group", "add", "X", "--folder", ""], "folder name \"\" is not allowed"),
        (&["group", "add", "Global"], "choose one with --folder"),
        (&["group", "add", "???"], "choose one with --folder"),
        (&["group", "add", " "], "the group's name may not be empty"),
        (&["group", "add", "X", "--provider", "gpt"], "allowed are auto, echo, claude, default"),
        (&["group", "add", "X", "--memory", "much"], "\"much\" is not a size"),
        (&["group", "edit", "main"], "nothing to change was given"),
        (&["group", "show", "../x"], "folder name \"../x\" is not allowed"),
    ];
    for (arguments, reason) in cases {
        let ran = house.ctl(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (78, ""), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(listing(&house), before);
}

/// Groups in the store and what lies in the groups' directory.
fn listing(house: &House) -> (String, Vec<String>) {
    let mut names: Vec<String> = fs::read_dir(house.path().join("groups"))
        .expect("groups")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    (house.ok(&["group", "list", "--json"]), names)
}

#[test]
fn a_folder_that_cannot_be_had_leaves_no_group() {
    let house = House::with_main();
    fs::write(house.path().join("groups/family"), "a file").expect("written");
    let ran = house.ctl(&["group", "add", "Family"]);
    assert_eq!(ran.status, 78);
    assert!(ran.stderr.contains("groups/family\" is there and is not a directory"), "{}", ran.stderr);
    std::os::unix::fs::symlink("/tmp", house.path().join("groups/link")).expect("linked");
    assert_eq!(house.ctl(&["group", "add", "Link"]).status, 78);
    assert_eq!(json(&house.ok(&["group", "list", "--json"])).as_array().map(Vec::len), Some(1));
    fs::remove_file(house.path().join("groups/family")).expect("removed");
    house.ok(&["group", "add", "Family"]);
}

#[test]
fn a_group_is_changed_shown_and_removed_and_its_folder_stays() {
    let house = House::with_main();
    house.ok(&["group", "add", "Family", "--memory", "1GiB", "--processes", "64", "--model", "m"]);
    house.ok(&["group", "edit", "family", "--name", "Folks", "--memory", "default", "--run-timeout", "5m"]);
    let shown = json(&house.ok(&["group", "show", "family", "--json"]));
    assert_eq!((shown["name"].as_str(), shown["model"].as_str()), (Some("Folks"), Some("m")));
    assert_eq!(shown["container_config"], json(r#"{"limits":{"processes":64},"run_timeout":"5m"}"#));
    let table = house.ok(&["group", "list"]);
    assert!(table.starts_with("FOLDER") && table.contains("\nfamily  Folks"), "{table}");
    let said = house.ok(&["group", "remove", "family"]);
    assert!(said.contains("its history stay") && house.path().join("groups/family/CLAUDE.md").exists(), "{said}");
    let gone = house.ctl(&["group", "show", "family"]);
    assert_eq!((gone.status, gone.stdout.as_str()), (1, ""));
    assert!(gone.stderr.contains("`nanoclawctl group list`"), "{}", gone.stderr);
}

#[test]
fn a_chat_is_wired_by_number_address_or_name_in_every_way_that_there_is() {
    let house = House::with_main();
    house.ok(&["group", "add", "Family"]);
    house.ok(&["wire", "terminal:root", "family", "--as", "home", "--priority", "-2"]);
    let again = house.ctl(&["wire", "terminal:root", "family"]);
    assert_eq!(again.status, 1, "{}", again.stderr);
    let shown = json(&house.ok(&["group", "show", "family", "--json"]));
    assert_eq!(shown["destinations"][0]["name"], "home");
    assert_eq!(shown["wirings"][0]["priority"], -2);
    let chat = shown["wirings"][0]["chat"].to_string();
    house.ok(&["unwire", &chat, "family"]);
    assert_eq!(house.ctl(&["unwire", &chat, "family"]).status, 1);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--session-mode", "one"], 64, "allowed are shared, per-thread, agent-shared"),
        (&["--senders", "some"], 64, "allowed are all, known"),
        (&["--ignored", "keep"], 64, "allowed are drop, accumulate"),
        (&["--engage", "often"], 64, "allowed are pattern, mention, mention-sticky"),
        (&["--pattern", "(x"], 78, "--pattern"),
        (&["--pattern", "x", "--engage", "mention"], 78, "counts only with --engage pattern"),
        (&["--priority", "high"], 64, "invalid value 'high'"),
        (&["--as", "Not A Slug"], 78, "lower-case letters and digits"),
    ];
    for (options, status, reason) in cases {
        let arguments = [&["wire", chat.as_str(), "family"], *options].concat();
        let ran = house.ctl(&arguments);
        assert_eq!(ran.status, *status, "{options:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{options:?}: {}", ran.stderr);
    }
    assert_eq!(json(&house.ok(&["group", "show", "family", "--json"]))["wirings"], json("[]"), "nothing is half done");
    let all = ["--session-mode", "per-thread", "--engage", "pattern", "--pattern", "^deploy", "--senders", "known"];
    house.ok(&[&["wire", chat.as_str(), "family", "--ignored", "drop", "--priority", "7"], all.as_slice()].concat());
    let wiring = &json(&house.ok(&["chat", "show", &chat, "--json"]))["wirings"][0];
    let words = ["session_mode", "engage_mode", "engage_pattern", "sender_scope", "ignored_message_policy", "group"];
    let words = words.map(|name| wiring[name].as_str().unwrap_or_default().to_owned());
    assert_eq!(words, ["per-thread", "pattern", "^deploy", "known", "drop", "family"], "{wiring}");
    for (chat, reason) in [("terminal:no-such-user", "no Unix user"), ("999", "there is none"), ("nowhere", "no chat")]
    {
        let ran = house.ctl(&["wire", chat, "family"]);
        assert_eq!(ran.status, 1, "{chat}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{chat}: {}", ran.stderr);
    }
}

#[test]
fn the_ledger_balances_and_one_that_does_not_is_status_1() {
    let house = House::with_main();
    assert_eq!(house.ok(&["ledger", "--check"]), "the ledger balances\n");
    let mut store = house.store();
    let chat = store.main_group().expect("read").map(|g| store.wirings_of_group(g.id).expect("wirings")[0].chat);
    let message = nc_store::NewMessage::new(chat.expect("a chat"), "e", "x");
    store.record(&message).expect("recorded");
    let ledger = house.ok(&["ledger"]);
    assert!(ledger.contains("1 accepted = 0 ended + 1 open"), "{ledger}");
    assert!(ledger.contains("open: message 1 of chat 1: not routed since 2"), "{ledger}");
    let account = json(&house.ok(&["ledger", "--json", "--since", "1h"]));
    assert_eq!(account["messages"]["open"], 1);
    assert!(account["span"]["since"].as_str().is_some_and(|t| t.ends_with('Z')), "{account}");
    let none = json(&house.ok(&["ledger", "--json", "--until", "1h"]));
    assert_eq!(none["messages"]["accepted"], 0);
    // An agent takes what was never placed in its mailbox.
    let message = store.unrouted(1).expect("messages").remove(0);
    let done = support::Deed::Say(Vec::new());
    support::decide(&mut store, &message, &done);
    let group = store.main_group().expect("read").expect("main").id;
    support::answer(&mut store, &message, group, &[], nc_store::AckWord::Done);
    let ran = house.ctl(&["ledger", "--check"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("routings 1: it was taken by an agent and never placed"), "{}", ran.stdout);
    let faults = json(&house.ctl(&["ledger", "--check", "--json"]).stdout);
    assert_eq!((faults["balances"].as_bool(), faults["faults"][0]["table"].as_str()), (Some(false), Some("routings")));
    let wrong = house.ctl(&["ledger", "--since", "yesterday"]);
    assert_eq!(wrong.status, 78);
    assert!(wrong.stderr.contains("--since \"yesterday\" is not a time"), "{}", wrong.stderr);
}

#[test]
fn a_bad_configuration_is_named_by_every_command() {
    let house = House::with_main();
    fs::write(house.path().join("nanoclaw.toml"), "max_runs = 5\nmax_rnus = 6\n").expect("written");
    for arguments in [&["config", "check"][..], &["group", "list"], &["talk"], &["up"], &["run"], &["ledger"]] {
        let ran = house.ctl(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (78, ""), "{arguments:?}");
        assert!(ran.stderr.contains("nanoclaw.toml:2") && ran.stderr.contains("max_rnus"), "{}", ran.stderr);
    }
    let doctor = house.ctl(&["doctor"]);
    assert_eq!(doctor.status, 1);
    assert!(doctor.stdout.contains("FAIL configuration:") && doctor.stdout.contains("max_rnus"), "{}", doctor.stdout);
}

#[test]
fn the_configuration_says_where_each_value_came_from() {
    let house = House::new();
    fs::write(house.path().join("nanoclaw.toml"), "max_runs = 7\n").expect("written");
    let shown = json(&house.ok(&["--set", "assistant_name=Bo", "config", "show", "--json"]));
    let of = |key: &str| {
        let found = shown.as_array().into_iter().flatten().find(|s| s["key"] == key).expect(key);
        (found["value"].clone(), found["source"].as_str().expect("a source").to_owned())
    };
    assert!(of("max_runs").1.ends_with("nanoclaw.toml:1"));
    assert_eq!(of("assistant_name").1, "option --set");
    assert_eq!(of("log_level").1, "default");
    assert_eq!(house.ok(&["config", "example"]), nc_config::example());
}

#[test]
fn a_users_installation_is_found_where_none_is_named_and_none_lies_above() {
    let house = House::new();
    let home = house.path().join("home");
    let elsewhere = tempfile::Builder::new().prefix("nc-elsewhere.").tempdir().expect("a directory");
    let shown = |variable: &str, value: &std::path::Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nanoclawctl"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env(variable, value).current_dir(elsewhere.path());
        let output = nc_testkit::finish(command.args(["config", "show"]));
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        shown.lines().any(|line| line.split_whitespace().take(2).eq(["max_runs", "7"]))
    };
    let config = home.join(".config");
    fs::create_dir_all(config.join("nanoclaw/nanoclaw.toml.d")).expect("a configuration");
    fs::write(config.join("nanoclaw/nanoclaw.toml.d/10-installed.toml"), "max_runs = 7\n").expect("a configuration");
    assert!(shown("HOME", &home) && shown("XDG_CONFIG_HOME", &config));
    assert!(!shown("HOME", elsewhere.path()));
}

#[test]
fn a_newer_store_and_one_that_is_none_are_named() {
    let house = House::new();
    fs::create_dir(house.path().join("store")).expect("made");
    fs::write(
        house.path().join("store/messages.db"),
        "this is no database, and long enough to be read as one".repeat(20),
    )
    .expect("written");
    for arguments in [&["group", "list"][..], &["group", "add", "A", "--main"], &["run"], &["ledger"]] {
        let ran = house.ctl(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (78, ""), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("messages.db") && ran.stderr.contains("not a database"), "{}", ran.stderr);
    }
    assert!(!house.path().join("groups").join("a").exists());
    let doctor = house.ctl(&["doctor"]);
    assert!(doctor.status == 1 && doctor.stdout.contains("FAIL store:"), "{}", doctor.stdout);
}

#[test]
fn a_directory_without_permission_is_named() {
    let house = House::new();
    let blocked = house.path().join("store");
    fs::write(&blocked, "").expect("a file in its place");
    let ran = house.ctl(&["group", "add", "A", "--main"]);
    assert_eq!(ran.status, 78);
    assert!(ran.stderr.contains("store\" is not a directory: move it away"), "{}", ran.stderr);
    assert!(!house.path().join("groups").exists(), "half of it was done");
}

#[test]
fn the_doctor_says_what_is_missing_and_how_to_mend_it() {
    let house = House::with_main();
    fs::set_permissions(house.path().join("groups"), Permissions::from_mode(0o777)).expect("changed");
    let left = house.path().join("data/run/talk");
    fs::create_dir_all(&left).expect("made");
    drop(std::os::unix::net::UnixDatagram::bind(left.join("1-1.sock")).expect("bound"));
    let ran = house.ctl(&["doctor", "--json"]);
    let checks = json(&ran.stdout);
    let state = |name: &str, part: &str| {
        let mut found = checks.as_array().into_iter().flatten();
        let found = found.find(|c| c["name"] == name && c["found"].as_str().is_some_and(|f| f.contains(part)));
        found.unwrap_or_else(|| panic!("{name} {part}: {checks}"))["state"].as_str().expect("a state").to_owned()
    };
    assert_eq!(ran.status, 1);
    assert_eq!(state("directory", "groups"), "fail");
    assert_eq!(state("sockets", "1-1.sock"), "warn");
    assert_eq!(state("running", "nothing runs"), "warn");
    assert_eq!(state("owner", "terminal:"), "ok");
    assert_eq!(state("store", "it is whole"), "ok");
}

#[test]
fn what_root_makes_for_a_user_is_the_users() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let house = House::new();
    let user = 12_345;
    chown(house.path(), Some(user), Some(user)).expect("given away");
    house.ok(&["group", "add", "Andy", "--main"]);
    house.ok(&["group", "add", "Family"]);
    for path in
        ["store", "store/messages.db", "groups", "groups/main", "groups/family/CLAUDE.md", "groups/global/CLAUDE.md"]
    {
        let found = fs::metadata(house.path().join(path)).expect(path);
        assert_eq!((found.uid(), found.gid()), (user, user), "{path}");
    }
}

#[test]
fn usage_is_status_64_and_help_is_0() {
    let house = House::new();
    for arguments in [&[][..], &["frob"], &["talk", "--once"], &["group", "add"], &["completions", "tcsh"]] {
        assert_eq!(house.ctl(arguments).status, 64, "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["talk", "--help"], &["completions", "bash"]] {
        let ran = house.ctl(arguments);
        assert!(ran.status == 0 && !ran.stdout.is_empty() && ran.stderr.is_empty(), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn nothing_is_in_colour_but_on_a_terminal() {
    let house = House::with_main();
    for arguments in [&["doctor"][..], &["group", "list"], &["config", "show"]] {
        let ran = house.ctl(arguments);
        assert!(!ran.stdout.contains('\x1b'), "{arguments:?}: {}", ran.stdout);
    }
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let house = House::with_main();
    let mut child =
        house.command(&["config", "example"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().expect("standard error").read_to_string(&mut said).expect("read");
    assert_eq!((child.wait().expect("ended").code(), said.as_str()), (Some(0), ""));
}
