//! What being one of the daemons means: logs, readiness, watchdog, inherited sockets, doorbells, idle exit, orderly
//! stop, and exit statuses. It knows nothing of messages, groups or agents.
//!
//! A daemon's `main` is a call of [`run`] and a loop over [`Wakeup`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use nc_daemon::{Daemon, Failure, Wakeup};
//!
//! fn main() -> ExitCode {
//!     nc_daemon::run("nc-example", serve)
//! }
//!
//! async fn serve(mut daemon: Daemon) -> Result<(), Failure> {
//!     daemon.bell(std::path::Path::new("/run/nanoclaw/example.sock")).map_err(Failure::config)?;
//!     daemon.ready();
//!     loop {
//!         // One pass: read the store, do everything that is there.
//!         match daemon.wait(None).await {
//!             Wakeup::Doorbell | Wakeup::Due | Wakeup::Reload => {}
//!             Wakeup::Idle | Wakeup::Stop => return Ok(()),
//!         }
//!     }
//! }
//! ```
//!
//! # Who started us
//! systemd passes sockets from descriptor 3 on (`LISTEN_FDS`, `LISTEN_PID`), says where readiness is to be told
//! (`NOTIFY_SOCKET`) and how often a sign of life is due (`WATCHDOG_USEC`). `nanoclawctl up` does the same with one
//! difference: it sets `NC_SUPERVISOR` to its own process id in place of `LISTEN_PID`, because a parent cannot know the
//! child's id before the child is there. A program that finds `NC_SUPERVISOR` takes the sockets as its own, ends at once
//! where its parent is another, and is told to stop (SIGTERM) by the kernel when its parent dies, however it dies.
//!
//! # Doorbells
//! The store is the truth, a ring is one datagram without meaning. A listener drains its bell, *then* reads the store,
//! *then* waits: [`Daemon::wait`] drains before it returns [`Wakeup::Doorbell`], so a pass after each wake-up is all that
//! a program has to do. A ring that comes during the pass is still in the socket when the program waits again.
//!
//! # Logs
//! Programs log by [`tracing`]. In the journal the field `run` is `NANOCLAW_RUN`, and so on; `message` is the text, so the
//! message that a line is about is the field `_message`. `message_id` names an event of the catalog; `speaker` says whose
//! words a line hands on, and becomes the line's `SYSLOG_IDENTIFIER`. What a stranger wrote is checked before it is put into
//! one of these fields, and quoted (`?value`) in all others.

mod address;
mod arguments;
mod bell;
mod daemon;
mod event;
mod failure;
mod handover;
pub mod holder;
mod inherited;
mod journal;
mod lock;
mod logs;
mod notify;
mod run;
mod signals;
mod supervisor;
mod timer;
mod watchdog;

pub use address::{Door, connect, listen};
pub use arguments::arguments;
pub use bell::{Bell, BellError, hears, ring, ring_all};
pub use daemon::{Daemon, Wakeup};
pub use failure::Failure;
pub use handover::{Handover, handed_over, hide};
pub use inherited::close_on_exec;
pub use lock::{Lock, LockError, lock, lock_within};
pub use logs::{in_journal, to_journal_alone};
pub use notify::notify;
pub use run::run;
pub use sd_notify::NotifyState;
pub use signals::{Signal, Signals};
