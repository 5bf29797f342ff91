//! A channel over a scripted platform: order, retries, parts, and what a dead program left behind.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::VecDeque;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use nc_channel::{Action, Capabilities, Channel, Outcome, Part, Pass, Platform, Resolution};
use nc_model::{ChatId, Decision, DeliveryKind, FolderName, GroupId, SendLevel, Timestamp};
use nc_store::{
    AckWord, AgentAck, Decided, Left, NewChat, NewDelivery, NewGroup, NewMessage, NewWiring, OutboundLook, Spoken,
    Store, Taken, now,
};
use tempfile::TempDir;

/// A platform that does what it is told and remembers what it was asked.
struct Scripted {
    can: Capabilities,
    outcomes: VecDeque<Outcome>,
    resolution: Resolution,
    asked: Vec<String>,
}

impl Scripted {
    fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let outcomes = outcomes.into_iter().collect();
        Self { can: Capabilities::TEXT_ONLY, outcomes, resolution: Resolution::Unknown, asked: Vec::new() }
    }
}

impl Platform for Scripted {
    fn capabilities(&self) -> Capabilities {
        self.can
    }

    async fn send(&mut self, part: Part<'_>) -> Outcome {
        let Action::Text { text } = part.action else { panic!("{part:?}") };
        self.asked.push(format!("send {text}"));
        self.outcomes.pop_front().unwrap_or_else(sent)
    }

    async fn resolve(&mut self, part: Part<'_>) -> Resolution {
        self.asked.push(format!("resolve {}", part.leased.source_id));
        self.resolution.clone()
    }
}

fn sent() -> Outcome {
    Outcome::Sent { platform_message_id: Some("p".to_owned()), level: SendLevel::Accepted }
}

fn not_taken(wait: Option<Duration>) -> Outcome {
    Outcome::NotTaken { error: "offline".to_owned(), wait }
}

