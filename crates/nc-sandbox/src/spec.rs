//! What an agent sees and may use.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Identity;

/// What an agent sees and may use. Beyond it there is the system (`/usr` and a little of `/etc`, read-only), `/proc` of
/// its own processes, a minimal `/dev`, and `/tmp`, `/dev/shm` and `/home/node` in bounded memory.
#[derive(Clone, Debug)]
pub struct Spec {
    /// A name for the run: letters, digits and `-`. Its cgroup is called so.
    pub name: String,
    /// Who the agent is on the host.
    pub identity: Identity,
    /// Files and directories of the host, in this order: a later one may lie in an earlier one.
    pub mounts: Vec<Mount>,
    /// The whole environment of the agent. It holds no secret: everything in the sandbox may read it.
    pub env: Vec<(String, OsString)>,
    /// How much everything in the sandbox may use.
    pub limits: Limits,
    /// Where the command starts.
    pub workdir: PathBuf,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

/// A file or directory of the host in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where the agent finds it.
    pub target: PathBuf,
    /// What the agent may do with it.
    pub access: Access,
}

/// What an agent may do with a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// How much everything in a sandbox may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processes and threads.
    pub processes: u32,
    /// Memory in bytes; `/tmp`, `/dev/shm` and the home are part of it.
    pub memory: u64,
}

impl Default for Limits {
    /// 256 processes and 2 GiB: Claude Code with a browser beside it stays below both (measured on a build machine).
    fn default() -> Self {
        Self { processes: 256, memory: 2 * 1024 * 1024 * 1024 }
    }
}

impl Mount {
    /// A mount that the agent may only read.
    pub fn read_only(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self { source: source.into(), target: target.into(), access: Access::ReadOnly }
    }

    /// A mount that the agent may write.
    pub fn read_write(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self { source: source.into(), target: target.into(), access: Access::ReadWrite }
    }
}

/// The size of `/tmp` in bytes. A guess: package managers and compilers unpack there.
pub(crate) const TMP_SIZE: u64 = 512 * 1024 * 1024;

/// The size of `/dev/shm` in bytes. A guess: Chromium wants more than Docker's 64 MiB.
pub(crate) const SHM_SIZE: u64 = 256 * 1024 * 1024;

/// The size of `/home/node` without what is mounted there, in bytes. A guess: caches of npm and pip.
pub(crate) const HOME_SIZE: u64 = 256 * 1024 * 1024;

/// The home in the sandbox.
pub(crate) const HOME: &str = "/home/node";

/// The uid and gid that the agent sees as its own: `node`, as in the images of the container engines.
pub(crate) const INNER_ID: u32 = 1000;

/// The name of the machine in the sandbox.
pub(crate) const HOSTNAME: &str = "nanoclaw";
