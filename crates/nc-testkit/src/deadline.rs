//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How often a condition is looked at. Test code only: no program of ours looks at anything in a loop.
const LOOK: Duration = Duration::from_millis(3);

/// How long a test waits for what should take milliseconds, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds, and panics with `what` where it does not within `patience`.
///
/// # Panics
/// When patience ends.
#[track_caller]
pub fn wait_until(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let held = wait_for(patience, || condition().then_some(()));
    assert!(held.is_some(), "waited {patience:?} in vain: {what}");
}

/// Waits until `look` finds something, and returns it; `None` where `patience` ends first.
pub fn wait_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}
