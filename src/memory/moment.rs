//! Moments as people write them: dates and times, spans like `7d`, and words like
//! `yesterday`, in the user's time zone. Pure.

use chrono::{
    DateTime, Datelike, Days, Duration, Months, NaiveDate, NaiveDateTime, NaiveTime, Weekday,
};

use crate::clock::{Clock, Timestamp, Zone};
use crate::failure::Failure;
use crate::limits;
use crate::text::dates;

/// Which end of a period (a day, a week, a month) is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Its first moment: "since Monday".
    Start,
    /// The moment after its last: "until Friday" includes all of Friday.
    End,
}

/// The direction of a span that names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanDirection {
    Past,
    Future,
}

/// The accepted forms, for messages.
pub(crate) const FORMS: &str = "write a date or time (2026-11-20, 2026-11, \
     2026-11-20T17:36:00Z), a span (7d, 12h, P7D), or today, yesterday, tomorrow, this week, \
     last week, next month, monday, October, March 18, 3 days ago";

/// The current time in the user's zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    pub(crate) now: Timestamp,
    pub(crate) zone: Zone,
}

impl Here {
    pub(crate) fn of(clock: &dyn Clock) -> Here {
        Here {
            now: clock.now(),
            zone: clock.zone(),
        }
    }
}

/// Refuses a moment so far off that a wrong unit or clock must be the cause; `shown` is
/// how the caller wrote it.
pub(crate) fn within_years(time: Timestamp, shown: &str, path: &str) -> Result<Timestamp, Failure> {
    let year = DateTime::from_timestamp_micros(time.0).map(|time| time.year());
    let most = limits::MOMENT_YEAR_MAX;
    let why = match year {
        Some(year) if year < limits::MOMENT_YEAR_MIN => "is before the year 1".to_owned(),
        Some(year) if year <= most => return Ok(time),
        _ => format!("is beyond the year {most}"),
    };
    Err(Failure::invalid(path, format!("{shown} {why}")))
}

/// Reads every form of [`FORMS`].
pub(crate) fn read(
    text: &str,
    edge: Edge,
    direction: SpanDirection,
    here: Here,
) -> Option<Timestamp> {
    parse(text, edge, here.zone)
        .or_else(|| unix_time(text))
        .or_else(|| words(text, edge, here))
        .or_else(|| span(text, direction, here))
        .or_else(|| {
            let lower = text.to_lowercase();
            let words: Vec<&str> = lower.split_whitespace().collect();
            let (first, length) = date(&words, direction, here)?;
            edge_of(first, length, edge, here.zone)
        })
}

/// Seconds or milliseconds since 1970 of this century: the number of digits tells which.
fn unix_time(text: &str) -> Option<Timestamp> {
    let digits = text.trim();
    let digits = Some(digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let count: i64 = digits.parse().ok()?;
    match digits.len() {
        10 => Some(Timestamp(0).plus_seconds(count)),
        13 => Some(Timestamp(count * 1_000)),
        _ => None,
    }
}

/// A month, or a day of one, by its name in lower case: "october", "march 18", "the 3rd
/// of may 2023". Without a year it is the latest that has begun, or of the future the
/// first that has not ended.
pub(super) fn date(
    words: &[&str],
    direction: SpanDirection,
    here: Here,
) -> Option<(NaiveDate, Length)> {
    let words = match words {
        ["in" | "on", rest @ ..] => rest,
        _ => words,
    };
    let is_filler = |word: &&str| matches!(*word, "the" | "of" | "last");
    let parts = words.iter().filter(|word| !is_filler(word)).count();
    // A month that could be another word is one behind "in".
    let named = dates::named(&format!("in {}", words.join(" ")))?;
    let month = named.month?;
    // The words must be the date and nothing else.
    if parts != 1 + usize::from(named.day.is_some()) + usize::from(named.year.is_some()) {
        return None;
    }
    let length = match named.day {
        Some(_) => Length::Days(1),
        None => Length::Months(1),
    };
    let today = here.zone.local(here.now)?.date();
    let first_in = |year: i32| NaiveDate::from_ymd_opt(year, month, named.day.unwrap_or(1));
    let first = match (named.year, direction) {
        (Some(year), _) => first_in(year)?,
        (None, SpanDirection::Past) => first_in(today.year())
            .filter(|first| *first <= today)
            .or_else(|| first_in(today.year() - 1))?,
        (None, SpanDirection::Future) => first_in(today.year())
            .filter(|first| {
                let end = edge_of(*first, length, Edge::End, here.zone);
                end.is_some_and(|end| end > here.now)
            })
            .or_else(|| first_in(today.year() + 1))?,
    };
    Some((first, length))
}

/// Reads `2026-11-22`, `2026-11`, `2026`, `2026-11-22T17:36:00Z`, `2026-11-22 17:36`; in
/// `zone` where no offset is given.
pub(crate) fn parse(text: &str, edge: Edge, zone: Zone) -> Option<Timestamp> {
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
            return zone.instant(time);
        }
    }
    let is_padded = |bytes: usize| {
        let digits = |c: char| c.is_ascii_digit() || c == '-';
        text.len() == bytes && text.chars().all(digits)
    };
    if is_padded("2026-11-22".len()) {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return edge_of(day, Length::Days(1), edge, zone);
    }
    if is_padded("2026-11".len()) {
        let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok()?;
        return edge_of(first, Length::Months(1), edge, zone);
    }
    let year = text.parse().ok().filter(|_| is_padded("2026".len()))?;
    edge_of(
        NaiveDate::from_ymd_opt(year, 1, 1)?,
        Length::Months(12),
        edge,
        zone,
    )
}

