//! A store to keep an account of, and what other programs do to it.

use nc_model::{ChatId, Decision, FolderName, GroupId, SendStatus, Seq};
use nc_store::{Decided, Left, NewChat, NewGroup, NewMessage, NewWiring, Span, Store, Taken, new_id};
use rusqlite::{Connection, params};
use tempfile::TempDir;

/// A store with one chat that two groups listen to, and a way into the file for what other programs do.
pub(crate) struct House {
    _dir: TempDir,
    pub(crate) store: Store,
    pub(crate) raw: Connection,
    pub(crate) chat: ChatId,
    pub(crate) groups: [GroupId; 2],
    pub(crate) events: u32,
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("messages.db");
        let mut store = Store::open(&path).expect("a store");
        let chat = NewChat { channel: "terminal", platform_id: "ana", name: None, is_group: false };
        let chat = store.ensure_chat(&chat).expect("a chat");
        let groups = ["one", "two"].map(|folder| {
            let folder = FolderName::parse(folder).expect("a folder");
            let group = store.create_group(&NewGroup::new("G", folder)).expect("a group").id;
            store.wire(&NewWiring::new(chat, group), None).expect("a wiring");
            group
        });
        let raw = Connection::open(&path).expect("the file");
        raw.pragma_update(None, "synchronous", "OFF").expect("speed");
        Self { _dir: dir, store, raw, chat, groups, events: 0 }
    }

    pub(crate) fn message(&mut self) -> Seq {
        self.events += 1;
        let message = NewMessage::new(self.chat, self.events.to_string(), "x");
        self.store.record(&message).expect("a message").seq()
    }

    pub(crate) fn decide(&mut self, seq: Seq, by_group: [Option<Decision>; 2], left: Decision) {
        let taken = self.groups.into_iter().zip(by_group);
        let taken = taken.filter_map(|(group, decision)| Some((group, decision?)));
        let taken = taken.map(|(group, decision)| match decision {
            Decision::Context => Taken::context(group, "context_rule", self.chat),
            _ => Taken::work(group, "work_rule", self.chat),
        });
        let taken = taken.collect();
        let left = Left { decision: left, rule: format!("{left}_rule") };
        self.store.decide(&[Decided::new(seq, self.chat, taken, left)]).expect("decided");
    }

    pub(crate) fn delivery(&self, source: &str, parts: &[SendStatus]) -> String {
        let id = new_id();
        let sql = "INSERT INTO deliveries (id, source_id, channel, messaging_group_id, kind, content, created_at)
            VALUES (?1, ?2, 'terminal', ?3, 'text', '{}', ?4)";
        let at = nc_store::now().0;
        self.raw.execute(sql, params![id, source, self.chat.0, at]).expect("a delivery");
        for (part, status) in parts.iter().enumerate() {
            let sql = "INSERT INTO sends (delivery_id, part, channel, messaging_group_id, status, status_at)
                VALUES (?1, ?2, 'terminal', ?3, ?4, ?5)";
            let part = u32::try_from(part).expect("a few");
            self.raw.execute(sql, params![id, part, self.chat.0, status.as_str(), at]).expect("a part");
        }
        id
    }

    pub(crate) fn end(&self, seq: Seq, group: GroupId, outcome: &str) {
        let said = |when: &str| (outcome == when).then(|| self.delivery(&new_id(), &[SendStatus::Queued]));
        let (answer, notice) = (said("answered"), said("failed"));
        let sql =
            "UPDATE routings SET placed_at = ?4, given_at = ?4, outcome = ?3, outcome_at = ?4, answer_delivery_id = ?5,
            notice_delivery_id = ?6 WHERE message_seq = ?1 AND agent_group_id = ?2";
        let at = nc_store::now().0;
        let given = params![seq.0, group.0, outcome, at, answer, notice];
        assert_eq!(self.raw.execute(sql, given).expect("an outcome"), 1);
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        let found = self.store.ledger_check(Span::ALL).expect("a check");
        found.into_iter().map(|i| format!("{} {}: {}", i.table, i.row, i.fault)).collect()
    }
}
