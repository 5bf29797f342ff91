//! A hostile agent: the nc-agent of a sandbox that makes one attack, and then makes way for an honest one.
//!
//! ```text
//! reads   /workspace/agent/attack      which attack to make: a name of nc_testkit::hostile::ATTACKS
//! starts  /workspace/global/honest     the real nc-agent, where there is no attack to make
//! hostile --list                       says the names of all attacks that it knows, and does nothing
//! ```
#![expect(clippy::expect_used, reason = "an attack stops at the first surprise, and the test sees what it did not do")]

mod beside;
mod bytes;
mod files;
mod processes;
mod rows;
mod schema;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

use nix::sys::signal::{SigSet, Signal};

/// Where the attack is named, and where it stands when it was made.
const ATTACK: &str = "/workspace/agent/attack";
const MADE: &str = "/workspace/agent/attacked";

const HONEST: &str = "/workspace/global/honest";

/// What the agent does when its attack is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It stays until it is told to leave.
    Stay,
    /// It stays whatever it is told.
    Never,
    /// It leaves in good order.
    Leave,
}

/// One attack on the mailbox in this directory.
pub(crate) type Make = fn(&Path) -> Then;

/// The name of an attack, and how it is made.
pub(crate) type Named = (&'static str, Make);

fn all() -> impl Iterator<Item = &'static Named> {
    [bytes::ATTACKS, schema::ATTACKS, rows::ATTACKS, files::ATTACKS, beside::ATTACKS, processes::ATTACKS]
        .into_iter()
        .flatten()
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("--list") {
        all().for_each(|(name, _)| println!("{name}"));
        return;
    }
    let Ok(name) = fs::read_to_string(ATTACK) else {
        panic!("the honest agent does not start: {}", Command::new(HONEST).args(std::env::args_os().skip(1)).exec());
    };
    // Once: the next run is an honest one's.
    fs::rename(ATTACK, MADE).expect("the attack is crossed out");
    let told = SigSet::from(Signal::SIGTERM);
    told.thread_block().expect("a signal waits");
    let make = all().find(|(known, _)| *known == name.trim()).expect("an attack of this name").1;
    let then = make(Path::new("/workspace"));
    println!("attacked");
    match then {
        Then::Leave => exit(0),
        Then::Stay => {
            told.wait().expect("it is told to leave");
            exit(0);
        }
        Then::Never => loop {
            told.wait().expect("it is told to leave");
        },
    }
}

/// The agent's file.
pub(crate) fn database(workspace: &Path) -> PathBuf {
    workspace.join("outbound.db")
}

/// SQLite's journal of it.
pub(crate) fn journal(workspace: &Path) -> PathBuf {
    workspace.join("outbound.db-journal")
}

/// The agent's file, open, without a table.
pub(crate) fn bare(workspace: &Path) -> rusqlite::Connection {
    let conn = rusqlite::Connection::open(database(workspace)).expect("the file opens");
    conn.busy_timeout(std::time::Duration::from_secs(30)).expect("a timeout");
    conn.execute_batch("PRAGMA synchronous = OFF").expect("a mode");
    conn
}

/// The agent's file, open, with its tables.
pub(crate) fn open(workspace: &Path) -> rusqlite::Connection {
    let conn = bare(workspace);
    conn.execute_batch(nc_wire::mailbox::schema::OUTBOUND).expect("the tables");
    conn
}
