//! Where an installation keeps what.

use std::path::{Path, PathBuf};

use nc_model::{FolderName, GroupId, Seq};

use crate::Config;

/// The longest name of a database, in bytes: SQLite's `MAX_PATHNAME` (`os_unix.c`) less the `-journal` behind it (`pager.c`).
const MAX_DATABASE: usize = 512 - 8;

/// What lies between the directory of the data and its deepest database, with a group's number of 10 digits.
const DEEPEST: &str = "/sessions/0123456789/00000000-0000-0000-0000-000000000000/in/inbound.db";

/// The directories of one installation. Every path is absolute; none need exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    dir: PathBuf,
    store_dir: PathBuf,
    groups_dir: PathBuf,
    data_dir: PathBuf,
    run_dir: PathBuf,
    libexec_dir: PathBuf,
}

/// What lies where in the directory of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDir {
    /// The session's directory.
    pub root: PathBuf,
    /// The half that only the host writes.
    pub in_dir: PathBuf,
    /// The half that the agent writes: hostile.
    pub work_dir: PathBuf,
    /// Messages for the agent.
    pub inbound_db: PathBuf,
    /// Files that people sent.
    pub inbox: PathBuf,
    /// The lock that the session's only run holds.
    pub lock: PathBuf,
    /// What the agent says: hostile.
    pub outbound_db: PathBuf,
    /// Files that the agent sends: hostile.
    pub outbox: PathBuf,
    /// The agent's sign of work.
    pub heartbeat: PathBuf,
}

/// A program, or what stands for one, that can be rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doorbell<'a> {
    /// nc-router.
    Router,
    /// nc-ipcd.
    Ipcd,
    /// nc-scheduler.
    Scheduler,
    /// The runner of this session.
    Run(&'a str),
    /// The directory of the open terminals' bells: every socket in it is rung.
    TalkDir,
    /// The channel program of this instance, such as `slack:acme`.
    Channel(&'a str),
}

impl Installation {
    /// The installation in `dir`, which is absolute, as `config` lays it out.
    #[must_use]
    pub fn new(dir: PathBuf, config: &Config) -> Self {
        Self {
            store_dir: dir.join(&config.store_dir),
            groups_dir: dir.join(&config.groups_dir),
            run_dir: dir.join(&config.run_dir),
            libexec_dir: dir.join(&config.libexec_dir),
            data_dir: dir.join(&config.data_dir),
            dir,
        }
    }

    /// The first directory whose name is too long for the databases below it, and the most bytes that it may have.
    pub(crate) fn too_long(&self) -> Option<(&Path, usize)> {
        let rooms = [(&self.data_dir, DEEPEST), (&self.store_dir, "/messages.db")];
        let mut mosts = rooms.map(|(dir, below)| (dir.as_path(), MAX_DATABASE - below.len())).into_iter();
        mosts.find(|(dir, most)| dir.as_os_str().len() > *most)
    }

    /// The directory that the other paths are relative to.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of the store.
    #[must_use]
    pub fn store_dir(&self) -> &Path {
        &self.store_dir
    }

    /// The store.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.store_dir.join("messages.db")
    }

    /// The directory of the groups' folders.
    #[must_use]
    pub fn groups_dir(&self) -> &Path {
        &self.groups_dir
    }

    /// A group's folder.
    #[must_use]
    pub fn group_dir(&self, folder: &FolderName) -> PathBuf {
        self.groups_dir.join(folder.as_str())
    }

    /// The folder that every group reads.
    #[must_use]
    pub fn global_dir(&self) -> PathBuf {
        self.groups_dir.join("global")
    }

    /// The directory of sessions, media and logs.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The directory of a session; `session` is its id in the store, a UUID.
    #[must_use]
    pub fn session_dir(&self, group: GroupId, session: &str) -> SessionDir {
        let root = self.sessions_of(group).join(session);
        let (in_dir, work_dir) = (root.join("in"), root.join("work"));
        SessionDir {
            inbound_db: in_dir.join("inbound.db"),
            inbox: in_dir.join("inbox"),
            lock: in_dir.join("lock"),
            outbound_db: work_dir.join("outbound.db"),
            outbox: work_dir.join("outbox"),
            heartbeat: work_dir.join(".heartbeat"),
            root,
            in_dir,
            work_dir,
        }
    }

    /// The state that a group's provider keeps, shared by its sessions.
    #[must_use]
    pub fn provider_dir(&self, group: GroupId) -> PathBuf {
        self.sessions_of(group).join(".claude")
    }

    fn sessions_of(&self, group: GroupId) -> PathBuf {
        self.data_dir.join("sessions").join(group.to_string())
    }

    /// The files that came with a message.
    #[must_use]
    pub fn media_in(&self, message: Seq) -> PathBuf {
        self.data_dir.join("media/in").join(message.to_string())
    }

    /// The files that go with a delivery; `delivery` is its id in the store, a UUID.
    #[must_use]
    pub fn media_out(&self, delivery: &str) -> PathBuf {
        self.data_dir.join("media/out").join(delivery)
    }

    /// Where what a group's agents sent and nobody could accept is kept for a person to see.
    #[must_use]
    pub fn rejected_dir(&self, folder: &FolderName) -> PathBuf {
        self.data_dir.join("rejected").join(folder.as_str())
    }

    /// The logs of the installation's programs.
    #[must_use]
    pub fn logs_dir(&self) -> PathBuf {
        self.data_dir.join("logs")
    }

    /// Credentials, one a file: [`crate::Credentials::from_directory`].
    #[must_use]
    pub fn credentials_dir(&self) -> PathBuf {
        self.dir.join("credentials")
    }

    /// Credentials that only this machine can decrypt, one a file. Without the directory they are kept as they are.
    #[must_use]
    pub fn encrypted_credentials_dir(&self) -> PathBuf {
        self.dir.join("credentials.encrypted")
    }

    /// The Claude Code binaries that were fetched, each in a directory called as its version.
    #[must_use]
    pub fn claude_dir(&self) -> PathBuf {
        self.data_dir.join("claude")
    }

    /// The lines that people wrote in a terminal.
    #[must_use]
    pub fn talk_history(&self) -> PathBuf {
        self.data_dir.join("talk_history")
    }

    /// The directory of sockets and locks.
    #[must_use]
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The programs that only other programs start, where they do not lie beside the one that starts them.
    #[must_use]
    pub fn libexec_dir(&self) -> &Path {
        &self.libexec_dir
    }

    /// The socket at which a program is rung. An instance's `:` is `@` in its socket's name.
    #[must_use]
    pub fn doorbell(&self, bell: Doorbell<'_>) -> PathBuf {
        match bell {
            Doorbell::Router => self.run_dir.join("router.sock"),
            Doorbell::Ipcd => self.run_dir.join("ipcd.sock"),
            Doorbell::Scheduler => self.run_dir.join("scheduler.sock"),
            Doorbell::Run(session) => self.run_dir.join("runs").join(format!("{session}.sock")),
            Doorbell::TalkDir => self.run_dir.join("talk"),
            Doorbell::Channel(instance) => {
                self.run_dir.join("channel").join(format!("{}.sock", instance.replace(':', "@")))
            }
        }
    }

    /// The socket at which runs are asked for.
    #[must_use]
    pub fn runner_socket(&self) -> PathBuf {
        self.run_dir.join("runner.sock")
    }

    /// The lock of a program of which an installation has one: `up`, `router`, `ipcd`.
    #[must_use]
    pub fn lock_file(&self, name: &str) -> PathBuf {
        self.run_dir.join(format!("{name}.lock"))
    }
}
