//! The real program in a session's directory, with the host played by the test.
//! No test waits but for a condition, with a deadline.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod answers;
mod claude;
mod leaving;
mod secrecy;
mod session;
mod trouble;
