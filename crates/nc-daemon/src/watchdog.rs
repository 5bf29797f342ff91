//! The sign of life that systemd asks for: `WatchdogSec=`, `sd_watchdog_enabled(3)`.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// When the next sign of life is due; none where nobody asked for one.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    beat: Option<(Duration, Instant)>,
}

impl Watchdog {
    /// Reads what was asked for, and beats twice as often, as `sd_watchdog_enabled(3)` recommends.
    pub(crate) fn from_environment() -> Self {
        let asked = sd_notify::watchdog_enabled().filter(|span| !span.is_zero());
        Self { beat: asked.map(|span| (span / 2, Instant::now())) }
    }

    /// When [`Watchdog::feed`] has to be called.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.beat.map(|(_, at)| at)
    }

    /// Says that the program lives, where that is due.
    pub(crate) fn feed(&mut self) {
        let now = Instant::now();
        if let Some((half, at)) = &mut self.beat
            && *at <= now
        {
            crate::notify(&[NotifyState::Watchdog]);
            *at = now + *half;
        }
    }
}
