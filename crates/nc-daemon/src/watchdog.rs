//! The sign of life that systemd asks for: `WatchdogSec=`, `sd_watchdog_enabled(3)`.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// A program that turns fast gives a sign once in so small a part of a beat, and not at each turn: the init system reads them.
const EARLIEST: u32 = 8;

/// When the last sign of life was given, and how often one is due; none where nobody asked for it.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    beat: Option<Duration>,
    fed: Option<Instant>,
}

impl Watchdog {
    /// Reads what was asked for, and beats twice as often, as `sd_watchdog_enabled(3)` recommends.
    pub(crate) fn from_environment() -> Self {
        let asked = sd_notify::watchdog_enabled().filter(|span| !span.is_zero());
        Self { beat: asked.map(|span| span / 2), fed: None }
    }

    /// When [`Watchdog::feed`] has to be called.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.beat.map(|beat| self.fed.map_or_else(Instant::now, |fed| fed + beat))
    }

    /// Says that the program lives. Called at each turn of the main loop, so that the time to the next sign counts from
    /// the last turn and a long one has nearly all of it.
    pub(crate) fn feed(&mut self) {
        let Some(beat) = self.beat else { return };
        let now = Instant::now();
        if self.fed.is_none_or(|fed| fed + beat / EARLIEST <= now) {
            crate::notify(&[NotifyState::Watchdog]);
            self.fed = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_long_after_the_last_sign_gives_one_before_it_is_due() {
        let beat = Duration::from_secs(60);
        let before = Instant::now().checked_sub(Duration::from_secs(59)).unwrap();
        let mut watchdog = Watchdog { beat: Some(beat), fed: Some(before) };
        watchdog.feed();
        let fed = watchdog.fed.unwrap();
        assert!(fed > before && watchdog.due() == Some(fed + beat));
        watchdog.feed();
        assert_eq!(watchdog.fed, Some(fed), "the next turn comes too soon for another");
        assert_eq!(Watchdog::default().due(), None);
    }
}
