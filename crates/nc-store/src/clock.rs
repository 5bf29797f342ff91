//! The one clock and the one maker of ids: whoever writes rows takes both from here.

use std::time::{SystemTime, UNIX_EPOCH};

use nc_model::Timestamp;

/// The present time, in whole milliseconds. A clock before 1970 gives 0, one past the year 292 million its end.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let true_time = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Timestamp(true_time.saturating_add(nc_failpoint::clock_ms()))
}

/// A new `UUIDv7` as text: ids of one process made one after the other sort in that order.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::now_v7().hyphenated().to_string()
}
