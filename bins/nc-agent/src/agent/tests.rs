//! The agent with a provider that does what a test says, as a model's client will.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nc_model::Timestamp;
use nc_model::markup::PromptContext;
use nc_wire::content::{ChatIn, Incoming, Outgoing};
use nc_wire::files::Directory;
use nc_wire::mailbox::container::Mailbox;
use nc_wire::mailbox::host::Inbound;
use nc_wire::mailbox::{AckStatus, Destination, DestinationKind, InKind, InRow, Routing};
use nc_wire::snapshot::{self, Limits, Look};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::timeout;

use super::*;
use crate::outbox::Outbox;
use crate::provider::{Abilities, Answer, Prompt, PromptId};
use crate::tools::ToolOutcome;
use crate::usage::Usage;

mod events;

const DEADLINE: Duration = Duration::from_secs(60);

/// A provider whose events come from the test, and whose prompts go there.
struct Scripted {
    abilities: Abilities,
    events: UnboundedReceiver<Event>,
    did: UnboundedSender<Did>,
}

/// What the agent did with its provider.
#[derive(Debug, PartialEq)]
enum Did {
    Push(Prompt),
    Return(String, ToolOutcome),
    Interrupt,
    End,
}

impl Provider for Scripted {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    async fn push(&mut self, prompt: &Prompt) {
        self.did.send(Did::Push(prompt.clone())).unwrap();
    }

    async fn next(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    async fn returned(&mut self, call: &str, outcome: &ToolOutcome) {
        self.did.send(Did::Return(call.to_owned(), outcome.clone())).unwrap();
    }

    async fn interrupt(&mut self) {
        self.did.send(Did::Interrupt).unwrap();
    }

    async fn end(&mut self) {
        self.did.send(Did::End).unwrap();
    }
}

/// A session, the agent in it, and both ends of its provider.
struct Stage {
    root: TempDir,
    inbound: Inbound,
    events: UnboundedSender<Event>,
    did: UnboundedReceiver<Did>,
    agent: JoinHandle<Result<(), Failure>>,
}

const CORRECTS: Abilities = Abilities { folds: false, corrects: true };
const FOLDS: Abilities = Abilities { folds: true, corrects: true };

impl Stage {
    fn new(destinations: &[&str], abilities: Abilities) -> Self {
        let root = TempDir::new().unwrap();
        let inbound = Inbound::create(&root.path().join("inbound.db"), 0o600).unwrap();
        let destinations: Vec<Destination> = destinations.iter().map(|name| destination(name)).collect();
        inbound.replace_destinations(&destinations).unwrap();
        let home = Routing { channel_type: Some("terminal".into()), platform_id: Some("home".into()), thread_id: None };
        inbound.set_routing(&home).unwrap();
        let (events, from_test) = unbounded_channel();
        let (to_test, did) = unbounded_channel();
        let provider = Scripted { abilities, events: from_test, did: to_test };
        let workspace = root.path().to_owned();
        let agent = spawn_local(async move {
            let context = PromptContext { timezone: jiff::tz::TimeZone::UTC, timezone_name: "UTC".into() };
            let mailbox = Mailbox::open(&workspace).unwrap();
            let outbox = Outbox::new(&workspace, &workspace);
            let desk = Desk::new(mailbox, outbox, "run-1".into(), "scripted".into(), context);
            Agent::new(desk, provider, Mail::new(&workspace, None), DEADLINE).unwrap().run().await
        });
        Self { root, inbound, events, did, agent }
    }

    fn say(&self, id: &str, text: &str) {
        let content = ChatIn { sender: "Ana".into(), text: text.into(), ..ChatIn::default() };
        let row = InRow {
            id: id.into(),
            kind: InKind::Chat,
            timestamp: Timestamp(0),
            trigger: true,
            platform_id: Some("ana".into()),
            channel_type: Some("terminal".into()),
            thread_id: None,
            content: Incoming::Chat(content).to_json(),
            source_session_id: None,
            on_wake: false,
            process_after: None,
        };
        self.inbound.append(&[row], 0).unwrap();
    }

    async fn did(&mut self) -> Did {
        timeout(DEADLINE, self.did.recv()).await.unwrap().unwrap()
    }

    async fn pushed(&mut self) -> Prompt {
        match self.did().await {
            Did::Push(prompt) => prompt,
            other => panic!("not a prompt: {other:?}"),
        }
    }

    fn event(&self, event: Event) {
        self.events.send(event).unwrap();
    }

