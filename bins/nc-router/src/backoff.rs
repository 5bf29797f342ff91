//! Waiting longer after each failure of one thing.

use std::time::{Duration, Instant};

/// The first and the longest wait. DESIGN.md, "Runs": a runner's socket that refuses is asked again after these.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// How one thing that fails is waited for: 100 ms, doubling to 10 s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    delay: Duration,
    until: Instant,
}

impl Backoff {
    /// The wait after the first failure.
    pub(crate) fn first(now: Instant) -> Self {
        Self { delay: FIRST, until: now + FIRST }
    }

    /// The wait after one more failure.
    pub(crate) fn again(&mut self, now: Instant) {
        self.delay = (self.delay * 2).min(LONGEST);
        self.until = now + self.delay;
    }

    /// When it is to be tried again.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Whether it fails for so long that the waits grow no more.
    pub(crate) fn is_longest(&self) -> bool {
        self.delay == LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_a_tenth_of_a_second_to_ten_seconds() {
        let now = Instant::now();
        let mut backoff = Backoff::first(now);
        let mut waits = vec![backoff.until() - now];
        for _ in 0..8 {
            assert!(!backoff.is_longest() || waits.len() == 8);
            backoff.again(now);
            waits.push(backoff.until() - now);
        }
        let ms: Vec<u128> = waits.iter().map(Duration::as_millis).collect();
        assert_eq!(ms, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }
}
