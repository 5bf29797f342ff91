//! What is done while the store cannot be used.

use std::time::{Duration, Instant};

use nc_daemon::Failure;
use nc_store::{Exit, StoreError};
use tracing::{info, warn};

/// How long a store that refuses is asked again before the program ends with 75. STORE.md.
const AT_MOST: Duration = Duration::from_secs(30);

/// The shortest wait before it is asked again, and how far the clock's last digits lengthen it. STORE.md: 10 to 100 ms.
const SHORTEST: Duration = Duration::from_millis(10);
const SPREAD_MS: u64 = 91;

/// Since when the store refuses, and when it is asked again.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    refusing: Option<(Instant, Instant)>,
}

impl Patience {
    /// The store works; says so where it did not.
    pub(crate) fn restored(&mut self) {
        if let Some((since, _)) = self.refusing.take() {
            info!("the store can be used again after {} ms", since.elapsed().as_millis());
        }
    }

    /// The store refuses: it is asked again, or the program ends.
    pub(crate) fn lost(&mut self, error: StoreError) -> Result<(), Failure> {
        let now = Instant::now();
        if error.exit() == Exit::Look {
            return Err(failure(error));
        }
        let since = self.refusing.map_or(now, |(since, _)| since);
        if self.refusing.is_none() {
            warn!("failed to {error}; asked again for {} s", AT_MOST.as_secs());
        }
        if now.duration_since(since) > AT_MOST {
            return Err(failure(error));
        }
        self.refusing = Some((since, now + SHORTEST + at_random()));
        Ok(())
    }

    /// When the store is to be asked again, where it refuses.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.refusing.map(|(_, until)| until)
    }
}

fn at_random() -> Duration {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(u64::from(clock.subsec_micros()) % SPREAD_MS)
}

/// How the program ends that cannot use the store.
pub(crate) fn failure(error: StoreError) -> Failure {
    match error.exit() {
        Exit::Look => Failure::config(error),
        Exit::Again => Failure::again(error),
    }
}
