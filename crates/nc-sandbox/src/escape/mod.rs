//! Ways out of a sandbox: tried from inside of one, and outside of any, where the same try has to succeed or proves nothing.
//!
//! A try looks, and changes nothing that outlives it, also where it succeeds. Each says what it reached, or what refused it.

mod files;
mod kernel;
mod processes;
mod room;
mod sockets;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What is to be reached, all of it prepared by whoever has the tries made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Targets {
    /// What the text of the canary begins with: a try knows by it what it has found.
    pub mark: String,
    /// A file of the host with that text.
    pub canary: PathBuf,
    /// Files and directories of the host that are not for an agent.
    pub places: Vec<Place>,
    /// A process of the host, as the host numbers it, with the mark in its environment.
    pub process: i32,
    /// The process whose insides are tried: in a sandbox the first, outside a child of ours.
    pub first: i32,
    /// A stream socket of the host, by its path.
    pub socket: PathBuf,
    /// A stream socket of the host, by its abstract name.
    pub abstract_name: String,
    /// A port of the host's 127.0.0.1 that is listened at.
    pub port: u16,
    /// A directory that the tries may write in.
    pub scratch: PathBuf,
    /// Directories whose files lie in memory, inside of a sandbox.
    pub memory: Vec<PathBuf>,
    /// The device of the host's disk that the installation lies on.
    pub disk: u64,
    /// The mounts, and places of the system, that are tried for writing.
    pub mounts: Vec<PathBuf>,
    /// How many processes and threads there may be.
    pub processes: u32,
}

/// Something of the host that is not for an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// What it is.
    pub name: String,
    /// Where it lies on the host.
    pub path: PathBuf,
    /// The device that it is on: with the inode it is known wherever it is found.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// What was tried.
    pub name: String,
    /// Whether it succeeded.
    pub reached: bool,
    /// What was found, or what refused it.
    pub found: String,
}

/// The end of a try.
enum Answer {
    Reached(String),
    Refused(String),
}

use Answer::{Reached, Refused};

impl Answer {
    fn refused(error: impl Display) -> Self {
        Refused(error.to_string())
    }

    /// What of many was reached, where it is anything.
    fn of_many(reached: &[String], all: usize, what: &str, why: &str) -> Self {
        if reached.is_empty() {
            return Refused(format!("none of {all} {what}: {why}"));
        }
        Reached(reached.join(", "))
    }
}

type Try = fn(&Targets) -> Answer;

/// All tries but those of places and mounts. The last ones change the process itself, so their order matters.
const TRIES: &[(&str, Try)] = &[
    ("a file of the host by its path", files::by_path),
    ("a file of the host by .. from every mount", files::by_parents),
    ("a file of the host by a symbolic link", files::by_symbolic_link),
    ("a file of the host by a hard link", files::by_hard_link),
    ("a file of the host by the root of a process", files::by_roots),
    ("a file of the host by an open descriptor", files::by_descriptor),
    ("devices", files::devices),
    ("settings of the kernel", files::settings),
    ("the first process: /proc", processes::first_in_proc),
    ("the first process: a descriptor by pidfd", processes::descriptors),
    ("the first process: its memory", processes::memory),
    ("the first process: ptrace", processes::trace),
    ("the environment of a process of the host", processes::environments),
    ("a signal to a process of the host", processes::signal),
    ("new privileges", processes::privileges),
    ("a socket of the host by its path", sockets::by_path),
    (ABSTRACT_SOCKET, sockets::by_abstract_name),
    (LOOPBACK_PORT, sockets::by_port),
    ("sockets of other kinds", sockets::of_other_kinds),
    ("memory beyond /tmp and its like", room::memory),
    ("inodes beyond /tmp and its like", room::inodes),
    (HOST_DISK, room::disk),
    ("more processes than are allowed", room::processes),
    ("keyrings", kernel::keyrings),
    ("what is typed at the terminal", kernel::terminal),
    ("dangerous calls of the kernel", kernel::calls),
    ("new namespaces", kernel::namespaces),
    ("namespaces of others", kernel::others),
    ("mounts", kernel::mounts),
];

/// The name of a try that succeeds where the kernel cannot keep a sandbox with the host's network from it.
pub const ABSTRACT_SOCKET: &str = "an abstract socket of the host";

/// The name of a try that succeeds wherever the network is the host's.
pub const LOOPBACK_PORT: &str = "a port of the host's loopback";

/// The name of a try that succeeds wherever no quota of the file system stands against it.
pub const HOST_DISK: &str = "the disk of the host, by files of its own";

/// What the name of a try for writing begins with.
pub const WRITE: &str = "write ";

/// Makes every try, one after the other, and hands on what came of each.
///
/// The process that makes them has one thread, and is good for nothing else afterwards.
pub fn try_all(targets: &Targets, mut each: impl FnMut(Tried)) {
    for mount in &targets.mounts {
        each(tried(format!("{WRITE}{}", mount.display()), files::write(mount)));
    }
    for place in &targets.places {
        each(tried(place.name.clone(), files::place(place)));
    }
    for (name, attempt) in TRIES {
        each(tried((*name).to_owned(), attempt(targets)));
    }
}

fn tried(name: String, answer: Answer) -> Tried {
    match answer {
        Reached(found) => Tried { name, reached: true, found },
        Refused(found) => Tried { name, reached: false, found },
    }
}

/// A name for a file of ours in `directory` that nobody else has.
fn own(directory: &Path) -> PathBuf {
    directory.join(format!(".nanoclaw-prove-{}", std::process::id()))
}
