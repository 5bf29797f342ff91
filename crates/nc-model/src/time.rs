//! Points in time as the store keeps them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the epoch, UTC. It is written as RFC 3339 with `Z` and three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A text that is no point in time in a form that the wires use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time: write RFC 3339 with a zone, or YYYY-MM-DD HH:MM:SS in UTC")]
pub struct TimestampError {
    /// What was given.
    pub text: String,
}

impl Timestamp {
    /// Reads what either side of a wire writes: RFC 3339 with a zone, or `YYYY-MM-DD HH:MM:SS` meaning UTC.
    ///
    /// Fractions below a millisecond are cut.
    ///
    /// # Errors
    /// [`TimestampError`] with the text where it is neither.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let zoned = text.parse::<jiff::Timestamp>().ok();
        let zoneless = || {
            let civil = text.parse::<jiff::civil::DateTime>().ok()?;
            jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
        };
        zoned
            .or_else(zoneless)
            .map(|t| Self(t.as_millisecond()))
            .ok_or_else(|| TimestampError { text: text.to_owned() })
    }

    /// The same point `ms` milliseconds later (earlier where negative); it stops at the ends of the range.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this point, 0 where `earlier` is later.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_and_writes_one() {
        let cases = [
            ("2026-11-24T18:00:00.123Z", "2026-11-24T18:00:00.123Z"),
            ("2026-11-24T19:00:00+01:00", "2026-11-24T18:00:00.000Z"),
            ("2026-11-24 18:00:00", "2026-11-24T18:00:00.000Z"),
        ];
        for (given, written) in cases {
            assert_eq!(Timestamp::parse(given).unwrap().to_string(), written);
        }
        for given in ["", "yesterday", "18:00", "2026-13-01 00:00:00"] {
            assert!(Timestamp::parse(given).is_err(), "{given:?} was taken");
        }
        assert_eq!(Timestamp(i64::MAX).to_string(), format!("{} ms", i64::MAX));
    }
}
