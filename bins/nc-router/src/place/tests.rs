//! Modes, and what another user of the group can do and cannot.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;
use tempfile::TempDir;

use super::*;

/// Ids that need no names: another user of the group, and one who is not in it.
const OTHER: u32 = 61_001;
const GROUP: u32 = 61_002;
const STRANGER: u32 = 61_003;

fn session(mode: u32) -> (TempDir, SessionDir) {
    let dir = tempfile::tempdir().unwrap();
    if geteuid().is_root() {
        chown(dir.path(), None, Some(GROUP)).unwrap();
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
    let root = dir.path().join("sessions/1/s");
    let (in_dir, work_dir) = (root.join("in"), root.join("work"));
    let session = SessionDir {
        inbound_db: in_dir.join("inbound.db"),
        inbox: in_dir.join("inbox"),
        lock: in_dir.join("lock"),
        outbound_db: work_dir.join("outbound.db"),
        outbox: work_dir.join("outbox"),
        heartbeat: work_dir.join(".heartbeat"),
        root,
        in_dir,
        work_dir,
    };
    make_place(&session).unwrap();
    (dir, session)
}

fn mode(path: &Path) -> u32 {
    permissions(&fs::metadata(path).unwrap())
}

/// Whether the shell command succeeds for the user `uid` of the group `gid`.
fn can(uid: u32, gid: u32, command: &str, path: &Path) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", command, "sh"]).arg(path).uid(uid).gid(gid).current_dir("/");
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn one_users_installation_is_closed_to_others() {
    let (_dir, session) = session(0o700);
    assert_eq!(mode(&session.root), PRIVATE_MODE);
    assert_eq!(mode(&session.in_dir), PRIVATE_MODE);
    assert_eq!(mode(&session.lock), PRIVATE_FILE);
}

#[test]
fn a_shared_installation_lets_its_group_make_the_other_half_and_take_the_lock() {
    let (_dir, session) = session(SHARED_MODE);
    assert_eq!(mode(&session.root), SHARED_MODE);
    assert_eq!(mode(session.root.parent().unwrap()), SHARED_MODE);
    assert_eq!(mode(&session.in_dir), SHARED_IN_MODE);
    assert_eq!(mode(&session.lock), SHARED_LOCK_MODE);
    // A router that was killed before it had set the mode.
    fs::set_permissions(&session.lock, Permissions::from_mode(PRIVATE_FILE)).unwrap();
    make_place(&session).unwrap();
    assert_eq!(mode(&session.lock), SHARED_LOCK_MODE);
}

#[test]
fn another_user_of_the_group_runs_and_does_not_write_and_a_stranger_does_nothing() {
    if !geteuid().is_root() {
        return nc_testkit::skip("what another user may do in a shared installation", "only root becomes another user");
    }
    let (dir, session) = session(SHARED_MODE);
    if !can(OTHER, GROUP, "test -w \"$1\"", dir.path()) {
        return nc_testkit::skip(
            "what another user may do in a shared installation",
            "other users cannot reach the directory of temporary files",
        );
    }
    assert!(can(OTHER, GROUP, "exec 9<>\"$1\"", &session.lock), "the lock");
    assert!(can(OTHER, GROUP, "umask 007; mkdir \"$1\"", &session.work_dir), "work/");
    assert!(can(OTHER, GROUP, "ls \"$1\"", &session.inbox), "inbox/");
    assert!(!can(OTHER, GROUP, ": >\"$1/new\"", &session.in_dir), "a new file in in/");
    assert!(!can(OTHER, GROUP, "mv \"$1\" \"$1.old\"", &session.lock), "another lock");
    assert!(!can(STRANGER, STRANGER, "exec 9<\"$1\"", &session.lock), "a stranger and the lock");
    assert_eq!(fs::metadata(&session.work_dir).unwrap().gid(), GROUP);
}
