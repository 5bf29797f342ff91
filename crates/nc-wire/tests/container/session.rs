//! A session with the host on one side of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nc_model::Timestamp;
use nc_wire::content::{ChatIn, Incoming, Outgoing};
use nc_wire::files::Directory;
use nc_wire::mailbox::container::{Address, Bounds, Look, Mailbox, NewRow, Settlement};
use nc_wire::mailbox::host::Inbound;
use nc_wire::mailbox::{AckStatus, Delivered, DeliveredStatus, InRow};
use nc_wire::snapshot::{self, Limits, Snapshot};
use tempfile::TempDir;

pub(crate) const NOW: Timestamp = Timestamp(1_000_000);

pub(crate) const PLENTY: Bounds = Bounds { rows: 1000, bytes: 1 << 30 };

pub(crate) struct Session {
    pub(crate) root: TempDir,
    pub(crate) host: Inbound,
}

impl Session {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().expect("a directory");
        let host = Inbound::create(&root.path().join("inbound.db"), 0o600).expect("inbound.db");
        Self { root, host }
    }

    pub(crate) fn with_rows(ids: &[&str]) -> Self {
        let session = Self::new();
        session.append(ids);
        session
    }

    pub(crate) fn append(&self, ids: &[&str]) {
        self.host.append(&ids.iter().map(|id| row(id)).collect::<Vec<_>>(), 0).expect("rows");
    }

    pub(crate) fn open(&self) -> Mailbox {
        Mailbox::open(self.root.path()).expect("the mailbox")
    }

    pub(crate) fn outbound(&self) -> PathBuf {
        self.root.path().join("outbound.db")
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let work = Directory::open(self.root.path()).expect("the directory");
        match snapshot::read(&work, &Limits::default(), None).expect("a safe copy") {
            snapshot::Look::Snapshot(snapshot) => *snapshot,
            other => panic!("no copy: {other:?}"),
        }
    }

    pub(crate) fn numbers(&self) -> Vec<i64> {
        let rows = self.snapshot().messages_out(|_| false).expect("rows").rows;
        rows.into_iter().map(|row| row.expect("a row").seq).collect()
    }

    pub(crate) fn acks(&self) -> BTreeSet<(String, AckStatus)> {
        let acks = self.snapshot().acks(|_| false).expect("acks").rows;
        acks.into_iter().map(|ack| ack.expect("an ack")).map(|ack| (ack.message_id, ack.status)).collect()
    }

    pub(crate) fn delivered(&self, rows: &[&str]) {
        let delivered = |id: &&str| Delivered {
            message_out_id: (*id).to_owned(),
            platform_message_id: None,
            status: DeliveredStatus::Delivered,
            at: NOW,
        };
        self.host.record_delivered(&rows.iter().map(delivered).collect::<Vec<_>>()).expect("delivered");
    }
}

pub(crate) fn row(id: &str) -> InRow {
    let content = Incoming::Chat(ChatIn { sender: "Ana".into(), text: format!("I am {id}"), ..ChatIn::default() });
    InRow {
        id: id.to_owned(),
        kind: content.kind(),
        timestamp: NOW,
        trigger: true,
        platform_id: Some("ana".to_owned()),
        channel_type: Some("terminal".to_owned()),
        thread_id: Some(format!("thread of {id}")),
        content: content.to_json(),
        source_session_id: None,
        on_wake: false,
        process_after: None,
    }
}

pub(crate) fn ana() -> Address {
    Address { channel_type: "terminal".to_owned(), platform_id: "ana".to_owned(), thread_id: None }
}

pub(crate) fn ids(look: &Look) -> Vec<&str> {
    look.rows.iter().map(|row| row.id.as_str()).collect()
}

pub(crate) fn answer(text: &str) -> NewRow {
    NewRow { id: None, in_reply_to: None, address: ana(), content: Outgoing::text(text) }
}

pub(crate) fn settle(mailbox: &mut Mailbox, texts: &[&str], completed: &[&str]) {
    let outgoing: Vec<NewRow> = texts.iter().map(|text| answer(text)).collect();
    let acks: Vec<_> = completed.iter().map(|id| ((*id).to_owned(), AckStatus::Completed)).collect();
    mailbox.settle(&Settlement { outgoing: &outgoing, acks: &acks, state: &[] }).expect("it is written");
}

pub(crate) fn ack(id: &str, status: AckStatus) -> (String, AckStatus) {
    (id.to_owned(), status)
}
