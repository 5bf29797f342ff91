//! What becomes of a thing after an error about it.

/// What becomes of a thing after an error about it, decided by the kind of the error alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A later pass may succeed: leave it where it is.
    Keep,
    /// It never will: set it aside and say so.
    Refuse,
}
