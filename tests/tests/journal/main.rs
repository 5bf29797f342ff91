//! What the journal is told: programs that log to it, and a socket that plays its part, without a machine.
//!
//! It needs root, for a `/run` of its own: the journal's socket has a fixed place.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod listener;
mod way;
