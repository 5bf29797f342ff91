//! Runs by hand, with the real programs: with nothing running, and beside `nanoclawctl up`.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use house::{House, text};
use nc_model::{Cause, FolderName, RunOutcome, SessionStatus};
use nc_store::{NewGroup, NewMessage, RunFilter, RunRecord, SessionFilter, Span, new_id};
use nc_testkit::{PATIENCE, Signal, finish, processes, wait_until};

const ECHO: &str = "(No model is configured: this is the echo provider.)";

impl House {
    fn hand(&self, arguments: &[&str]) -> Command {
        let mut command = self.kit.program("nc-runner");
        command.args(arguments);
        command
    }

    fn by_hand(&self, arguments: &[&str]) -> Ran {
        Ran::of(&finish(&mut self.hand(arguments)))
    }

    /// By hand with this on standard input.
    fn with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let path = self.kit.beside().join("input");
        fs::write(&path, input).expect("an input");
        let file = fs::File::open(&path).expect("an input");
        Ran::of(&finish(self.hand(arguments).stdin(file)))
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.hand(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nc-runner starts")
    }

    fn runs(&self) -> Vec<RunRecord> {
        self.kit.store().runs_listed(&RunFilter::default(), 100).expect("runs")
    }

    /// Waits until a run by hand lives, and returns it.
    fn live(&self) -> RunRecord {
        let live = || self.runs().into_iter().find(|run| run.ended_at.is_none() && run.cause == Cause::Manual);
        wait_until(PATIENCE, "a run by hand lives", || live().is_some());
        live().expect("it lives still")
    }

    fn model(&self, model: &str) {
        self.kit.ctl_ok(["group", "edit", "main", "--provider", "echo", "--model", model]);
        self.settle();
    }

    /// Lets `up` run in it.
    fn with_up(mut self) -> Self {
        self.kit.up();
        self
    }

    /// Lets the main group listen to the terminal of whoever runs the test.
    fn wire_terminal(&self) {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("users").expect("the test's user").name;
        self.kit.ctl_ok(["wire", &format!("terminal:{user}"), "main"]);
        self.settle();
    }

    fn check_ledger(&self) {
        let faults = self.kit.store().ledger_check(Span::ALL).expect("a check");
        assert!(faults.is_empty(), "in {} installation: {faults:?}", self.whose);
    }
}

#[derive(Debug)]
struct Ran {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self { status: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn end(child: Child) -> Self {
        Self::of(&child.wait_with_output().expect("it ends"))
    }

