//! The sign of life that systemd asks for: `WatchdogSec=`, `sd_watchdog_enabled(3)`.

use std::env;
use std::time::{Duration, Instant};

/// When the next sign of life is due; none where nobody asked for one.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    beat: Option<(Duration, Instant)>,
}

impl Watchdog {
    /// Reads what was asked for: half of `WATCHDOG_USEC`, as `sd_watchdog_enabled(3)` recommends.
    pub(crate) fn from_environment() -> Self {
        let meant = env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let usec = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse::<u64>().ok()).filter(|&n| n > 0 && meant);
        Self { beat: usec.map(|n| (Duration::from_micros(n) / 2, Instant::now())) }
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
            crate::notify("WATCHDOG=1");
            *at = now + *half;
        }
    }
}
