//! What a sandbox is, and the engines that build one.
//!
//! A [`Spec`] says what the agent sees and may use; [`start`] builds that with bubblewrap and runs the command in it; the
//! [`Sandbox`] that it returns is asked to leave, killed and waited for. [`probe`] says what this machine can do.
//!
//! # What holds the agent
//! | measure | against |
//! | --- | --- |
//! | a root made of nothing but what is mounted, read-only but for the mounts that say otherwise | the host's files |
//! | user, process, IPC, host name, cgroup and mount namespaces of its own | the host's processes and names |
//! | an ordinary uid, no capabilities, no new privileges | everything that only root may |
//! | three [seccomp filters](seccomp) | the kernel's rarely needed doors |
//! | Landlock's scopes, where the kernel has them | abstract sockets of the host |
//! | an empty tmpfs over `/proc/1`, an empty environment and `--args FD` for bubblewrap, no descriptor but 0, 1 and 2 | what bubblewrap's own first process would show |
//! | a [cgroup](cgroup), else limits of each process | fork bombs and memory hogs |
//!
//! The network is the host's.

mod arguments;
pub mod cgroup;
mod descriptors;
mod error;
pub mod escape;
mod identity;
mod landlock;
mod mountpoints;
mod network;
mod orphans;
mod ownership;
pub mod probe;
mod process;
mod sandbox;
pub mod seccomp;
mod spec;
mod staging;
mod start;
mod status;
mod system;

pub use cgroup::Reached;
pub use error::SandboxError;
pub use identity::{FIRST_UNNAMED_UID, Identity, LAST_UNNAMED_UID};
pub use mountpoints::{Point, prepare as prepare_mount_points};
pub use network::{CERTIFICATE_VARIABLES, Network, PROXY_VARIABLES};
pub use orphans::end_orphans;
pub use ownership::{give_tree, let_group_only_read, let_owner_use, let_read_tree};
pub use process::wait_until_gone;
pub use sandbox::{Ending, How, Sandbox, Streams};
pub use spec::{Access, Limits, Mount, Spec};
pub use start::{missing, start};