/// A channel with a chat whose agent wants `texts` sent.
struct House {
    _dir: TempDir,
    channel: Channel,
    other: Store,
    router: UnixDatagram,
    chat: ChatId,
    group: GroupId,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("messages.db");
        let bell: PathBuf = dir.path().join("router.sock");
        let router = UnixDatagram::bind(&bell).expect("a bell");
        router.set_nonblocking(true).expect("a bell");
        let mut other = Store::open(&file).expect("a store");
        let folder = FolderName::parse("g").expect("a folder");
        let group = other.create_group(&NewGroup::new("G", folder)).expect("a group").id;
        let chat = NewChat { channel: "test", platform_id: "ana", name: None, is_group: false };
        let chat = other.ensure_chat(&chat).expect("a chat");
        other.wire(&NewWiring::new(chat, group), None).expect("wired");
        let channel = Channel::new("test", Store::open(&file).expect("a store"), bell);
        Self { _dir: dir, channel, other, router, chat, group }
    }

    async fn with(texts: &[&str]) -> Self {
        let mut house = Self::new();
        house.wants(texts).await;
        house
    }

    /// Somebody writes, and the agent wants these texts sent for it.
    async fn wants(&mut self, texts: &[&str]) {
        let message = NewMessage::new(self.chat, nc_store::new_id(), "hello");
        let seq = self.channel.receive(&[message]).await.expect("received")[0].seq();
        let taken = vec![Taken::work(self.group, "test", self.chat)];
        let left = Left { decision: Decision::Ignored, rule: "test".to_owned() };
        let decided = Decided::new(seq, self.chat, taken, left);
        self.other.decide(&[decided]).expect("decided");
        let session = self.other.fate(seq).expect("a fate").agents[0].session_id.clone().expect("a session");
        let delivery = |(n, text): (usize, &&str)| {
            Spoken::Send(NewDelivery {
                id: None,
                source_id: format!("{seq}-{n}"),
                source_seq: 1,
                in_reply_to: None,
                chat: self.chat,
                channel: "test".to_owned(),
                thread: None,
                kind: DeliveryKind::Text,
                content: serde_json::json!({ "text": text }).to_string(),
                not_before: None,
            })
        };
        let acks = vec![AgentAck { id: format!("{seq}:{}", self.group), word: AckWord::Done }];
        let rows = texts.iter().enumerate().map(delivery).collect();
        let look = OutboundLook { session, group: self.group, run: "run".to_owned(), acks, rows, highest_seq: 1 };
        self.other.take_in(&look).expect("taken in");
        self.rings();
    }

    /// How often the router was rung since this was last asked.
    fn rings(&self) -> usize {
        let mut buffer = [0; 16];
        std::iter::from_fn(|| self.router.recv(&mut buffer).ok()).count()
    }

    async fn pass(&mut self, platform: &mut Scripted) -> Pass {
        self.channel.pass(platform).await.expect("a pass")
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_message_is_stored_once_and_the_router_is_rung() {
    let mut house = House::new();
    let message = NewMessage::new(house.chat, "event-1", "hello");
    let first = house.channel.receive(std::slice::from_ref(&message)).await.expect("received");
    assert_eq!(house.rings(), 1);
    let again = house.channel.receive(&[message]).await.expect("received");
    assert_eq!(first[0].seq(), again[0].seq());
}

#[tokio::test(flavor = "current_thread")]
async fn everything_due_is_sent_in_order_and_the_session_is_told() {
    let mut house = House::with(&["one", "two", "three"]).await;
    let mut platform = Scripted::new([]);
    assert_eq!(house.pass(&mut platform).await, Pass { sent: 3, ..Pass::default() });
    assert_eq!(platform.asked, ["send one", "send two", "send three"]);
    assert_eq!(house.rings(), 3);
    assert_eq!(house.pass(&mut platform).await, Pass::default());
}

#[tokio::test(flavor = "current_thread")]
async fn what_was_not_taken_waits_as_long_as_the_platform_wants_and_holds_the_chat() {
    let mut house = House::with(&["one", "two"]).await;
    let mut platform = Scripted::new([not_taken(Some(Duration::from_secs(3600)))]);
    let begun = now();
    let pass = house.pass(&mut platform).await;
    assert_eq!((pass.retried, platform.asked.len()), (1, 1), "the second went before the first");
    let due = pass.next_due.expect("a next time");
    assert!(due >= begun.plus_ms(3_600_000) && due <= now().plus_ms(3_600_000), "{due}");
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_platform_refuses_or_nobody_knows_ends_and_the_next_goes_on() {
    let mut house = House::with(&["bad", "odd", "good"]).await;
    let refused = Outcome::Refused { error: "no such user".to_owned() };
    let unknown = Outcome::Unknown { error: "no answer".to_owned() };
    let mut platform = Scripted::new([refused, unknown]);
    let pass = house.pass(&mut platform).await;
    assert_eq!((pass.dead, pass.unknown, pass.sent), (1, 1, 1));
    assert_eq!(platform.asked, ["send bad", "send odd", "send good"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_long_text_is_sent_in_parts_that_stay_together() {
    let mut house = House::with(&["one two three", "four"]).await;
    let mut platform = Scripted::new([]);
    platform.can.longest_text = 5;
    assert_eq!(house.pass(&mut platform).await.sent, 4);
    assert_eq!(platform.asked, ["send one", "send two", "send three", "send four"]);
    assert_eq!(house.rings(), 2, "a session is told of a delivery, not of its parts");
}

#[tokio::test(flavor = "current_thread")]
async fn what_a_dead_program_was_sending_is_asked_about_and_never_sent_blindly() {
    for (resolution, expected) in [
        (Resolution::Unknown, Pass { unknown: 1, ..Pass::default() }),
        (Resolution::Arrived { platform_message_id: None }, Pass { sent: 1, ..Pass::default() }),
        (Resolution::NotArrived, Pass { retried: 1, ..Pass::default() }),
    ] {
        let mut house = House::with(&["one"]).await;
        let leased = house.other.lease_sends("test", None, now(), Timestamp(i64::MAX), 1).expect("leased").remove(0);
        assert!(house.other.begin_send(&leased, now()).expect("begun"));
        let mut platform = Scripted::new([]);
        platform.resolution = resolution.clone();
        assert_eq!(house.pass(&mut platform).await, Pass::default(), "it is in nobody's hand");
        assert_eq!(house.channel.recover(&mut platform).await.expect("recovered"), expected, "{resolution:?}");
        let again = house.pass(&mut platform).await.sent;
        assert_eq!(again, u32::from(resolution == Resolution::NotArrived), "{resolution:?}: {:?}", platform.asked);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_a_dead_program_had_leased_is_sent() {
    let mut house = House::with(&["one"]).await;
    house.other.lease_sends("test", None, now(), Timestamp(i64::MAX), 1).expect("leased");
    let mut platform = Scripted::new([]);
    assert_eq!(house.pass(&mut platform).await.sent, 0);
    assert_eq!(house.channel.recover(&mut platform).await.expect("recovered"), Pass::default());
    assert_eq!(house.pass(&mut platform).await.sent, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn only_one_chat_of_a_channel_can_be_looked_after() {
    let mut house = House::with(&["one"]).await;
    let bob = NewChat { channel: "test", platform_id: "bob", name: None, is_group: false };
    let bob = house.other.ensure_chat(&bob).expect("a chat");
    let file = house.other.path().to_owned();
    let mut channel = Channel::new("test", Store::open(&file).expect("a store"), PathBuf::from("/nowhere")).only(bob);
    assert_eq!(channel.pass(&mut Scripted::new([])).await.expect("a pass").sent, 0);
    let mut channel = channel.only(house.chat);
    assert_eq!(channel.pass(&mut Scripted::new([])).await.expect("a pass").sent, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_send_that_always_fails_is_given_up() {
    let mut house = House::with(&["one"]).await;
    let mut failures = 0;
    loop {
        // As a channel that was away for a year, so that every wait is over.
        let long = Timestamp(now().0 + 365 * 86_400_000);
        let Some(leased) = house.other.lease_sends("test", None, long, Timestamp(i64::MAX), 1).expect("leased").pop()
        else {
            break;
        };
        house.other.give_back_sends("test", None, now()).expect("given back");
        let mut platform = Scripted::new([not_taken(None)]);
        let pass = house.pass(&mut platform).await;
        failures += 1;
        assert_eq!(leased.attempts + 1, failures);
        assert_eq!(pass.dead, u32::from(failures == nc_model::retry::MAX_SEND_ATTEMPTS), "after {failures}");
    }
    assert_eq!(failures, nc_model::retry::MAX_SEND_ATTEMPTS);
}
