//! Claude Code in the house: the real binary in the real sandbox, between a person at a terminal and a Messages API that
//! says what a test tells it to.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod answers;
mod broken;
mod errors;
mod house;
mod secrecy;
