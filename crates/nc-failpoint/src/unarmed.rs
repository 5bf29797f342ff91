//! What everybody gets who is no test: nothing.

use std::io;
use std::path::Path;

/// Before something is done to `what` of `place`.
///
/// # Errors
/// Never: only a test's build fails here.
#[inline(always)]
#[expect(clippy::inline_always, reason = "nothing of it is to be left")]
pub fn before(_place: &str, _what: &str) -> io::Result<()> {
    Ok(())
}

/// After something was done that others see at once.
#[inline(always)]
#[expect(clippy::inline_always, reason = "nothing of it is to be left")]
pub fn after(_place: &str, _what: &str) {}

/// How far the clock is off.
#[inline(always)]
#[expect(clippy::inline_always, reason = "nothing of it is to be left")]
#[must_use]
pub fn clock_ms() -> i64 {
    0
}

/// The directory of a test.
#[inline(always)]
#[expect(clippy::inline_always, reason = "nothing of it is to be left")]
#[must_use]
pub fn directory() -> Option<&'static Path> {
    None
}
