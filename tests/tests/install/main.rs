//! Drives the real install.sh: below directories of a test's own with stand-ins for the programs, and once in a booted
//! machine with the real ones.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod full;
mod listing;
mod machine;
mod refusals;
mod tree;
mod upgrade;
