//! A large house with rules of every kind, and a router that is killed: each message goes where another program says.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::process::{Command, Stdio};

use nc_model::{
    ChatId, EngageMode, GroupId, IgnoredMessagePolicy, MessageKind, Role, SenderScope, Seq, SessionMode,
    UnknownSenderPolicy,
};
use nc_store::{NewGroup, NewMessage, NewWiring, Span};
use nc_testkit::{PATIENCE, Signal, wait_until};
use serde_json::{Value, json};

use crate::house::{House, Router};

const CHATS: usize = 200;
const AGENTS: usize = 50;
const USERS: usize = 60;
const KILLS: usize = 12;

/// How many messages are written, unless `NC_ROUTING_MESSAGES` says otherwise. The number that the program is asked to
/// carry is 20,000.
const MESSAGES: usize = 3_000;

const PATTERNS: [Option<&str>; 5] = [None, None, Some("deploy|release"), Some("^hey\\b"), Some("\\d{3}|^/")];
const TEXTS: [Option<&str>; 18] = [
    Some("good morning"),
    Some("who cooks?"),
    Some("@Andy what is the time"),
    Some("  @ANDY, please"),
    Some("@Andyman no"),
    Some("please @Andy"),
    Some("Deploy it"),
    Some("the new RELEASE is 123 MB"),
    Some("hey you"),
    Some("Hey"),
    Some("heyday"),
    Some(""),
    Some(" \n "),
    None,
    Some("/help me"),
    Some("/Files"),
    Some("/deploy now"),
    Some("/cost"),
];

/// Numbers that are the same each time: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).expect("a small number")
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// The house as the other program is told of it.
struct World {
    house: House,
    dice: Dice,
    chats: Vec<ChatId>,
    wired: HashMap<ChatId, usize>,
    told: Value,
}

impl World {
    fn new() -> Self {
        let mut house = House::new();
        house.settings.push("provider=echo".to_owned());
        let told = json!({ "assistant": "Andy", "chats": [], "wirings": [], "owners": ["terminal:ana"], "admins": [],
                           "members": [], "messages": [] });
        let mut world = Self { house, dice: Dice(2026), chats: Vec::new(), wired: HashMap::new(), told };
        world.make_chats();
        let groups = world.make_groups();
        world.make_people(&groups);
        world.wire(&groups);
        world
    }

    fn tell(&mut self, list: &str, what: Value) {
        self.told[list].as_array_mut().expect("a list").push(what);
    }

    fn make_chats(&mut self) {
        for n in 0..CHATS {
            let is_group = !self.dice.one_in(4);
            let policy = self.dice.pick(UnknownSenderPolicy::ALL);
            let chat = self.house.chat(&format!("c{n}"), is_group);
            self.house.store.set_unknown_sender_policy(chat, policy).expect("a policy");
            self.chats.push(chat);
            self.tell("chats", json!({ "id": chat.0, "is_group": is_group, "policy": policy.as_str() }));
        }
    }

    fn make_groups(&mut self) -> Vec<GroupId> {
        let make = |n| {
            let folder = nc_model::FolderName::parse(&format!("g{n}")).expect("a folder name");
            self.house.store.create_group(&NewGroup::new("G", folder)).expect("a group").id
        };
        let mut groups: Vec<GroupId> = (0..AGENTS).map(make).collect();
        groups.push(self.house.main);
        groups
    }

    fn make_people(&mut self, groups: &[GroupId]) {
        for n in 0..USERS {
            let user = format!("test:u{n}");
            let store = &mut self.house.store;
            store.upsert_user(&user, None).expect("a user");
            match n {
                0 => {
                    store.grant_role(&user, Role::Owner, None, None).expect("a role");
                    self.tell("owners", json!(user));
                }
                1 => {
                    store.grant_role(&user, Role::Admin, None, None).expect("a role");
                    self.tell("admins", json!([user, null]));
                }
                2..20 => {
                    let group = self.dice.pick(groups);
                    self.house.store.grant_role(&user, Role::Admin, Some(group), None).expect("a role");
                    self.tell("admins", json!([user, group.0]));
                }
                _ => {}
            }
            if n % 2 == 0 {
                for _ in 0..10 {
                    let group = self.dice.pick(groups);
                    self.house.store.add_member(&user, group, None).expect("a member");
                    self.tell("members", json!([user, group.0]));
                }
            }
        }
    }

