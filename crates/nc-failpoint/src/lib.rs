//! Places where a test may kill a program, or have an operation fail as on a full disk.
//!
//! Programs name a place before each commit and each operation on a file, and after those that others see at once. Without
//! the feature `armed`, which only the tests' own builds have, every function here is empty and nothing of it is left.
//!
//! With it, the variable [`VARIABLE`] names a directory by which a test speaks to all programs of an installation. A point
//! is called `<program>.<place>.<what>.before` or `.after`; `<program>` is the file's name, with the first argument where
//! that is a word (`nanoclawctl-talk`).
//!
//! ```text
//! reached/<point>   made by the first process that comes there
//! armed/<point>     made by the test: "kill", or the number of an error for what is about to be done
//! fired/<point>     what was armed, once it happened: it does so once
//! clock             how many milliseconds the programs' clock is ahead of the true one
//! ```

#[cfg(feature = "armed")]
mod armed;
#[cfg(not(feature = "armed"))]
mod unarmed;

#[cfg(feature = "armed")]
pub use armed::{after, before, clock_ms, directory};
#[cfg(not(feature = "armed"))]
pub use unarmed::{after, before, clock_ms, directory};

/// The variable of the environment that names the tests' directory.
pub const VARIABLE: &str = "NC_FAILPOINTS";

/// Whether this build can be killed by a test.
pub const ARMED: bool = cfg!(feature = "armed");