/// Reads a span in seconds: `90s`, `30m`, `12h`, `7d`, `2w`.
pub(crate) fn parse_span(text: &str) -> Option<i64> {
    let text = text.trim();
    let (unit_at, unit) = text.char_indices().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => DAY_SECONDS,
        'w' => 7 * DAY_SECONDS,
        _ => return None,
    };
    let count: u32 = text[..unit_at].trim_end().parse().ok()?;
    i64::from(count).checked_mul(seconds)
}

const DAY_SECONDS: i64 = 24 * 3600;

/// How long something lasts: months have no number of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Seconds(i64),
    Days(u64),
    Months(u32),
}

/// An end of the period that begins on `first`.
pub(super) fn edge_of(
    first: NaiveDate,
    length: Length,
    edge: Edge,
    zone: Zone,
) -> Option<Timestamp> {
    let day = match (edge, length) {
        (Edge::Start, _) => first,
        (Edge::End, Length::Days(days)) => first.checked_add_days(Days::new(days))?,
        (Edge::End, Length::Months(months)) => first.checked_add_months(Months::new(months))?,
        (Edge::End, Length::Seconds(_)) => return None,
    };
    zone.instant(day.and_time(NaiveTime::MIN))
}

/// `now`, a day by its name, and the week, month or year before, of or after today.
fn words(text: &str, edge: Edge, here: Here) -> Option<Timestamp> {
    let text = text.trim().to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let today = here.zone.local(here.now)?.date();
    let day = |days: i64| {
        let day = today.checked_add_signed(Duration::days(days))?;
        edge_of(day, Length::Days(1), edge, here.zone)
    };
    match words[..] {
        ["now"] => Some(here.now),
        ["today"] => day(0),
        ["yesterday"] => day(-1),
        ["tomorrow"] => day(1),
        [name] | ["on", name] => day(-days_since(weekday(name)?, today)),
        ["the", "day", "before", "yesterday"] => day(-2),
        ["the", "day", "after", "tomorrow"] => day(2),
        [which, what] => {
            let nth = match which {
                "last" | "previous" => -1,
                "this" | "current" => 0,
                "next" => 1,
                _ => return None,
            };
            match weekday(what) {
                Some(weekday) => {
                    let since = days_since(weekday, today);
                    day(match nth {
                        // Today's own name means the day a week away.
                        -1 if since == 0 => -7,
                        1 => 7 - since,
                        _ => -since,
                    })
                }
                None => period(what, nth, today, edge, here.zone),
            }
        }
        _ => None,
    }
}

/// The day, week, month or year that is `nth` from today's.
fn period(what: &str, nth: i32, today: NaiveDate, edge: Edge, zone: Zone) -> Option<Timestamp> {
    let days = |first: NaiveDate, days: i64| first.checked_add_signed(Duration::days(days));
    let nth_days = i64::from(nth);
    let (first, length) = match what {
        "day" => (days(today, nth_days)?, Length::Days(1)),
        "week" => {
            let monday = days(today, -days_since(Weekday::Mon, today))?;
            (days(monday, 7 * nth_days)?, Length::Days(7))
        }
        "month" => {
            let months = today.year() * 12 + today.month0() as i32 + nth;
            let month0 = months.rem_euclid(12).unsigned_abs();
            let first = NaiveDate::from_ymd_opt(months.div_euclid(12), month0 + 1, 1)?;
            (first, Length::Months(1))
        }
        "year" => (
            NaiveDate::from_ymd_opt(today.year() + nth, 1, 1)?,
            Length::Months(12),
        ),
        _ => return None,
    };
    edge_of(first, length, edge, zone)
}

