//! When a program that died is started again.

use std::time::Duration;

/// Longest wait between two starts: DESIGN.md "Runs", a guess at what a person bears.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// A program that was up for so long has recovered: twice the longest wait.
const RECOVERED: Duration = Duration::from_secs(60);

/// How often a program died in a row.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    in_a_row: u32,
}

impl Restarts {
    /// Returns how long to wait before the next start of a program that was up for `lived`: nothing after the first
    /// death, then 1, 2, 4 … 30 s, and nothing again after it had been up for a minute.
    pub(super) fn delay(&mut self, lived: Duration) -> Duration {
        if lived >= RECOVERED {
            self.in_a_row = 0;
        }
        let delay = match self.in_a_row {
            0 => Duration::ZERO,
            n => Duration::from_secs(1 << (n - 1).min(5)).min(MAX_DELAY),
        };
        self.in_a_row = self.in_a_row.saturating_add(1);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_begin_again_after_a_minute_of_life() {
        let mut restarts = Restarts::default();
        let mut delay = |lived| restarts.delay(Duration::from_secs(lived)).as_secs();
        let young: Vec<u64> = (0..9).map(|_| delay(59)).collect();
        assert_eq!(young, [0, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!((delay(60), delay(0)), (0, 1));
    }

    #[test]
    fn nothing_overflows() {
        let mut restarts = Restarts { in_a_row: u32::MAX };
        assert_eq!(restarts.delay(Duration::ZERO), MAX_DELAY);
        assert_eq!(restarts.delay(Duration::ZERO), MAX_DELAY);
    }
}