    fn result(&self, through: Option<PromptId>, text: &str) {
        let usage = Usage { output_tokens: Some(3), ..Usage::default() };
        self.event(Event::Result { through, answer: Answer::Text(text.into()), usage });
    }

    fn error(&self, through: PromptId, retryable: bool, text: &str) {
        self.event(Event::Error { through: Some(through), retryable, text: text.into() });
    }

    fn seen(&self) -> Seen {
        let work = Directory::open(self.root.path()).unwrap();
        match snapshot::read(&work, &Limits::default(), None).unwrap() {
            Look::Snapshot(snapshot) => Seen::read(&snapshot),
            _ => Seen::default(),
        }
    }

    async fn until(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let seen = self.seen();
            if wanted(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "not as wanted in time: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn until_acked(&self, id: &str, status: AckStatus) -> Seen {
        self.until(|seen| seen.acks.get(id) == Some(&status)).await
    }
}

fn destination(name: &str) -> Destination {
    Destination {
        name: name.into(),
        display_name: None,
        kind: DestinationKind::Channel,
        channel_type: Some("terminal".into()),
        platform_id: Some(name.into()),
        agent_group_id: None,
    }
}

#[derive(Debug, Default)]
struct Seen {
    /// Where each text went, and the text.
    out: Vec<(String, String)>,
    acks: BTreeMap<String, AckStatus>,
    state: BTreeMap<String, String>,
    tool: Option<String>,
}

impl Seen {
    fn read(snapshot: &snapshot::Snapshot) -> Self {
        let text = |content| match content {
            Outgoing::Text(text) => text.text,
            other => panic!("not a text: {other:?}"),
        };
        let out = snapshot.messages_out(|_| false).unwrap().rows.into_iter().map(Result::unwrap);
        let acks = snapshot.acks(|_| false).unwrap().rows.into_iter().map(Result::unwrap);
        let state = snapshot.session_state("").unwrap().rows.into_iter().map(Result::unwrap);
        Self {
            out: out.map(|row| (row.platform_id.unwrap(), text(row.content))).collect(),
            acks: acks.map(|ack| (ack.message_id, ack.status)).collect(),
            state: state.map(|state| (state.key, state.value)).collect(),
            tool: snapshot.container_state().unwrap().and_then(|state| state.unwrap().current_tool),
        }
    }

