//! The protocols between host and sandbox.

pub mod mailbox;
