//! Every parser of bytes that a sandbox, a person or a file hands us, with inputs that nobody would think of: made of good ones, by
//! rules, so that the same rounds are made each time.
//!
//! `make fuzz` makes other rounds, for as long as it is told: `NC_FUZZ_SECONDS`. What it finds is written to `target/fuzz/`, and the
//! seed that it says makes the same rounds again: `NC_FUZZ_SEED`.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod mailbox;
mod rounds;
mod text;
