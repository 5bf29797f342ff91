//! People, chats, sessions, runs and why a message became what it became: what is shown, changed and refused.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use nc_model::{Cause, ChatId, RunOutcome};
use nc_store::{NewChat, NewMessage, NewRun, RunEnd, now};
use nc_testkit::{PATIENCE, wait_until};
use nix::pty::{Winsize, openpty};
use rusqlite::Connection;
use serde_json::Value;
use support::{Deed, House};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

impl House {
    /// A message of the owner to the main group, with which `deed` is done; its number.
    fn message(&self, deed: &Deed) -> i64 {
        let mut store = self.store();
        let message = NewMessage {
            sender_name: Some("Ana\u{1b}[2J".to_owned()),
            ..NewMessage::new(ChatId(1), nc_store::new_id(), "hello")
        };
        let seq = store.record(&message).expect("a message").seq();
        let message = store.unrouted(100).expect("messages").remove(0);
        support::act(&mut store, &message, deed);
        seq.0
    }

    /// A run of the session, ended as `outcome` says; live where there is none.
    fn run(&self, session: &str, outcome: Option<RunOutcome>) -> String {
        let (mut store, id) = (self.store(), nc_store::new_id());
        let run = NewRun {
            id: id.clone(),
            session: session.to_owned(),
            cause: Cause::Message,
            to_chat: true,
            runtime: "bubblewrap".to_owned(),
            instance: "pid 1".to_owned(),
            boot_id: "boot".to_owned(),
            pid: 1,
            started_at: now(),
        };
        store.begin_run(&run).expect("a run");
        if let Some(outcome) = outcome {
            let error = (outcome != RunOutcome::Completed).then(|| "it broke".to_owned());
            let end = RunEnd {
                ended_at: now(),
                outcome,
                error,
                exit_detail: "left".to_owned(),
                cpu_ms: Some(7),
                peak_rss: None,
            };
            store.end_run(&id, &end).expect("its end");
        }
        id
    }

    fn session(&self) -> String {
        self.json(&["session", "list"])[0]["id"].as_str().expect("a session").to_owned()
    }
}

#[test]
fn roles_and_memberships_are_given_shown_and_taken() {
    let house = House::with_family();
    let owner = house.owner();
    house.ok(&["role", "grant", "slack:U1", "admin", "--group", "family"]);
    assert!(house.ok(&["role", "grant", "slack:U1", "admin", "--group", "family"]).contains("already"));
    house.ok(&["role", "grant", "slack:U2", "owner"]);
    house.ok(&["member", "add", "slack:U2", "family"]);
    let users = house.json(&["user", "list"]);
    let roles = |n: usize| {
        (users[n]["id"].clone(), users[n]["roles"][0]["role"].clone(), users[n]["roles"][0]["group"].clone())
    };
    assert_eq!(roles(0), (Value::from("slack:U1"), Value::from("admin"), Value::from("family")));
    assert_eq!(roles(1), (Value::from("slack:U2"), Value::from("owner"), Value::Null));
    assert_eq!(
        (&users[1]["member_of"][0], &users[1]["roles"][0]["granted_by"]),
        (&Value::from("family"), &Value::from(owner.as_str()))
    );
    assert_eq!(house.json(&["user", "list", "--role", "owner"]).as_array().map(Vec::len), Some(2));
    let table = house.ok(&["user", "list"]);
    assert!(table.contains("admin of family") && table.starts_with("USER"), "{table}");
    assert_eq!(house.json(&["member", "list", "family"])[0]["user"], "slack:U2");
    // With another owner the first may go, and then the other stays.
    house.ok(&["role", "revoke", &owner, "owner"]);
    assert_eq!(house.ctl(&["role", "revoke", "slack:U2", "owner"]).status, 1);
    house.ok(&["role", "revoke", "slack:U1", "admin", "--group", "family"]);
    house.ok(&["member", "remove", "slack:U2", "family"]);
    assert_eq!(house.json(&["member", "list", "family"]), json("[]"));
}

#[test]
fn a_unix_user_who_has_not_talked_yet_can_be_given_a_role() {
    let house = House::with_main();
    house.ok(&["role", "grant", "terminal:nobody", "admin"]);
    assert_eq!(house.json(&["user", "list", "--role", "admin"])[0]["id"], "terminal:nobody");
}

