//! What others of the same user see of the real program.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, geteuid};

use crate::session::{Agent, Session, program, start_object};

/// `nobody`, for a test that is run by root: of root's processes everything belongs to root anyway.
const NOBODY: u32 = 65534;

/// Whose the secrets of a process are: its user's, or root's where it is hidden.
fn owner_of_secrets(process: u32) -> Uid {
    Uid::from_raw(fs::metadata(format!("/proc/{process}/environ")).expect("a process").uid())
}

#[test]
fn nobody_else_reads_its_memory_or_environment() {
    let session = Session::new();
    let user = if geteuid().is_root() { Uid::from_raw(NOBODY) } else { geteuid() };
    for path in [session.root(), &session.work(), &session.work().join("inbound.db")] {
        chown(path, Some(user.as_raw()), None).expect("the session is theirs");
    }
    session.say("1", "hello");

    let mut open = Command::new("sleep").arg("3600").uid(user.as_raw()).spawn().expect("a process that hides nothing");
    let open_owner = owner_of_secrets(open.id());
    open.kill().expect("it ends");
    open.wait().expect("it ended");
    assert_eq!(open_owner, user, "this test could not tell");

    let mut command = program(&session.work());
    command.uid(user.as_raw()).stdin(Stdio::piped()).stderr(session.log_file());
    let agent = Agent::start(&mut command, &start_object("").to_json());
    session.until_completed(&["1"]);
    assert!(owner_of_secrets(agent.id()).is_root());
}

#[test]
fn the_hosts_group_reads_what_it_writes_and_others_do_not() {
    let session = Session::new();
    session.say("1", "hello");
    let _agent = session.start("");
    session.until_completed(&["1"]);
    for name in ["outbound.db", ".heartbeat"] {
        let mode = fs::metadata(session.work().join(name)).expect("a file").mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
    }
}
