//! What a hostile agent does to its mailbox, files and processes, and what is to come of it.
//!
//! The example `hostile` does it, as the nc-agent of a sandbox: it makes the attack that the file `attack` in its group's folder
//! names, once, and is an honest agent in every run after that.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::binaries::{PROGRAMS, example, programs};

/// The programs, with the hostile agent as nc-agent, where every user can run them.
///
/// # Panics
/// Where they cannot be built or copied.
#[must_use]
pub fn hostile_programs() -> TempDir {
    let dir = tempfile::Builder::new().prefix("nc-hostile.").tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    for name in PROGRAMS.iter().filter(|name| **name != "nc-agent") {
        copy_program(&programs().join(name), &dir.path().join(name));
    }
    copy_program(&example("nc-testkit", "hostile"), &dir.path().join("nc-agent"));
    dir
}

/// Copies a program by another process: a descriptor of ours that writes it could live on in a child, and nobody could start it.
///
/// # Panics
/// Where it cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("install").args(["-m", "755"]).args([from, to]).status();
    assert!(copied.expect("install starts").success(), "{} is copied", from.display());
}

/// What is to come of an attack. In any case the person's message is answered by the next run, and the ledger balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The mailbox is set aside for a reason with these words in it; the person and the agent are told, and there is a fresh one.
    SetAside(&'static str),
    /// For each of these a row is refused alone, with these words in the reason, and the agent is told.
    Refused(&'static [&'static str]),
    /// Nothing that anybody would have to be told of.
    Survived,
    /// It may be set aside or not: that is a matter of the moment at which the host looks.
    Either,
}

/// One attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// What it is called, which is also its group's folder.
    pub name: &'static str,
    /// What is to come of it.
    pub expect: Expect,
}

const fn aside(name: &'static str, why: &'static str) -> Attack {
    Attack { name, expect: Expect::SetAside(why) }
}

const fn refused(name: &'static str, why: &'static [&'static str]) -> Attack {
    Attack { name, expect: Expect::Refused(why) }
}

const fn survived(name: &'static str) -> Attack {
    Attack { name, expect: Expect::Survived }
}

const fn either(name: &'static str) -> Attack {
    Attack { name, expect: Expect::Either }
}

/// Every attack, those first that take long by their nature.
pub const ATTACKS: &[Attack] = &[
    survived("lock-kept"),
    survived("lock-kept-stubborn"),
    aside("stubborn", "not a SQLite database"),
    // In the place of the file.
    aside("noise", "not a SQLite database"),
    aside("three-bytes", "not a SQLite database"),
    aside("head-of-zeros", "not a SQLite database"),
    aside("wal", "journal_mode WAL"),
    aside("wal-head", "journal_mode WAL"),
    aside("wal-with-shm", "journal_mode WAL"),
    aside("noise-after-head", "it is damaged"),
    aside("cut-short", "it is damaged"),
    aside("page-of-itself", "it is damaged"),
    aside("pipe", "a pipe or device"),
    aside("socket", "a socket or device"),
    aside("directory", "a directory"),
    aside("directory-locked", "outbound.db\": it"),
    aside("directory-deep", "a directory"),
    aside("link-to-host", "a symbolic link"),
    aside("link-to-nothing", "a symbolic link"),
    aside("link-to-own", "a symbolic link"),
    aside("two-names", "it has 2 links"),
    aside("sparse", "bytes, at most 67108864 are allowed"),
    aside("large", "bytes, at most 67108864 are allowed"),
    survived("empty"),
    either("swapped"),
    either("shrinks"),
    either("removed"),
    aside("mode-0", "its permissions do not let the host read it"),
    // Its schema.
    aside("view", "is no plain table"),
    aside("view-recursive", "is no plain table"),
    aside("virtual-table", "is no plain table"),
    aside("index-by-name", "is no plain table"),
    aside("generated-stored", "hidden or generated column"),
    aside("generated-virtual", "hidden or generated column"),
    aside("column-rowid", "a name that SQLite needs"),
    aside("column-missing", "has no column"),
    aside("without-rowid", "it is damaged"),
    aside("statement-huge", "it is damaged"),
    aside("schema-endless", "outbound.db"),
    aside("acks-are-a-view", "is no plain table"),
    survived("triggers"),
    survived("state-is-a-view"),
    // Its journal.
    aside("journal-pipe", "\"outbound.db-journal\": it is a pipe"),
    aside("journal-link", "\"outbound.db-journal\": it is a symbolic link"),
    aside("journal-directory", "\"outbound.db-journal\": it is a directory"),
    aside("journal-sparse", "\"outbound.db-journal\": it has"),
    aside("journal-of-huge", "it would make a file of"),
    survived("journal-noise"),
    survived("journal-hot"),
    survived("journal-super"),
    survived("journal-flickers"),
    // Too much of it.
    aside("rows-million", "messages_out of outbound.db: it has more than 10000 new rows"),
    aside("acks-million", "processing_ack of outbound.db: it has more than 100000 new rows"),
    refused("rows-many-bad", &["more were refused"]),
    survived("rows-many"),
    survived("events"),
    // Its rows.
    refused("row-sizes", &["at most 1048576 bytes", "content.text", "platform_id", "thread_id", "in_reply_to"]),
    refused("row-numbers", &["found 4", "found 0", "found -1", "found 9007199254740993", "found 9223372036854775807"]),
    refused("row-types", &["seq", "timestamp", "kind", "content", "id", "deliver_after"]),
    refused("row-content", &["content", "32 deep", "files", "emoji", "questionId"]),
    refused("row-addresses", &["none of your destinations", "other agents", "both a channel_type"]),
    refused("row-requests", &["register_group", "schedule_task", "install_packages", "there is no request"]),
    survived("acks-of-others"),
    survived("acks-bad"),
    survived("acks-loose"),
    survived("state-bad"),
    survived("tool-for-ever"),
    // Its files.
    refused("file-links", &["a symbolic link", "below something that is no directory"]),
    refused("file-names", &["names-0", "names-8", "a name without directories", "there is no such file"]),
    refused("file-kinds", &["a pipe", "a directory", "a socket", "links, one is allowed", "there is no such file"]),
    refused("file-sizes", &["at most 52428800 are allowed", "files"]),
    refused("file-twice", &["is named twice"]),
    refused("file-row-id", &["cannot be the name of a directory"]),
    // What lies beside it.
    survived("inbound-journal"),
    survived("inbound-journal-directory"),
    survived("inbound-wal"),
    survived("inbound-written"),
    survived("heartbeat-directory"),
    survived("heartbeat-link"),
    survived("heartbeat-future"),
    aside("modes-of-all", "its permissions do not let the host read it"),
    survived("mount-points"),
    survived("outbox-link"),
    // Its processes.
    survived("output-flood"),
    survived("output-one-line"),
    survived("forks"),
    survived("memory"),
    survived("tmp-full"),
    survived("tmp-inodes"),
    survived("kill-all"),
    survived("left-behind"),
    survived("deaf"),
];
