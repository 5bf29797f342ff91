//! The container's side of the mailbox against the host's: what one writes the other reads.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod session;
mod settling;
mod taking;
