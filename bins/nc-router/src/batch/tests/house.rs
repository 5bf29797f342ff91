//! A store, and the router's rules on it.

use nc_model::{FolderName, Seq, UnknownSenderPolicy};
use nc_store::{NewChat, NewGroup, NewMainGroup, NewMessage, NewWiring};
use tempfile::TempDir;

use super::super::*;

/// A store with a main group whose owner is Ana, and the router's rules.
pub(in crate::batch) struct House {
    dir: TempDir,
    pub(in crate::batch) store: Store,
    rules: Rules,
    installation: Installation,
    pub(in crate::batch) main: GroupId,
    pub(in crate::batch) owner: ChatId,
    events: u32,
}

impl House {
    pub(in crate::batch) fn new(settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let set = settings.iter().map(|s| (*s).to_owned()).collect();
        let options = nc_config::Options { dir: Some(dir.path().to_owned()), set };
        let loaded = nc_config::load(&options).unwrap();
        let mut store = Store::open(&loaded.installation.store_file()).unwrap();
        let chat = NewChat { channel: "terminal", platform_id: "ana", name: None, is_group: false };
        let group = NewGroup::new("Main", FolderName::parse("main").unwrap());
        let new = NewMainGroup { group, owner: "terminal:ana", owner_name: None, chat };
        let made = store.create_main_group(&new).unwrap();
        let (rules, installation) = (Rules::new(&loaded.config), loaded.installation);
        Self { dir, store, rules, installation, main: made.group.id, owner: made.chat, events: 0 }
    }

    /// Routing begins again, as after a restart.
    pub(in crate::batch) fn restart(&mut self) {
        let options = nc_config::Options { dir: Some(self.dir.path().to_owned()), set: Vec::new() };
        let loaded = nc_config::load(&options).unwrap();
        self.rules = Rules::new(&loaded.config);
        self.store = Store::open(&loaded.installation.store_file()).unwrap();
    }

    pub(in crate::batch) fn chat(&mut self, name: &str, is_group: bool, policy: UnknownSenderPolicy) -> ChatId {
        let chat = NewChat { channel: "slack:acme", platform_id: name, name: None, is_group };
        let chat = self.store.ensure_chat(&chat).unwrap();
        self.store.set_unknown_sender_policy(chat, policy).unwrap();
        chat
    }

    pub(in crate::batch) fn group(&mut self, folder: &str) -> GroupId {
        self.store.create_group(&NewGroup::new("G", FolderName::parse(folder).unwrap())).unwrap().id
    }

    pub(in crate::batch) fn wire(&mut self, chat: ChatId, group: GroupId, change: impl FnOnce(&mut NewWiring)) {
        let mut wiring = NewWiring::new(chat, group);
        change(&mut wiring);
        self.store.wire(&wiring, None).unwrap();
    }

    pub(in crate::batch) fn message(&mut self, chat: ChatId, text: &str) -> NewMessage {
        self.events += 1;
        let mut message = NewMessage::new(chat, format!("e{}", self.events), text);
        message.sender_id = Some("slack:U1".to_owned());
        message
    }

    /// Stores a message and routes everything; what was decided on it.
    pub(in crate::batch) fn say(&mut self, message: &NewMessage) -> Vec<String> {
        let seq = self.store.record(message).unwrap().seq();
        while self.route(100) > 0 {}
        self.decided(seq)
    }

    /// One batch; how many messages it decided.
    pub(in crate::batch) fn route(&mut self, limit: u32) -> usize {
        let unrouted = self.store.unrouted(limit).unwrap();
        let mut batch = Batch::new(&self.store, &mut self.rules, &self.installation);
        let mut decided: Vec<Decided> = Vec::new();
        for message in &unrouted {
            decided.push(batch.decide(message).unwrap());
            if decided.last().is_some_and(closes) {
                break;
            }
        }
        self.store.decide(&decided).unwrap();
        decided.len()
    }

    pub(in crate::batch) fn decided(&self, seq: Seq) -> Vec<String> {
        let fate = self.store.fate(seq).unwrap();
        let line = |a: nc_store::AgentFate| match a.group {
            Some(group) => format!("{group} {} {}", a.decision, a.rule),
            None => format!("{} {}", a.decision, a.rule),
        };
        fate.agents.into_iter().map(line).collect()
    }

    pub(in crate::batch) fn text(&self, seq: Seq) -> Option<String> {
        self.store.message(seq).unwrap().text
    }

    pub(in crate::batch) fn count(&self, table: &str) -> i64 {
        let raw = rusqlite::Connection::open(self.store.path()).unwrap();
        raw.query_row(&format!("SELECT ifnull(sum(n), 0) FROM (SELECT {table})"), [], |row| row.get(0)).unwrap()
    }

    /// What is to be sent, which is sent thereby.
    pub(in crate::batch) fn answers(&mut self, channel: &str) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let at = nc_store::now();
            let Some(leased) = self.store.lease_sends(channel, None, at, at.plus_ms(60_000), 1).unwrap().pop() else {
                return texts;
            };
            let content: serde_json::Value = serde_json::from_str(&leased.content).unwrap();
            texts.push(content["text"].as_str().unwrap().to_owned());
            self.store.begin_send(&leased, at).unwrap();
            let sent = nc_store::SendEnd::Sent { platform_message_id: None, level: nc_model::SendLevel::Accepted };
            self.store.end_send(&leased, &sent, at).unwrap();
        }
    }
}