#[test]
fn doctor_says_when_there_is_no_owner() {
    let house = House::with_main();
    let raw = Connection::open(house.path().join("store/messages.db")).expect("the store");
    raw.execute("DELETE FROM user_roles", []).expect("no roles");
    let said = house.ctl(&["doctor"]).stdout;
    assert!(
        said.contains("nobody owns the installation") && said.contains("nanoclawctl role grant USER owner"),
        "{said}"
    );
}

#[test]
fn a_chat_is_shown_with_who_listens_and_changed() {
    let house = House::with_family();
    house.ok(&["wire", "General", "family", "--engage", "mention-sticky", "--ignored", "drop"]);
    house.ok(&["chat", "edit", "slack:acme:C1", "--unknown-senders", "public"]);
    let chat = house.json(&["chat", "show", "General"]);
    assert_eq!(
        (&chat["unknown_sender_policy"], &chat["wirings"][0]["engage_mode"]),
        (&"public".into(), &"mention-sticky".into())
    );
    let shown = house.ok(&["chat", "show", "2"]);
    assert!(shown.contains("family (shared, mention-sticky, senders all, drop, priority 0)"), "{shown}");
    let ids = |arguments: &[&str]| -> Vec<i64> {
        let chats = house.json(arguments);
        chats.as_array().expect("a list").iter().map(|chat| chat["id"].as_i64().expect("a number")).collect()
    };
    assert_eq!(ids(&["chat", "list", "--channel", "slack:acme"]), [2]);
    assert_eq!(ids(&["chat", "list", "--group", "main"]), [1]);
    house.ok(&["unwire", "General", "family"]);
    assert_eq!(ids(&["chat", "list", "--unwired"]), [2]);
}