    fn wire(&mut self, groups: &[GroupId]) {
        for chat in self.chats.clone() {
            for _ in 0..self.dice.roll(5) {
                let group = self.dice.pick(groups);
                let mut wiring = NewWiring::new(chat, group);
                wiring.session_mode = self.dice.pick(SessionMode::ALL);
                wiring.engage_mode = self.dice.pick(EngageMode::ALL);
                wiring.engage_pattern = self.dice.pick(&PATTERNS).map(str::to_owned);
                wiring.sender_scope = if self.dice.one_in(4) { SenderScope::Known } else { SenderScope::All };
                wiring.ignored_message_policy = self.dice.pick(IgnoredMessagePolicy::ALL);
                wiring.priority = i64::try_from(self.dice.roll(4)).expect("a small number");
                if self.house.store.wire(&wiring, None).is_ok() {
                    *self.wired.entry(chat).or_default() += 1;
                    self.tell_wiring(&wiring);
                }
            }
        }
    }

    fn tell_wiring(&mut self, wiring: &NewWiring) {
        let id = self.told["wirings"].as_array().expect("a list").len();
        let told = json!({
            "id": id, "chat": wiring.chat.0, "group": wiring.group.0, "is_main": wiring.group == self.house.main,
            "session_mode": wiring.session_mode.as_str(), "engage_mode": wiring.engage_mode.as_str(),
            "pattern": wiring.engage_pattern, "scope": wiring.sender_scope.as_str(),
            "ignored": wiring.ignored_message_policy.as_str(), "priority": wiring.priority,
        });
        self.tell("wirings", told);
    }

    fn message(&mut self, n: usize) -> NewMessage {
        let chat = self.dice.pick(&self.chats);
        let mut message = NewMessage::new(chat, format!("e{n}"), "");
        let text = if self.dice.one_in(60) { Some("/clear") } else { self.dice.pick(&TEXTS) };
        message.text = text.map(str::to_owned);
        message.thread_id = [None, None, Some("t1"), Some("t2")][self.dice.roll(4)].map(str::to_owned);
        message.sender_id = (!self.dice.one_in(20)).then(|| format!("test:u{}", self.dice.roll(USERS)));
        message.from_me = self.dice.one_in(30);
        message.is_bot = self.dice.one_in(30);
        message.is_mention = self.dice.one_in(4);
        message.kind = if self.dice.one_in(10) { self.dice.pick(MessageKind::ALL) } else { MessageKind::Message };
        let is_kept = self.wired.contains_key(&chat);
        self.tell(
            "messages",
            json!({
                "chat": chat.0, "thread": message.thread_id, "sender": message.sender_id, "from_me": message.from_me,
                "is_bot": message.is_bot, "is_mention": message.is_mention, "kind": message.kind.as_str(),
                "text": message.text.as_ref().filter(|_| is_kept),
            }),
        );
        message
    }

    /// What the other program says.
    fn expected(&self) -> Option<Vec<Value>> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/router/rules.py");
        let python = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut python) = python else {
            nc_testkit::skip("the router against a table of another language", "there is no python3");
            return None;
        };
        let mut stdin = python.stdin.take().expect("its standard input");
        let told = self.told.to_string();
        let writer = std::thread::spawn(move || stdin.write_all(told.as_bytes()));
        let output = python.wait_with_output().expect("it ends");
        writer.join().expect("the writer").expect("it reads everything");
        assert!(output.status.success(), "rules.py failed");
        let mut said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        Some(said["messages"].as_array_mut().expect("a list").drain(..).collect())
    }
}

