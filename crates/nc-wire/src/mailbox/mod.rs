//! The mailbox: two SQLite files, one writer each, between the host and one session's sandbox.

pub mod container;
