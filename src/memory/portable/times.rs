//! The moments of imported memories, in the forms that programs write them.

use serde_json::Value;

use crate::clock::{Timestamp, Zone};
use crate::failure::Failure;
use crate::memory::moment::{self, Edge};

/// A moment at which something happened: ISO 8601, a date, or a number of seconds,
/// milliseconds, microseconds or nanoseconds since 1970, told apart by their size.
/// Refuses one that a wrong unit or clock has put into the far future.
pub(super) fn past(value: Option<&Value>, path: &str) -> Result<Option<Timestamp>, Failure> {
    let time = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => of_text(text.trim()),
        Some(Value::Number(number)) => number.as_f64().and_then(of_number),
        Some(_) => None,
    };
    let shown = value.map(Value::to_string).unwrap_or_default();
    let Some(time) = time else {
        let why = format!(
            "{shown} is not a moment like 2026-11-22T17:36:00Z, a date, or seconds since 1970"
        );
        return Err(Failure::invalid(path, why));
    };
    moment::within_years(time, &shown, path).map(Some)
}

/// Programs write times without an offset in it more often than in another.
const UTC: Zone = Zone::Utc;

fn of_text(text: &str) -> Option<Timestamp> {
    Timestamp::from_iso(text)
        .or_else(|| moment::parse(text, Edge::Start, UTC))
        .or_else(|| text.parse().ok().and_then(of_number))
}

fn of_number(number: f64) -> Option<Timestamp> {
    let size = number.abs();
    let micros = match size {
        _ if size < 1e11 => number * 1e6,
        _ if size < 1e14 => number * 1e3,
        _ if size < 1e17 => number,
        _ => number / 1e3,
    };
    (micros.is_finite() && micros.abs() < 9e18).then(|| Timestamp(micros.round() as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_read_in_every_form() {
        let read = |value: Value| {
            let time = past(Some(&value), "/created_at").map_err(|failure| failure.message);
            time.map(|time| time.map(Timestamp::to_iso_micros))
        };
        for (value, expected) in [
            (
                json!("2023-11-14T22:13:20.123456Z"),
                "2023-11-14T22:13:20.123456Z",
            ),
            (
                json!("2023-11-14T23:13:20+01:00"),
                "2023-11-14T22:13:20.000000Z",
            ),
            (json!("2023-11-14 22:13:20"), "2023-11-14T22:13:20.000000Z"),
            (json!("2023-11-14"), "2023-11-14T00:00:00.000000Z"),
            (json!(1_700_000_000), "2023-11-14T22:13:20.000000Z"),
            (json!(1_700_000_000.5), "2023-11-14T22:13:20.500000Z"),
            (json!(1_700_000_000_123_i64), "2023-11-14T22:13:20.123000Z"),
            (json!("1700000000123"), "2023-11-14T22:13:20.123000Z"),
            (
                json!(1_700_000_000_123_456_i64),
                "2023-11-14T22:13:20.123456Z",
            ),
        ] {
            assert_eq!(
                read(value.clone()),
                Ok(Some(expected.to_owned())),
                "{value}"
            );
        }
        assert_eq!(read(json!(null)), Ok(None));
        assert_eq!(read(json!(" ")), Ok(None));
        for wrong in [
            json!("yesterday"),
            json!(true),
            json!([1]),
            json!("2023-13-01"),
        ] {
            let why = read(wrong.clone()).expect_err("no moment");
            assert!(why.contains("is not a moment"), "{wrong}: {why}");
        }
        for far in [json!("2101-01-01"), json!(99_999_999_999_i64)] {
            let why = read(far.clone()).expect_err("too far");
            assert!(why.contains("is beyond the year 2100"), "{far}: {why}");
        }
    }
}
