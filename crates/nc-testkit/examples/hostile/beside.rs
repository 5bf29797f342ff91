//! What lies beside the mailbox: what is the host's, and what keeps an agent from starting.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nc_wire::mailbox::schema::BESIDE_INBOUND;

use crate::{Named, Then, open};

pub(crate) const ATTACKS: &[Named] = &[
    ("inbound-journal", |at| {
        let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
        journal.extend([0xff_u8; 4000]);
        fs::write(at.join("inbound.db-journal"), journal).expect("a journal");
        Then::Leave
    }),
    ("inbound-journal-directory", |at| {
        for name in BESIDE_INBOUND {
            fs::create_dir_all(at.join(name).join("inner")).expect("a directory");
            fs::set_permissions(at.join(name), Permissions::from_mode(0o000)).expect("a mode");
        }
        Then::Leave
    }),
    ("inbound-wal", |at| {
        let wal = [&[0x37, 0x7f, 0x06, 0x82, 0x00, 0x2d, 0xe2, 0x18], [0xff_u8; 8].as_slice(), &[7; 8000]].concat();
        fs::write(at.join("inbound.db-wal"), wal).expect("a log");
        fs::write(at.join("inbound.db-shm"), [0xff; 100]).expect("shared memory");
        Then::Leave
    }),
    ("inbound-written", inbound_written),
    ("heartbeat-directory", |at| {
        drop(fs::remove_file(at.join(".heartbeat")));
        fs::create_dir_all(at.join(".heartbeat/inner")).expect("directories");
        fs::set_permissions(at.join(".heartbeat/inner"), Permissions::from_mode(0o000)).expect("a mode");
        fs::set_permissions(at.join(".heartbeat"), Permissions::from_mode(0o000)).expect("a mode");
        Then::Leave
    }),
    ("heartbeat-link", |at| {
        let victim = fs::read_to_string(at.join("agent/victim")).expect("a victim");
        symlink(victim, at.join(".heartbeat")).expect("a link");
        Then::Leave
    }),
    ("heartbeat-future", |at| {
        let file = fs::File::create(at.join(".heartbeat")).expect("a file");
        file.set_modified(SystemTime::now() + Duration::from_secs(9_000_000_000)).expect("a time");
        Then::Leave
    }),
    ("modes-of-all", modes_of_all),
    ("mount-points", mount_points),
    ("outbox-link", |at| {
        let victim = fs::read_to_string(at.join("agent/victim")).expect("a victim");
        let to = Path::new(&victim).parent().expect("a directory");
        symlink(to, at.join("outbox")).expect("a link");
        fs::remove_file(at.join("outbox")).expect("the honest agent makes its own");
        Then::Leave
    }),
];

/// Every way to write what the host alone may write.
fn inbound_written(workspace: &Path) -> Then {
    let inbound = workspace.join("inbound.db");
    let appended = OpenOptions::new().append(true).open(&inbound).and_then(|mut file| file.write_all(b"x"));
    assert!(appended.is_err(), "it was written");
    assert!(OpenOptions::new().write(true).truncate(true).open(&inbound).is_err(), "it was cut");
    assert!(fs::remove_file(&inbound).is_err(), "it was removed");
    assert!(fs::rename(&inbound, workspace.join("away")).is_err(), "it was renamed");
    assert!(fs::write(workspace.join("new"), "x").and_then(|()| fs::rename(workspace.join("new"), &inbound)).is_err());
    assert!(fs::write(workspace.join("inbox/x"), "x").is_err(), "a file came into the inbox");
    assert!(fs::set_permissions(&inbound, Permissions::from_mode(0o000)).is_err(), "its mode was changed");
    Then::Leave
}

/// Shuts the agent that comes next out of everything.
fn modes_of_all(workspace: &Path) -> Then {
    drop(open(workspace));
    fs::create_dir_all(workspace.join("outbox")).expect("a directory");
    fs::write(workspace.join("agent/CLAUDE.md"), "x").expect("a file");
    let shut = ["outbound.db", "outbox", "agent/CLAUDE.md", "agent"].map(|name| workspace.join(name));
    let others = [Path::new("/home/node/.claude").to_owned(), workspace.to_owned()];
    for path in shut.iter().chain(&others) {
        fs::set_permissions(path, Permissions::from_mode(0o000)).expect("a mode");
    }
    Then::Leave
}

/// What lies below the mounts cannot be reached while they are there; beside them anything can be put.
fn mount_points(workspace: &Path) -> Then {
    for name in ["inbound.db", "inbox", "agent", "global"] {
        assert!(fs::rename(workspace.join(name), workspace.join("away")).is_err(), "{name} was moved");
        assert!(fs::remove_dir(workspace.join(name)).is_err(), "{name} was removed");
    }
    symlink("/etc", workspace.join("extra")).expect("a link");
    symlink("/etc/passwd", workspace.join("misplaced-inbox")).expect("a link");
    Then::Leave
}