    fn sent(&self) -> Vec<(&str, &str)> {
        self.out.iter().map(|(to, text)| (to.as_str(), text.as_str())).collect()
    }
}

/// Runs a test with its agent beside it on one thread.
fn play(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn a_model_is_shown_the_message_and_its_answer_goes_home() {
    play(async {
        let mut stage = Stage::new(&["ana"], CORRECTS);
        stage.say("1", "<hello>");
        let prompt = stage.pushed().await;
        assert_eq!(
            prompt.text,
            "<context timezone=\"UTC\"/>\n\
             <message id=\"2\" from=\"ana\" sender=\"Ana\" time=\"1970-01-01T00:00:00+00:00\">&lt;hello&gt;</message>\n"
        );
        stage.event(Event::Init { provider_session_id: "s-7".into() });
        stage.event(Event::Progress);
        stage.result(Some(prompt.id), "<internal>thinks</internal>Hi.");
        let seen = stage.until_acked("1", AckStatus::Completed).await;
        assert_eq!(seen.sent(), [("home", "Hi.")]);
        assert_eq!(seen.state["continuation:scripted"], "s-7");
        assert_eq!(seen.state["usage:run-1"], "{\"output_tokens\":3,\"turns\":1}");
    });
}

#[test]
fn an_answer_that_reaches_nobody_is_corrected_once() {
    play(async {
        let mut stage = Stage::new(&["ana", "bo"], CORRECTS);
        stage.say("1", "hello");
        let first = stage.pushed().await;
        stage.result(Some(first.id), "Hi, whoever you are. <message to=\"cy\">Hi.</message>");
        let second = stage.pushed().await;
        assert!(second.text.contains("NAME is one of: ana, bo."), "{}", second.text);
        assert_eq!(stage.seen().acks["1"], AckStatus::Processing);
        stage.result(Some(second.id), "<message to=\"ana\">Hi.</message>");
        assert_eq!(stage.until_acked("1", AckStatus::Completed).await.sent(), [("ana", "Hi.")]);

        stage.say("2", "hello");
        for answer in ["still nobody", "and again"] {
            let prompt = stage.pushed().await;
            stage.result(Some(prompt.id), answer);
        }
        assert_eq!(stage.until_acked("2", AckStatus::Completed).await.out.len(), 1);
    });
}

#[test]
fn what_reached_somebody_and_what_is_internal_is_not_corrected() {
    play(async {
        let mut stage = Stage::new(&["ana", "bo"], CORRECTS);
        for (n, answer) in
            ["<message to=\"bo\">Hi.</message> done, <message to=\"cy\">no</message>", "<internal>x</internal>", ""]
                .into_iter()
                .enumerate()
        {
            let id = n.to_string();
            stage.say(&id, "hello");
            let prompt = stage.pushed().await;
            stage.result(Some(prompt.id), answer);
            stage.until_acked(&id, AckStatus::Completed).await;
        }
        assert_eq!(stage.seen().sent(), [("bo", "Hi.")]);
    });
}

#[test]
fn a_message_in_mid_turn_waits_or_is_folded_into_it() {
    play(async {
        let mut waits = Stage::new(&["ana"], CORRECTS);
        waits.say("1", "one");
        let first = waits.pushed().await;
        waits.say("2", "two");
        waits.event(Event::Progress);
        waits.result(Some(first.id), "1");
        let second = waits.pushed().await;
        assert_eq!(waits.until_acked("2", AckStatus::Processing).await.sent(), [("home", "1")]);
        assert!(second.text.contains(">two<") && !second.text.contains(">one<"));

        let mut folds = Stage::new(&["ana"], FOLDS);
        folds.say("1", "one");
        folds.pushed().await;
        folds.say("2", "two");
        let second = folds.pushed().await;
        folds.result(Some(second.id), "both");
        let seen = folds.until_acked("2", AckStatus::Completed).await;
        assert_eq!((seen.acks["1"], seen.sent()), (AckStatus::Completed, vec![("home", "both")]));
    });
}

#[test]
fn a_turn_that_nobody_asked_for_is_told_and_ends_nothing() {
    play(async {
        let mut stage = Stage::new(&["ana"], FOLDS);
        stage.say("1", "hello");
        let prompt = stage.pushed().await;
        stage.result(None, "The background work is done.");
        let seen = stage.until(|seen| !seen.out.is_empty()).await;
        assert_eq!(seen.acks["1"], AckStatus::Processing);
        stage.result(Some(prompt.id), "Hi.");
        let seen = stage.until_acked("1", AckStatus::Completed).await;
        assert_eq!(seen.sent(), [("home", "The background work is done."), ("home", "Hi.")]);
    });
}

#[test]
fn what_may_pass_is_tried_again_and_then_told() {
    play(async {
        let mut stage = Stage::new(&["ana"], CORRECTS);
        stage.say("1", "hello");
        let first = stage.pushed().await;
        tokio::time::pause();
        for _ in super::events::RETRY_AFTER {
            stage.error(first.id, true, "The model is overloaded.");
            assert_eq!(stage.pushed().await, first, "the same prompt again");
            assert_eq!(stage.seen().acks["1"], AckStatus::Processing);
        }
        tokio::time::resume();
        stage.error(first.id, true, "The model is overloaded.");
        let seen = stage.until_acked("1", AckStatus::Failed).await;
        assert_eq!(seen.sent(), [("ana", "The model is overloaded.")]);
        stage.say("2", "hello");
        let next = stage.pushed().await;
        stage.error(next.id, false, "The key was refused.");
        assert_eq!(stage.until_acked("2", AckStatus::Failed).await.out.len(), 2);
    });
}

#[test]
fn the_tool_that_may_take_longest_is_shown_until_it_ends() {
    play(async {
        let mut stage = Stage::new(&["ana"], FOLDS);
        stage.say("1", "hello");
        let prompt = stage.pushed().await;
        let started = |id: &str, timeout| Event::ToolStarted { id: id.into(), name: id.into(), timeout };
        stage.event(started("Read", None));
        stage.event(started("Bash", Some(Duration::from_secs(600))));
        stage.until(|seen| seen.tool.as_deref() == Some("Bash")).await;
        stage.event(Event::ToolEnded { id: "Bash".into() });
        stage.until(|seen| seen.tool.as_deref() == Some("Read")).await;
        // The turn ends without a word of the other.
        stage.result(Some(prompt.id), "Hi.");
        stage.until(|seen| seen.tool.is_none()).await;
    });
}
