//! Test code only: the harness that starts the real programs, and fakes at the network's edge.
//!
//! ```no_run
//! let mut kit = nc_testkit::Toolkit::new();
//! kit.ctl_ok(["group", "add", "Main", "--main"]);
//! kit.up();
//! assert!(kit.talk_once("hello").status.success());
//! kit.kill("nc-router", nc_testkit::Signal::SIGKILL);
//! assert_eq!(kit.stop(nc_testkit::Signal::SIGTERM), Some(0));
//! ```
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod binaries;
mod claude;
mod command;
mod deadline;
mod failpoints;
pub mod hostile;
mod large;
pub mod machine;
pub mod messages_api;
mod person;
pub mod processes;
mod skip;
mod toolkit;
mod up;

pub use binaries::{PROGRAMS, example, programs, public_programs};
pub use claude::{claude_stand_in, real_claude};
pub use command::{finish, finish_with};
pub use deadline::{PATIENCE, wait_for, wait_until};
pub use failpoints::{Action, Failpoints};
pub use large::{Size, fill};
pub use nix::errno::Errno;
pub use nix::sys::signal::Signal;
pub use person::{Person, Shown};
pub use skip::skip;
pub use toolkit::Toolkit;
pub use up::Up;
