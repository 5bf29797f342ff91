//! When a program that died is started again.

use std::time::Duration;

/// Longest wait between two starts: DESIGN.md "Runs", a guess at what a person bears.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// A program that was up for so long has recovered: twice the longest wait.
const RECOVERED: Duration = Duration::from_secs(60);

/// The wait where somebody outside ends one start after the other: ten starts a second are no burden. A guess.
const PAUSE: Duration = Duration::from_millis(100);

/// A program that was up for so long is not started too often.
const APART: Duration = Duration::from_secs(1);

/// Who ended a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It did: it failed.
    Own,
    /// Somebody outside: a person, a test, or a kernel without memory.
    Outside,
}

/// How often a program died in a row.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    in_a_row: u32,
}

impl Restarts {
    /// One that died `in_a_row` times so far.
    pub(crate) fn after(in_a_row: u32) -> Self {
        Self { in_a_row }
    }

    /// How often it died in a row.
    pub(crate) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Returns how long to wait before the next start of a program that was up for `lived`: nothing after the first
    /// death, then 1, 2, 4 … 30 s, and nothing again after it had been up for a minute. What somebody else did to it
    /// does not count, and is made good at once.
    pub(crate) fn delay(&mut self, lived: Duration, fault: Fault) -> Duration {
        if fault == Fault::Outside {
            return if lived < APART { PAUSE } else { Duration::ZERO };
        }
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
        let mut delay = |lived| restarts.delay(Duration::from_secs(lived), Fault::Own).as_secs();
        let young: Vec<u64> = (0..9).map(|_| delay(59)).collect();
        assert_eq!(young, [0, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!((delay(60), delay(0)), (0, 1));
    }

    #[test]
    fn whoever_is_killed_from_outside_comes_back_at_once_however_often() {
        let mut restarts = Restarts::default();
        for _ in 0..100 {
            assert_eq!(restarts.delay(Duration::from_secs(1), Fault::Outside), Duration::ZERO);
            assert_eq!(restarts.delay(Duration::ZERO, Fault::Outside), PAUSE);
        }
        assert_eq!(restarts.delay(Duration::ZERO, Fault::Own), Duration::ZERO);
    }

    #[test]
    fn nothing_overflows() {
        let mut restarts = Restarts { in_a_row: u32::MAX };
        assert_eq!(restarts.delay(Duration::ZERO, Fault::Own), MAX_DELAY);
        assert_eq!(restarts.delay(Duration::ZERO, Fault::Own), MAX_DELAY);
    }
}