/// The sessions of the store by the other program's names for them, and the other way round.
#[derive(Default)]
struct Names {
    by_name: BTreeMap<String, String>,
    by_id: BTreeMap<String, String>,
}

impl Names {
    fn same(&mut self, name: Option<&str>, id: Option<&str>) -> bool {
        match (name, id) {
            (Some(name), Some(id)) => {
                self.by_name.entry(name.to_owned()).or_insert_with(|| id.to_owned()) == id
                    && self.by_id.entry(id.to_owned()).or_insert_with(|| name.to_owned()) == name
            }
            (name, id) => name == id,
        }
    }
}

fn compare(world: &World, seqs: &[Seq], expected: &[Value]) {
    let store = &world.house.store;
    let mut names = Names::default();
    for (n, (seq, said)) in seqs.iter().zip(expected).enumerate() {
        let agents = world.house.fate(*seq).agents;
        let told = &world.told["messages"][n];
        let rows = said["rows"].as_array().expect("a list");
        assert_eq!(agents.len(), rows.len(), "message {seq} {told}: {agents:?}, and not {said}");
        for (agent, row) in agents.iter().zip(rows) {
            let found = json!([agent.group, agent.decision.as_str(), agent.rule]);
            let wanted = json!([row[0], row[1], row[2]]);
            assert_eq!(found, wanted, "message {seq} {told}");
            let session = agent.session_id.as_deref();
            assert!(names.same(row[3].as_str(), session), "message {seq} {told}: session {session:?}, and not {row}");
        }
        let message = store.message(*seq).expect("the message");
        let is_gone = message.text.is_none() && told["text"].is_string();
        assert_eq!(Some(is_gone), said["forgotten"].as_bool().map(|gone| gone && told["text"].is_string()), "{seq}");
    }
    let turned_away = expected.iter().filter(|said| said["turned_away"].is_string()).count();
    let raw = rusqlite::Connection::open(store.path()).expect("the file");
    let counted: i64 = raw.query_row("SELECT sum(count) FROM dropped_senders", [], |row| row.get(0)).expect("a sum");
    assert_eq!(usize::try_from(counted).expect("a count"), turned_away);
}

#[test]
fn each_message_goes_where_an_independent_table_says_whatever_kills_the_router() {
    let asked = std::env::var("NC_ROUTING_MESSAGES").ok().and_then(|n| n.parse().ok());
    let total: usize = asked.unwrap_or(MESSAGES);
    let mut world = World::new();
    let mut router = Router::start(&world.house, "notify");
    let mut seqs: Vec<Seq> = Vec::with_capacity(total);
    let mut kills = 0;
    while seqs.len() < total {
        let size = (1 + world.dice.roll(100)).min(total - seqs.len());
        let batch: Vec<NewMessage> = (0..size).map(|n| world.message(seqs.len() + n)).collect();
        let recorded = world.house.store.record_batch(&batch).expect("a batch");
        seqs.extend(recorded.into_iter().map(nc_store::Recorded::seq));
        world.house.ring();
        if kills < seqs.len() * KILLS / total {
            // Killed in the midst of its work, wherever it happens to be.
            assert!(!router.stop(Signal::SIGKILL).success());
            router = Router::start(&world.house, "notify");
            kills += 1;
        }
    }
    let last = *seqs.last().expect("a message");
    wait_until(PATIENCE * 10, "everything is routed", || world.house.fate(last).routed);
    router.stop(Signal::SIGTERM);
    assert_eq!(world.house.store.ledger_check(Span::ALL).expect("the ledger"), []);
    let account = world.house.store.ledger(Span::ALL).expect("the ledger").messages;
    assert_eq!(account.accepted, total as u64);
    assert_eq!(account.accepted, account.ended + account.open);
    if let Some(expected) = world.expected() {
        compare(&world, &seqs, &expected);
    }
}
