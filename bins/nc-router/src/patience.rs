//! What to do while the store cannot be used.

use std::time::{Duration, Instant};

use nc_daemon::Failure;
use nc_store::{Exit, StoreError};
use tracing::{info, warn};

/// How long a store that refuses is asked again before the program ends with 75. STORE.md.
const PATIENCE: Duration = Duration::from_secs(30);

/// The shortest wait before it is asked again, and how far the clock's last digits lengthen it. STORE.md: 10 to 100 ms.
const SHORTEST: Duration = Duration::from_millis(10);
const SPREAD_MS: u32 = 91;

/// Since when the store refuses.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    since: Option<Instant>,
}

impl Patience {
    /// The store works; says so where it did not.
    pub(crate) fn restored(&mut self) {
        if let Some(since) = self.since.take() {
            info!(after_ms = since.elapsed().as_millis(), "the store can be used again");
        }
    }

    /// The store refuses: when to ask it again, or the end of the program.
    pub(crate) fn lost(&mut self, error: StoreError) -> Result<Option<Instant>, Failure> {
        let now = Instant::now();
        if error.exit() == Exit::Look {
            return Err(Failure::config(error));
        }
        let since = *self.since.get_or_insert_with(|| {
            warn!("failed to {error}; asked again for {} s", PATIENCE.as_secs());
            now
        });
        if now.duration_since(since) > PATIENCE {
            return Err(Failure::again(error));
        }
        let jitter =
            Duration::from_millis(u64::from(std::process::id().wrapping_add(now.elapsed().subsec_nanos()) % SPREAD_MS));
        Ok(Some(now + SHORTEST + jitter))
    }
}
