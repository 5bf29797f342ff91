//! Durations and sizes as people write them.

use std::time::Duration;

/// A text that is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: {allowed}")]
pub struct QuantityError {
    /// What was given.
    pub text: String,
    what: &'static str,
    allowed: &'static str,
}

const DURATION_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

const SIZE_UNITS: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads a duration: a whole number and `ms`, `s`, `m` or `h`, such as `90s`.
///
/// # Errors
/// [`QuantityError`] where it is anything else, or more milliseconds than fit 64 bits.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let allowed = "write a whole number and ms, s, m or h, such as \"90s\"";
    scaled(text, DURATION_UNITS).map(Duration::from_millis).ok_or_else(|| QuantityError {
        text: text.to_owned(),
        what: "duration",
        allowed,
    })
}

/// Reads a size in bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`, such as `10MiB`.
///
/// # Errors
/// [`QuantityError`] where it is anything else, or more than fits 64 bits.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let allowed = "write a whole number and B, KiB, MiB or GiB, such as \"10MiB\"";
    scaled(text, SIZE_UNITS).ok_or_else(|| QuantityError { text: text.to_owned(), what: "size", allowed })
}

/// Writes a duration in the largest unit that loses nothing; what is finer than a millisecond is cut.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    written(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), DURATION_UNITS)
}

/// Writes a size in the largest unit that loses nothing.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    written(bytes, SIZE_UNITS)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn written(value: u64, units: &[(&str, u64)]) -> String {
    let whole = |factor: u64| factor == 1 || (value != 0 && value.is_multiple_of(factor));
    let (unit, factor) = units.iter().rev().find(|(_, factor)| whole(*factor)).copied().unwrap_or(units[0]);
    format!("{}{unit}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write_and_refuses_the_rest() {
        let durations = [("0s", 0), ("1500ms", 1500), ("90s", 90_000), ("30m", 1_800_000), ("24h", 86_400_000)];
        for (text, ms) in durations {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms));
        }
        let huge = "99999999999999999999s";
        for text in ["", "s", "30", "30 m", "-1s", "1.5h", "1h30m", "30M", "٣s", "30m\0", huge, "18446744073709551615h"]
        {
            assert!(parse_duration(text).is_err(), "{text:?} was taken");
        }
        for (text, bytes) in [("0B", 0), ("512B", 512), ("10MiB", 10_485_760), ("2GiB", 2_147_483_648)] {
            assert_eq!(parse_size(text).unwrap(), bytes);
        }
        for text in ["", "10", "10MB", "10mib", "10 MiB", "-1B", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text:?} was taken");
        }
        assert_eq!(
            parse_size("10MB").unwrap_err().to_string(),
            "\"10MB\" is not a size: write a whole number and B, KiB, MiB or GiB, such as \"10MiB\""
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any::<u64>()) {
            prop_assert_eq!(parse_size(&format_size(value)).unwrap(), value);
            let duration = Duration::from_millis(value);
            prop_assert_eq!(parse_duration(&format_duration(duration)).unwrap(), duration);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,20}") {
            let _ = (parse_duration(&text).is_ok(), parse_size(&text).is_ok());
        }
    }
}
