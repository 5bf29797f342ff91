//! The protocols between host and sandbox.
//!
//! The host's side trusts nothing that comes out: [`snapshot`] is the only reader of a mailbox that a sandbox wrote,
//! [`files`] the only way to a file that it made, [`json`] the only reader of its JSON. What each of them hands on is
//! checked; what it refuses is refused by name, one row or file at a time.

pub mod content;
pub mod files;
pub mod json;
pub mod mailbox;
pub mod rejected;
pub mod snapshot;
pub mod start;
mod verdict;
pub mod watch;

pub use verdict::Verdict;
