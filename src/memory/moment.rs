//! Moments as people write them: ISO 8601 dates and times, and spans like
//! `7d`. Pure.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime};

use crate::clock::Timestamp;

/// Which end of a day a date without a time stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Its first moment: "since Monday".
    Start,
    /// The moment after its last: "until Friday" holds all Friday.
    End,
}

/// Reads `2026-11-22`, `2026-11-22T17:36:00Z`, `2026-11-22 17:36` (UTC where
/// no offset is given).
pub(crate) fn parse(text: &str, edge: Edge) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(Timestamp(time.timestamp_micros()));
    }
    for format in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(Timestamp(time.and_utc().timestamp_micros()));
        }
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let day = match edge {
        Edge::Start => day,
        Edge::End => day.checked_add_days(Days::new(1))?,
    };
    let time = day.and_time(NaiveTime::MIN).and_utc();
    Some(Timestamp(time.timestamp_micros()))
}

/// Reads a span in seconds: `90s`, `30m`, `12h`, `7d`, `2w`.
pub(crate) fn parse_span(text: &str) -> Option<i64> {
    let text = text.trim();
    let (unit_at, unit) = text.char_indices().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        'w' => 7 * 24 * 3600,
        _ => return None,
    };
    let count: u32 = text[..unit_at].trim_end().parse().ok()?;
    i64::from(count).checked_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_dates_and_times_are_parsed() {
        let cases = [
            ("2026-11-22", Edge::Start, "2026-11-22T00:00:00Z"),
            ("2026-11-22", Edge::End, "2026-11-23T00:00:00Z"),
            ("2026-11-22T17:36:05Z", Edge::End, "2026-11-22T17:36:05Z"),
            (
                "2026-11-22T17:36:05+02:00",
                Edge::Start,
                "2026-11-22T15:36:05Z",
            ),
            ("2026-11-22 17:36", Edge::Start, "2026-11-22T17:36:00Z"),
            ("2024-02-29", Edge::End, "2024-03-01T00:00:00Z"),
        ];
        for (text, edge, expected) in cases {
            let found = parse(text, edge).map(Timestamp::to_iso);
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "yesterday",
            "2026-13-01",
            "2025-02-29",
            "22.11.2026",
            "7d",
        ] {
            assert_eq!(parse(wrong, Edge::Start), None, "{wrong}");
        }
    }

    #[test]
    fn spans_are_parsed_in_seconds() {
        assert_eq!(parse_span("7d"), Some(604_800));
        assert_eq!(parse_span(" 12 h "), Some(43_200));
        assert_eq!(parse_span("4294967295w").map(|_| ()), Some(()));
        for wrong in ["", "d", "7", "-7d", "7 days", "1.5d", "７d", "99999999999d"] {
            assert_eq!(parse_span(wrong), None, "{wrong}");
        }
    }
}