#[test]
fn destinations_are_added_listed_and_removed() {
    let house = House::with_family();
    house.ok(&["destination", "add", "family", "all", "slack:acme:C1"]);
    let said = house.ctl(&["destination", "add", "family", "boss", "--agent", "main"]);
    assert!(said.status == 0 && said.stderr.contains("no messages between agents yet"), "{said:?}");
    assert_eq!(house.ctl(&["destination", "add", "family", "all", "terminal:root"]).status, 78, "the name is taken");
    let table = house.ok(&["destination", "list", "family"]);
    assert!(table.contains("all   slack:acme:C1") && table.contains("boss  agent main"), "{table}");
    let ran = house.ctl(&["destination", "remove", "family", "bos"]);
    assert!(ran.status == 1 && ran.stderr.contains("(did you mean \"boss\"?)"), "{ran:?}");
    house.ok(&["destination", "remove", "family", "boss"]);
    assert_eq!(house.json(&["destination", "list", "family"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn why_tells_what_was_decided_by_which_rule_and_what_came_of_it() {
    let house = House::with_main();
    let answered = house.message(&Deed::Say(vec!["hi".to_owned()]));
    let said = house.ok(&["why", &answered.to_string()]);
    for part in [
        "message 1 of terminal:",
        "by Ana␛[2J",
        "group \"main\": to be answered, because",
        "(rule test, decided 2",
        "put into the mailbox of session",
        "answered 0.",
        "answer: delivery",
        "part 0: waits for its channel since",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let context = house.message(&Deed::Context);
    assert!(house.ok(&["why", "--chat", "1"]).contains(&format!("message {context} of")));
    let ignored = house.message(&Deed::Ignore);
    assert!(house.ok(&["why", &ignored.to_string()]).contains("nobody: ignored, because"));
    let failed = house.message(&Deed::Fail);
    let said = house.ok(&["why", &failed.to_string()]);
    assert!(said.contains("given up") && said.contains("notice: delivery"), "{said}");
    let unrouted =
        house.store().record(&NewMessage::new(ChatId(1), "later", "x")).expect("a message").seq().to_string();
    assert!(house.ok(&["why", &unrouted]).contains("the router has not looked at it yet"));
    let why = house.json(&["why", &answered.to_string()]);
    let decision = &why["decisions"][0];
    assert_eq!(
        (&decision["group"], &decision["rule"], &decision["outcome"]),
        (&"main".into(), &"test".into(), &"answered".into())
    );
    assert_eq!(
        (&decision["answer"]["sends"][0]["status"], &decision["answer"]["content"]["text"]),
        (&"queued".into(), &"hi".into())
    );
}

#[test]
fn every_rule_that_a_decision_may_name_is_told_in_words() {
    let house = House::with_main();
    let seq = house.message(&Deed::Ignore);
    let raw = Connection::open(house.path().join("store/messages.db")).expect("the store");
    for (rule, words) in nc_model::rule::RULES {
        raw.execute("UPDATE routings SET rule = ?1", [rule]).expect("a rule");
        let said = house.ok(&["why", &seq.to_string()]);
        assert!(said.contains(&format!("because {words} (rule {rule},")), "{said}");
    }
}

#[test]
fn sessions_are_listed_shown_and_closed() {
    let house = House::with_main();
    house.message(&Deed::Say(vec!["hi".to_owned()]));
    let session = house.session();
    house.run(&session, Some(RunOutcome::Completed));
    let table = house.ok(&["session", "list", "--group", "main", "--chat", "1", "--status", "active"]);
    assert!(table.contains(&session) && table.contains("terminal:"), "{table}");
    let shown = house.json(&["session", "show", &session[..13]]);
    assert_eq!((&shown["group"], &shown["last_run"]["outcome"]), (&"main".into(), &"completed".into()));
    let words = house.ok(&["session", "show", &session]);
    assert!(words.contains("data/sessions/") && words.contains("completed, began"), "{words}");
    assert!(house.ok(&["session", "reset", "--group", "main"]).contains("is closed"));
    assert_eq!(house.json(&["session", "list", "--status", "active"]), json("[]"));
    assert!(house.ok(&["session", "reset", &session]).contains("closed already"));
    house.message(&Deed::Context);
    assert_ne!(house.session(), session, "the next message begins a new one");
}

#[test]
fn runs_are_listed_by_group_session_outcome_and_time_and_shown() {
    let house = House::with_main();
    house.message(&Deed::Context);
    let session = house.session();
    let runs =
        [Some(RunOutcome::Completed), Some(RunOutcome::Failed), None].map(|outcome| house.run(&session, outcome));
    let ids = |arguments: &[&str]| -> Vec<String> {
        let runs = house.json(&[&["run", "list"], arguments].concat());
        runs.as_array().expect("a list").iter().map(|run| run["id"].as_str().expect("an id").to_owned()).collect()
    };
    let newest: Vec<String> = runs.iter().rev().cloned().collect();
    assert_eq!(ids(&[]), newest);
    assert_eq!(ids(&["--group", "main", "--session", &session[..13]]), newest);
    assert_eq!(ids(&["--outcome", "failed"]), [runs[1].clone()]);
    assert_eq!(ids(&["--outcome", "live", "--group", "main"]), [runs[2].clone()]);
    assert_eq!(ids(&["--since", "1h", "--limit", "2"]), newest[..2]);
    assert_eq!(ids(&["--after", &newest[1]]), newest[2..]);
    let paged = house.ctl(&["run", "list", "--limit", "2"]);
    assert!(paged.stderr.contains(&format!("there are more: --after {} goes on", newest[1])), "{}", paged.stderr);
    let shown = house.ok(&["run", "show", &runs[1]]);
    assert!(shown.contains("it broke") && shown.contains("0.007 s"), "{shown}");
    assert_eq!(house.json(&["run", "show", "main"])["id"], newest[0].as_str(), "a group's folder means its newest");
}

#[test]
fn a_log_is_printed_without_what_a_terminal_obeys_and_followed_until_the_run_ends() {
    let house = House::with_main();
    house.message(&Deed::Context);
    let run = house.run(&house.session(), None);
    assert!(house.ctl(&["run", "log", &run]).stderr.contains("has no log at"));
    let dir = house.path().join("groups/main/logs");
    fs::create_dir_all(&dir).expect("a directory");
    let mut log = File::create(dir.join(format!("{run}.log"))).expect("a log");
    log.write_all(b"one \x1b[2J\n").expect("written");
    assert_eq!(house.ok(&["run", "log", &run]), "one ␛[2J\n");
    let mut command = house.command(&["run", "log", "main", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut printed = Printed::of(&mut child);
    printed.until("one ␛[2J\n");
    // A character in two pieces.
    log.write_all(b"two \xc3").expect("written");
    log.write_all(b"\xa9\n").expect("written");
    printed.until("two é\n");
    let end = RunEnd {
        ended_at: now(),
        outcome: RunOutcome::Completed,
        error: None,
        exit_detail: "left".to_owned(),
        cpu_ms: None,
        peak_rss: None,
    };
    house.store().end_run(&run, &end).expect("its end");
    drop(log);
    wait_until(PATIENCE, "it ends with the run", || child.try_wait().expect("a child").is_some());
    assert_eq!(house.ok(&["run", "log", &run[..13]]), "one ␛[2J\ntwo é\n");
}

#[test]
fn a_log_that_is_no_file_is_asked_of_the_journal_and_followed_until_the_run_ends() {
    let house = House::with_main();
    house.message(&Deed::Context);
    let run = house.run(&house.session(), None);
    let bin = house.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    let script = "#!/bin/sh\necho \"$@\"\nprintf 'one \\033[2J\\n'\ncase $* in *--follow*) exec sleep 100;; esac\n";
    let mut made = Command::new("install");
    made.args(["-m", "755", "/dev/stdin"]).arg(bin.join("journalctl")).stdin(Stdio::piped());
    let mut made = made.spawn().expect("install starts");
    made.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("written");
    assert!(made.wait().expect("it ends").success());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let printed = house.command(&["run", "log", &run]).env("PATH", &path).output().expect("it starts");
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(printed.ends_with(&format!("NANOCLAW_RUN={run} SYSLOG_IDENTIFIER=nc-agent\none ␛[2J\n")), "{printed}");
    let mut command = house.command(&["run", "log", &run, "--follow"]);
    let mut child = command.env("PATH", &path).stdout(Stdio::piped()).spawn().expect("it starts");
    Printed::of(&mut child).until("one ␛[2J\n");
    let outcome = RunOutcome::Completed;
    let exit_detail = "left".to_owned();
    let end = RunEnd { ended_at: now(), outcome, error: None, exit_detail, cpu_ms: None, peak_rss: None };
    house.store().end_run(&run, &end).expect("its end");
    wait_until(PATIENCE, "it ends with the run", || child.try_wait().expect("a child").is_some());
}

/// What a child prints.
struct Printed {
    from: std::process::ChildStdout,
    so_far: String,
}

impl Printed {
    fn of(child: &mut Child) -> Self {
        Self { from: child.stdout.take().expect("a pipe"), so_far: String::new() }
    }

    /// Reads until it ends so.
    fn until(&mut self, end: &str) {
        while !self.so_far.ends_with(end) {
            let mut buffer = [0; 256];
            let read = self.from.read(&mut buffer).expect("read");
            assert!(read > 0, "it ended with {:?}", self.so_far);
            self.so_far.push_str(std::str::from_utf8(&buffer[..read]).expect("whole characters"));
        }
    }
}

#[test]
fn a_table_is_cut_to_the_width_of_a_terminal_and_whole_in_a_pipe() {
    let house = House::with_main();
    let name = "a very long name of a chat that nobody can read at once ".repeat(4);
    let chat = NewChat { channel: "slack:acme", platform_id: "C1", name: Some(&name), is_group: true };
    house.store().ensure_chat(&chat).expect("a chat");
    assert!(house.ok(&["chat", "list"]).contains(name.trim_end()), "whole in a pipe");
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).expect("a pseudo-terminal");
    let mut child = house.command(&["chat", "list"]).stdout(pty.slave).spawn().expect("it starts");
    let mut screen = File::from(pty.master);
    let reader = std::thread::spawn(move || {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        // EIO says that nobody has the other end any more.
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    assert!(child.wait().expect("it ends").success());
    let seen = reader.join().expect("a reader");
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.len(), 3, "a line for each row: {seen}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{seen}");
    assert!(lines[2].contains('…') && lines[2].contains("slack:acme:C1"), "{seen}");
}

#[test]
fn groups_are_named_by_folder_or_number() {
    let house = House::with_family();
    let id = house.json(&["group", "show", "family"])["id"].to_string();
    assert_eq!(house.json(&["group", "show", &id])["folder"], "family");
}
