//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// How often a message is given to a run again, after the first one failed at it. The older programs' own number.
pub const MAX_RETRIES: u32 = 5;

/// How often a send that the platform did not take is tried before it is dead. A guess: with the delays of
/// [`send_retry_delay`] it is a little over an hour and a half.
pub const MAX_SEND_ATTEMPTS: u32 = 15;

/// The longest wait of [`retry_delay`] and [`killed_delay`]. What waits longer by the clock was written before somebody set
/// the clock back, and is due.
pub const LONGEST_RETRY: Duration = Duration::from_secs(80);

/// The wait after the first failed run. The older programs' own number.
const FIRST_RUN_DELAY: Duration = Duration::from_secs(5);

/// The wait after the second run in a row that was ended from outside. A guess: whoever ends two of them is not done yet,
/// and a person who waits bears it.
const FIRST_KILLED_DELAY: Duration = Duration::from_secs(1);

/// The wait after the first failed send. A guess: a broken connection is often back by then.
const FIRST_SEND_DELAY: Duration = Duration::from_secs(1);

/// The longest wait before a send. A guess: a person who waits for a reply looks again within minutes.
const MAX_SEND_DELAY: Duration = Duration::from_secs(600);

/// Returns how long to wait before a session whose run failed is given another: 5, 10, 20, 40, 80 s.
///
/// `attempt` counts the failures so far, 1 after the first; 0 is taken as 1, and more than [`MAX_RETRIES`] as that.
#[must_use]
pub fn retry_delay(attempt: u32) -> Duration {
    doubled(FIRST_RUN_DELAY, attempt.min(MAX_RETRIES))
}

/// Returns how long to wait before a session whose run was ended from outside is given another: not at all, then 1, 2, 4,
/// 8 s. Nothing is wrong with its work, and somebody waits for it.
///
/// `attempt` counts as in [`retry_delay`].
#[must_use]
pub fn killed_delay(attempt: u32) -> Duration {
    match attempt.min(MAX_RETRIES) {
        0 | 1 => Duration::ZERO,
        more => doubled(FIRST_KILLED_DELAY, more - 1),
    }
}

/// Returns how long to wait before a send that failed is tried again: 1, 2, 4 … s, at most 10 minutes.
///
/// `attempt` counts the failures so far, 1 after the first; 0 is taken as 1 and nothing overflows.
#[must_use]
pub fn send_retry_delay(attempt: u32) -> Duration {
    doubled(FIRST_SEND_DELAY, attempt).min(MAX_SEND_DELAY)
}

fn doubled(first: Duration, attempt: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_their_ends() {
        let runs: Vec<u64> = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|n| retry_delay(n).as_secs()).to_vec();
        assert_eq!(runs, [5, 5, 10, 20, 40, 80, 80, 80]);
        assert_eq!(runs.iter().max(), Some(&LONGEST_RETRY.as_secs()));
        let killed: Vec<u64> = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|n| killed_delay(n).as_secs()).to_vec();
        assert_eq!(killed, [0, 0, 1, 2, 4, 8, 8, 8]);
        let sends: Vec<u64> = [0, 1, 2, 10, 11, 100, u32::MAX].map(|n| send_retry_delay(n).as_secs()).to_vec();
        assert_eq!(sends, [1, 1, 2, 512, 600, 600, 600]);
    }
}
