//! Every form of a moment, in two time zones and over a change of the clocks.

use super::*;

const UTC: Zone = Zone::Utc;

fn berlin() -> Zone {
    Zone::named("Europe/Berlin").expect("it is there")
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_iso(text).expect("a time")
}

/// A Thursday.
const NOW: &str = "2026-11-26T12:30:00Z";

fn shown(
    text: &str,
    edge: Edge,
    direction: SpanDirection,
    now: &str,
    zone: Zone,
) -> Option<String> {
    let here = Here { now: at(now), zone };
    read(text, edge, direction, here).map(Timestamp::to_iso)
}

#[test]
fn periods_have_two_ends() {
    for (text, start, end) in [
        ("2026-11-20", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("2026-11", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2025", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("today", "2026-11-26T00:00:00Z", "2026-11-27T00:00:00Z"),
        (
            " Yesterday ",
            "2026-11-25T00:00:00Z",
            "2026-11-26T00:00:00Z",
        ),
        ("tomorrow", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"),
        ("this week", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("last week", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("next week", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"),
        ("last month", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("this month", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("next month", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("last year", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("last day", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"),
        ("monday", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
        ("on Monday", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
        ("thursday", "2026-11-26T00:00:00Z", "2026-11-27T00:00:00Z"),
        (
            "last thursday",
            "2026-11-19T00:00:00Z",
            "2026-11-20T00:00:00Z",
        ),
        (
            "last friday",
            "2026-11-20T00:00:00Z",
            "2026-11-21T00:00:00Z",
        ),
        (
            "next thursday",
            "2026-12-03T00:00:00Z",
            "2026-12-04T00:00:00Z",
        ),
        ("next fri", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"),
        (
            "the day before yesterday",
            "2026-11-24T00:00:00Z",
            "2026-11-25T00:00:00Z",
        ),
        ("October", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        (
            "in december",
            "2025-12-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
        ),
        ("may", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ("Nov 2025", "2025-11-01T00:00:00Z", "2025-12-01T00:00:00Z"),
        ("March 18", "2026-03-18T00:00:00Z", "2026-03-19T00:00:00Z"),
        (
            "the 3rd of May, 2023",
            "2023-05-03T00:00:00Z",
            "2023-05-04T00:00:00Z",
        ),
    ] {
        for (edge, expected) in [(Edge::Start, start), (Edge::End, end)] {
            let found = shown(text, edge, SpanDirection::Past, NOW, UTC);
            assert_eq!(found.as_deref(), Some(expected), "{text} {edge:?}");
        }
    }
}

#[test]
fn times_and_spans_are_moments() {
    for (text, past, future) in [
        (
            "2026-11-22T17:36:05Z",
            "2026-11-22T17:36:05Z",
            "2026-11-22T17:36:05Z",
        ),
        (
            "2026-11-22T17:36:05+02:00",
            "2026-11-22T15:36:05Z",
            "2026-11-22T15:36:05Z",
        ),
        (
            "2026-11-22 17:36",
            "2026-11-22T17:36:00Z",
            "2026-11-22T17:36:00Z",
        ),
        ("now", NOW, NOW),
        ("7d", "2026-11-19T12:30:00Z", "2026-12-03T12:30:00Z"),
        ("7 D", "2026-11-19T12:30:00Z", "2026-12-03T12:30:00Z"),
        ("P7D", "2026-11-19T12:30:00Z", "2026-12-03T12:30:00Z"),
        ("p1w", "2026-11-19T12:30:00Z", "2026-12-03T12:30:00Z"),
        ("1 week", "2026-11-19T12:30:00Z", "2026-12-03T12:30:00Z"),
        ("a week", "2026-11-19T12:30:00Z", "2026-12-03T12:30:00Z"),
        ("30m", "2026-11-26T12:00:00Z", "2026-11-26T13:00:00Z"),
        ("PT30M", "2026-11-26T12:00:00Z", "2026-11-26T13:00:00Z"),
        ("P1DT12H", "2026-11-25T00:30:00Z", "2026-11-28T00:30:00Z"),
        ("P1M", "2026-10-26T12:30:00Z", "2026-12-26T12:30:00Z"),
        ("9 months", "2026-02-26T12:30:00Z", "2027-08-26T12:30:00Z"),
        ("P1Y6M", "2025-05-26T12:30:00Z", "2028-05-26T12:30:00Z"),
        ("3 days ago", "2026-11-23T12:30:00Z", "2026-11-23T12:30:00Z"),
        (
            "last 24 hours",
            "2026-11-25T12:30:00Z",
            "2026-11-25T12:30:00Z",
        ),
        ("last 7d", "2026-11-19T12:30:00Z", "2026-11-19T12:30:00Z"),
        ("past week", "2026-11-19T12:30:00Z", "2026-11-19T12:30:00Z"),
        ("1795696200", "2026-11-26T12:30:00Z", "2026-11-26T12:30:00Z"),
        (
            "1795696200000",
            "2026-11-26T12:30:00Z",
            "2026-11-26T12:30:00Z",
        ),
        ("in 2 days", "2026-11-28T12:30:00Z", "2026-11-28T12:30:00Z"),
    ] {
        for (direction, expected) in [(SpanDirection::Past, past), (SpanDirection::Future, future)]
        {
            for edge in [Edge::Start, Edge::End] {
                let found = shown(text, edge, direction, NOW, UTC);
                assert_eq!(found.as_deref(), Some(expected), "{text} {direction:?}");
            }
        }
    }
}

#[test]
fn months_of_plans_are_those_to_come() {
    for (text, expected) in [
        ("October", "2027-11-01T00:00:00Z"),
        ("november", "2026-12-01T00:00:00Z"),
        ("in December", "2027-01-01T00:00:00Z"),
        ("Nov 25", "2027-11-26T00:00:00Z"),
        ("Nov 26", "2026-11-27T00:00:00Z"),
    ] {
        let found = shown(text, Edge::End, SpanDirection::Future, NOW, UTC);
        assert_eq!(found.as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn days_are_those_of_the_zone() {
    for (text, now, expected) in [
        // In Berlin it is the 27th already.
        ("today", "2026-11-26T23:30:00Z", "2026-11-26T23:00:00Z"),
        ("yesterday", "2026-11-26T23:30:00Z", "2026-11-25T23:00:00Z"),
        ("2026-07-01", NOW, "2026-06-30T22:00:00Z"),
        ("2026-11", NOW, "2026-10-31T23:00:00Z"),
        ("2026-11-22 17:36", NOW, "2026-11-22T16:36:00Z"),
        ("2026-11-22T17:36:00Z", NOW, "2026-11-22T17:36:00Z"),
        // The night the clocks went forward has no half past two.
        ("2026-03-29 02:30", NOW, "2026-03-29T01:00:00Z"),
        // When they went back it had two; the earlier one counts.
        ("2026-10-25 02:30", NOW, "2026-10-25T00:30:00Z"),
        ("yesterday", "2026-10-26T10:00:00Z", "2026-10-24T22:00:00Z"),
    ] {
        let found = shown(text, Edge::Start, SpanDirection::Past, now, berlin());
        assert_eq!(found.as_deref(), Some(expected), "{text}");
    }
    // That day had 25 hours.
    let end = shown("2026-10-25", Edge::End, SpanDirection::Past, NOW, berlin());
    assert_eq!(end.as_deref(), Some("2026-10-25T23:00:00Z"));
}

#[test]
fn what_is_no_moment_is_refused() {
    for wrong in [
        "",
        " ",
        "soon",
        "2026-13-01",
        "2026-13",
        "2025-02-29",
        "22.11.2026",
        "26-11-22",
        "7",
        "d",
        "-7d",
        "1.5d",
        "７d",
        "P",
        "PT",
        "P7",
        "P7X",
        "7 lightyears",
        "last",
        "last blue",
        "99999999999d",
        "99999999y",
        "yesterday 2026",
        "2026-11-22T25:00",
        "0000-00",
        "P1DT",
        "-123456789",
        "12 March 18",
        "March April",
        "late March",
        "ago",
        "3 ago",
        "in",
        "in ",
    ] {
        let found = shown(wrong, Edge::Start, SpanDirection::Past, NOW, UTC);
        assert_eq!(found, None, "{wrong}");
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
