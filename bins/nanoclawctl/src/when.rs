//! Points in time, as a person gives and reads them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use nc_model::Timestamp;
use nc_model::quantity::parse_duration;

use crate::ending::Refusal;

/// How a time is shown in a table: to the second, in `zone`.
pub(crate) fn local(time: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(time) => zone.to_datetime(time).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => time.to_string(),
    }
}

/// The same where there may be none.
pub(crate) fn maybe_local(time: Option<Timestamp>, zone: &TimeZone) -> String {
    time.map(|time| local(time, zone)).unwrap_or_default()
}

/// How long something took, in words: milliseconds below ten seconds, then the two largest units.
pub(crate) fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..10 => format!("{}.{:03} s", s, ms % 1000),
        10..120 => format!("{s} s"),
        120..7200 => format!("{} min {} s", s / 60, s % 60),
        7200..172_800 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// Reads a point in time: how long ago, RFC 3339, or a date or date and time in `zone`.
pub(crate) fn read_time(option: &str, given: &str, zone: &TimeZone, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(ago) = parse_duration(given) {
        return Ok(now.plus_ms(-i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)));
    }
    if let Ok(time) = given.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(time.as_millisecond()));
    }
    let civil = given.parse::<DateTime>().ok().or_else(|| Some(given.parse::<Date>().ok()?.at(0, 0, 0, 0)));
    let zoned = civil.and_then(|civil| zone.to_timestamp(civil).ok());
    zoned.map(|time| Timestamp(time.as_millisecond())).ok_or_else(|| {
        Refusal::look(format!(
            "{option} {given:?} is not a time: write 2026-11-24, \"2026-11-24 18:00:00\", RFC 3339, or how long ago: 90s, \
             30m, 24h"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_a_moment_or_how_long_ago() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let now = Timestamp(1_000_000_000);
        let cases = [
            ("24h", "1970-01-11T13:46:40.000Z"),
            ("2026-11-24T18:00:00Z", "2026-11-24T18:00:00.000Z"),
            ("2026-11-24", "2026-11-23T23:00:00.000Z"),
            ("2026-11-24 18:00:00", "2026-11-24T17:00:00.000Z"),
        ];
        for (given, expected) in cases {
            assert_eq!(read_time("--since", given, &zone, now).unwrap().to_string(), expected, "{given}");
        }
        for given in ["", "yesterday", "5", "24d", "2026-13-01"] {
            assert!(read_time("--since", given, &zone, now).is_err(), "{given} was taken");
        }
    }

    #[test]
    fn a_span_has_two_units_at_most() {
        let cases = [
            (0, "0.000 s"),
            (1_234, "1.234 s"),
            (59_999, "59 s"),
            (120_000, "2 min 0 s"),
            (7_260_000, "2 h 1 min"),
            (180_000_000, "2 d 2 h"),
        ];
        for (ms, expected) in cases {
            assert_eq!(span(ms), expected);
        }
    }
}