    #[track_caller]
    fn is(&self, status: i32, out: &str, err: &[&str]) {
        assert_eq!((self.status, self.out.as_str()), (Some(status), out), "{}", self.err);
        for part in err {
            assert!(self.err.contains(part), "{part:?} is not in {:?}", self.err);
        }
    }
}

fn echoed(prompt: &str) -> String {
    format!("You said: {prompt}\n{ECHO}\n")
}

#[test]
fn with_nothing_running_the_agent_is_heard_and_everything_is_in_order_afterwards() {
    for house in House::each() {
        for prompt in ["hello", "and again"] {
            let ran = house.by_hand(&["main", "--prompt", prompt]);
            let said = ["terminal:ana", "printed here and not sent", "of main ended after", "did what it was asked"];
            ran.is(0, &echoed(prompt), &said);
        }
        let store = house.kit.store();
        for run in house.runs() {
            assert_eq!((run.cause, run.to_chat, run.outcome), (Cause::Manual, false, Some(RunOutcome::Completed)));
            assert!(run.collected_at.is_some(), "what it wrote is taken in");
            assert_eq!(store.hindrance_by_hand(&run.session, false).expect("read"), None, "nothing is left open");
        }
        let sessions = store.sessions_listed(&SessionFilter::default(), 10).expect("sessions");
        assert_eq!(sessions.len(), 1, "both ran in the group's own session");
        assert!(store.deliveries_of_chat(nc_model::ChatId(1), nc_model::Timestamp(0)).expect("read").is_empty());
        assert!(
            processes::all_with(&format!("NANOCLAW_DIR={}", house.kit.dir().display())).is_empty(),
            "nothing stays"
        );
        house.check_ledger();
    }
}

#[test]
fn what_root_starts_in_the_installation_of_another_belongs_to_that_user() {
    if !house::is_root() {
        return nc_testkit::skip("runs by hand of root in another's installation", "only root can try it");
    }
    let house = House::each().pop().expect("an ordinary user's installation");
    let mut as_root = Command::new(house.kit.programs().join("nc-runner"));
    as_root.args(["main", "--prompt", "x"]).env("NANOCLAW_DIR", house.kit.dir()).stdin(Stdio::null());
    Ran::of(&finish(&mut as_root)).is(0, &echoed("x"), &[]);
    let foreign = Command::new("find").arg(house.kit.dir()).args(["!", "-user", &house::ORDINARY.to_string()]).output();
    assert_eq!(text(&foreign.expect("find").stdout), "", "all of it is the user's");
    house.by_hand(&["main", "--prompt", "y"]).is(0, &echoed("y"), &[]);
}

#[test]
fn the_chat_gets_it_only_when_it_is_sent() {
    let house = House::own();
    house.by_hand(&["main", "--prompt", "news", "--send"]).is(0, &echoed("news"), &["printed here and sent"]);
    let sent = house.kit.store().deliveries_of_chat(nc_model::ChatId(1), nc_model::Timestamp(0)).expect("read");
    assert_eq!(sent.len(), 1);
    assert!(sent[0].0.content.contains("You said: news"), "{sent:?}");
    house.by_hand(&["main", "--prompt", "news", "--send", "--isolated"]).is(0, &echoed("news"), &["a fresh one"]);
    let sent = house.kit.store().deliveries_of_chat(nc_model::ChatId(1), nc_model::Timestamp(0)).expect("read");
    assert_eq!(sent.len(), 2, "and from a fresh session too");
}

#[test]
fn a_fresh_session_is_closed_afterwards_and_a_group_that_listens_to_nothing_has_a_session_too() {
    let house = House::own();
    for _ in 0..2 {
        house.with_input(&["family", "-", "--isolated"], b"by pipe\n").is(
            0,
            &echoed("by pipe"),
            &["a fresh one, no chat"],
        );
    }
    house.with_input(&["family"], b"plain").is(0, &echoed("plain"), &["(no chat)"]);
    let sessions = house.kit.store().sessions_listed(&SessionFilter::default(), 10).expect("sessions");
    let states: Vec<SessionStatus> = sessions.iter().map(|session| session.status).collect();
    assert_eq!(states, [SessionStatus::Active, SessionStatus::Closed, SessionStatus::Closed]);
    house.by_hand(&["family", "--prompt", "x", "--send"]).is(78, "", &["listens to no chat"]);
    assert_eq!(house.kit.store().sessions_listed(&SessionFilter::default(), 10).expect("sessions").len(), 3);
}

#[test]
fn what_is_no_prompt_or_no_group_is_refused_and_nothing_begins() {
    let house = House::own();
    let long = "x".repeat(256 * 1024 + 1);
    house.by_hand(&["main", "--prompt", " "]).is(64, "", &["the prompt is empty"]);
    house.with_input(&["main"], b"").is(64, "", &["the prompt is empty"]);
    house.with_input(&["main", "--prompt", "-"], long.as_bytes()).is(64, "", &["longer than 256 KiB"]);
    house.with_input(&["main", "-"], b"a\xff").is(64, "", &["not UTF-8 (at byte 1)"]);
    house.by_hand(&["main", "x", "--prompt", "y"]).is(64, "", &["invalid value 'x'"]);
    house.by_hand(&["--prompt", "y"]).is(64, "", &["GROUP"]);
    house.by_hand(&["nobody", "--prompt", "y"]).is(1, "", &["there is no group nobody", "nanoclawctl group list"]);
    house.by_hand(&["../x", "--prompt", "y"]).is(78, "", &["\"../x\" is not allowed"]);
    assert!(house.runs().is_empty());
}

#[test]
fn an_agent_that_fails_is_status_1_and_what_it_said_is_printed() {
    let house = House::own();
    house.model("fail");
    let ran = house.by_hand(&["main", "--prompt", "hello"]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.err.contains("the agent gave the prompt up") && ran.err.contains("nanoclawctl run log"), "{}", ran.err);
    assert!(!ran.out.is_empty(), "what it said to the person is printed");
}

#[test]
fn messages_that_wait_are_not_answered_into_a_terminal() {
    let house = House::own();
    let mut store = house.kit.store();
    store.record(&from_ana("who answers me?")).expect("a message");
    let ran = house.by_hand(&["main", "--prompt", "hello"]);
    ran.is(75, "", &["1 messages or tasks wait", "--send", "--isolated", "nanoclawctl up"]);
    house.by_hand(&["main", "--prompt", "hello", "--isolated"]).is(0, &echoed("hello"), &[]);
    let fate = store.fate(nc_model::Seq(1)).expect("a fate");
    assert!(fate.routed && !fate.is_ended(), "it waits still: {fate:?}");
    house.check_ledger();
}

#[test]
fn beside_up_the_run_stands_below_it_and_with_here_below_the_terminal() {
    let house = House::own();
    house.model("delay=700ms");
    let house = house.with_up();
    for (arguments, below_up) in [(&["main", "--prompt", "x"][..], true), (&["main", "--prompt", "x", "--here"], false)]
    {
        let child = house.start(arguments);
        let run = house.live();
        let is_below = house.kit.processes("nc-runner").iter().any(|p| Some(i64::from(p.pid)) == run.pid);
        assert_eq!(is_below, below_up, "{arguments:?}");
        Ran::end(child).is(0, &echoed("x"), &["did what it was asked"]);
    }
    house.check_ledger();
}

#[test]
fn a_session_that_runs_is_named_and_the_status_is_75() {
    let house = House::own();
    house.model("delay=2s");
    let house = house.with_up();
    let first = house.start(&["main", "--prompt", "one"]);
    let run = house.live();
    let ran = house.by_hand(&["main", "--prompt", "two"]);
    ran.is(75, "", &["has a run", &run.id, "--isolated"]);
    house.by_hand(&["main", "--prompt", "two", "--isolated"]).is(0, &echoed("two"), &[]);
    Ran::end(first).is(0, &echoed("one"), &[]);
}

#[test]
fn what_people_write_meanwhile_waits_for_the_end_and_is_answered_in_the_chat() {
    let house = House::own();
    house.model("delay=1s");
    house.wire_terminal();
    let house = house.with_up();
    // The chat that it has listened to longest is ana's.
    let first = house.start(&["main", "--prompt", "private"]);
    house.live();
    let mut store = house.kit.store();
    let seq = store.record(&from_ana("public")).expect("a message").seq();
    nc_daemon::ring(&house.kit.installation().doorbell(nc_config::Doorbell::Router));
    Ran::end(first).is(0, &echoed("private"), &[]);
    wait_until(PATIENCE, "the message is answered", || store.fate(seq).expect("a fate").is_ended());
    let sent = store.deliveries_of_chat(nc_model::ChatId(1), nc_model::Timestamp(0)).expect("read");
    let sent: Vec<&str> = sent.iter().map(|(delivery, _)| delivery.content.as_str()).collect();
    assert!(sent.len() == 1 && sent[0].contains("You said: public"), "{sent:?}");
    house.check_ledger();
}

#[test]
fn an_interrupt_asks_the_agent_to_leave() {
    let house = House::own();
    house.model("delay=1h");
    let child = house.start(&["main", "--prompt", "x"]);
    let run = house.live();
    wait_until(PATIENCE, "it is placed", || given(&house, &run));
    processes::send(i32::try_from(child.id()).expect("a number"), Signal::SIGINT);
    let ran = Ran::end(child);
    ran.is(1, "", &["the agent is asked to leave", "before it was done with the prompt, as you wished"]);
    let run = house.runs().remove(0);
    assert_eq!((run.outcome, run.leave_at.is_some()), (Some(RunOutcome::Completed), true), "{run:?}");
    assert_eq!(house.kit.store().hindrance_by_hand(&run.session, false).expect("read"), None);
}

/// A message of the owner's, in her own chat.
fn from_ana(text: &str) -> NewMessage {
    NewMessage { sender_id: Some("terminal:ana".to_owned()), ..NewMessage::new(nc_model::ChatId(1), new_id(), text) }
}

/// Whether the agent of a run has taken its prompt.
fn given(house: &House, run: &RunRecord) -> bool {
    let store = rusqlite::Connection::open(house.kit.installation().store_file()).expect("the store");
    let sql = "SELECT given_at IS NOT NULL FROM session_inbox WHERE source = ?1";
    store.query_row(sql, [&run.id], |row| row.get(0)).unwrap_or(false)
}

#[test]
fn a_person_who_is_killed_leaves_no_run_and_no_prompt() {
    let house = House::own();
    house.model("delay=1h");
    let house = house.with_up();
    let mut child = house.start(&["main", "--prompt", "x"]);
    let run = house.live();
    wait_until(PATIENCE, "it is given", || given(&house, &run));
    child.kill().expect("killed");
    child.wait().expect("it ends");
    let store = house.kit.store();
    let judged = || house.runs().iter().all(|run| run.judged_at.is_some());
    wait_until(PATIENCE, "the run is over and judged", judged);
    assert_eq!(house.runs().len(), 1, "nobody takes the prompt up");
    assert!(store.open_inbox(&run.session, 10).expect("read").is_empty(), "nothing of it is open");
}

#[test]
fn a_group_without_a_folder_on_disk_gets_one() {
    let house = House::own();
    let other = FolderName::parse("other").expect("a folder");
    house.kit.store().create_group(&NewGroup::new("Other", other)).expect("a group");
    house.settle();
    house.by_hand(&["other", "--prompt", "x"]).is(0, &echoed("x"), &[]);
}
