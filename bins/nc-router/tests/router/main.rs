//! The real nc-router in a directory of its own: the test is the runner, the agent and nc-ipcd, and writes and reads the
//! store as the other programs do.
//!
//! No test sleeps: the router says on its notification socket what it did, asks for runs on the runner's socket, and
//! what it wrote stands in the store.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod crash;
mod house;
mod mailboxes;
mod routing;
mod runner;
mod runs;
mod serving;
mod table;