fn weekday(name: &str) -> Option<Weekday> {
    // The crate also parses short names.
    name.parse().ok()
}

/// Days since the latest such weekday, which may be today.
fn days_since(weekday: Weekday, today: NaiveDate) -> i64 {
    i64::from(today.weekday().days_since(weekday))
}

/// A span from now: `7d`, `P7D`, `3 days ago`, `last 2 weeks`, `past week`,
/// `in 3 months`.
fn span(text: &str, direction: SpanDirection, here: Here) -> Option<Timestamp> {
    let text = text.trim().to_lowercase();
    let without = |text: &str| -> (String, SpanDirection) {
        if let Some(rest) = text.strip_suffix(" ago") {
            return (rest.to_owned(), SpanDirection::Past);
        }
        for before in ["last ", "past ", "the last ", "the past "] {
            if let Some(rest) = text.strip_prefix(before) {
                // "the past week": its days, not a week of the calendar.
                let has_count =
                    rest.contains(' ') || rest.starts_with(|c: char| c.is_ascii_digit());
                let count = if has_count { "" } else { "a " };
                return (format!("{count}{rest}"), SpanDirection::Past);
            }
        }
        match text.strip_prefix("in ").or(text.strip_prefix("next ")) {
            Some(rest) => (rest.to_owned(), SpanDirection::Future),
            None => (text.to_owned(), direction),
        }
    };
    let (text, direction) = without(&text);
    let parts = match text.strip_prefix('p') {
        Some(iso) => iso_parts(iso)?,
        None => vec![one_part(&text)?],
    };
    let mut moment = here.now;
    for part in parts {
        moment = shifted(moment, part, direction, here.zone)?;
    }
    Some(moment)
}

fn shifted(from: Timestamp, by: Length, direction: SpanDirection, zone: Zone) -> Option<Timestamp> {
    let sign = match direction {
        SpanDirection::Past => -1,
        SpanDirection::Future => 1,
    };
    match by {
        Length::Seconds(seconds) => Some(from.plus_seconds(sign * seconds)),
        Length::Days(days) => {
            let seconds = i64::try_from(days).ok()?.checked_mul(DAY_SECONDS)?;
            Some(from.plus_seconds(sign * seconds))
        }
        Length::Months(months) => {
            let (local, months) = (zone.local(from)?, Months::new(months));
            zone.instant(match direction {
                SpanDirection::Past => local.checked_sub_months(months)?,
                SpanDirection::Future => local.checked_add_months(months)?,
            })
        }
    }
}

/// `7d`, `2 weeks`, `a month`.
fn one_part(text: &str) -> Option<Length> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit) = match (digits, text.split_once(' ')) {
        (0, Some(("a" | "an" | "one", unit))) => (1, unit),
        _ => (text[..digits].parse::<u32>().ok()?, text[digits..].trim()),
    };
    let seconds = |unit: i64| Some(Length::Seconds(i64::from(count).checked_mul(unit)?));
    match unit {
        "s" | "sec" | "second" | "seconds" => seconds(1),
        "m" | "min" | "minute" | "minutes" => seconds(60),
        "h" | "hour" | "hours" => seconds(3600),
        "d" | "day" | "days" => Some(Length::Days(u64::from(count))),
        "w" | "week" | "weeks" => Some(Length::Days(7 * u64::from(count))),
        "mo" | "month" | "months" => Some(Length::Months(count)),
        "y" | "year" | "years" => Some(Length::Months(count.checked_mul(12)?)),
        _ => None,
    }
}

/// What follows the P of an ISO 8601 duration, in lower case: `7d`, `1y6m`, `1dt12h`.
fn iso_parts(text: &str) -> Option<Vec<Length>> {
    let (date, time) = match text.split_once('t') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    let mut parts = Vec::new();
    for (mut rest, is_time) in [(date, false), (time, true)] {
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            let count: u32 = rest[..end].parse().ok()?;
            let unit = rest[end..].chars().next()?;
            rest = &rest[end + unit.len_utf8()..];
            let unit = match (unit, is_time) {
                ('y' | 'w' | 'd', false) => unit.to_string(),
                ('m', false) => "mo".to_owned(),
                ('h' | 'm' | 's', true) => unit.to_string(),
                _ => return None,
            };
            parts.push(one_part(&format!("{count}{unit}"))?);
        }
    }
    (!parts.is_empty()).then_some(parts)
}

#[cfg(test)]
#[path = "moment_tests.rs"]
mod tests;
