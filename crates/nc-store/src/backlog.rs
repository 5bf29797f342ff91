//! Storing what a channel missed, without standing in the way of others.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::messages::{MAX_BATCH, NewMessage, Recorded};
use crate::{Store, StoreError};

/// How long others may wait for one batch. STORE.md's figure.
const BATCH_TIME: Duration = Duration::from_millis(20);
/// The pause between two batches, in which others write. STORE.md's figure.
const PAUSE: Duration = Duration::from_millis(2);

impl Store {
    /// Stores any number of messages, in this order, in batches with pauses between. On a slow disk batches get smaller.
    ///
    /// Where it fails, the batches before are stored; all of them again changes nothing about those.
    ///
    /// # Errors
    /// Those of [`Store::record_batch`].
    pub fn record_backlog(&mut self, messages: &[NewMessage]) -> Result<Vec<Recorded>, StoreError> {
        let mut recorded = Vec::with_capacity(messages.len());
        let mut size = MAX_BATCH;
        while recorded.len() < messages.len() {
            if !recorded.is_empty() {
                sleep(PAUSE);
            }
            let rest = &messages[recorded.len()..];
            let begun = Instant::now();
            recorded.extend(self.record_batch(&rest[..rest.len().min(size)])?);
            size = next_size(size, begun.elapsed());
        }
        Ok(recorded)
    }
}

/// Half where the last batch took too long, else twice as many, within 1 and [`MAX_BATCH`].
fn next_size(size: usize, took: Duration) -> usize {
    let wanted = if took > BATCH_TIME { size / 2 } else { size * 2 };
    wanted.clamp(1, MAX_BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_took_too_long_is_followed_by_a_smaller_one() {
        assert_eq!(next_size(100, Duration::from_millis(30)), 50);
        assert_eq!(next_size(1, Duration::from_secs(1)), 1);
        assert_eq!(next_size(30, Duration::from_millis(1)), 60);
        assert_eq!(next_size(60, Duration::from_millis(1)), MAX_BATCH);
    }
}
