//! Time and random ids. Everything else takes a [`Clock`], so that a test can fix
//! them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{
    DateTime, Datelike, Duration, Local, NaiveDateTime, SecondsFormat, TimeZone, Timelike,
};
use jiff::tz::AmbiguousOffset;

/// Microseconds since 1970-01-01T00:00:00Z: an integer, which every store orders
/// in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// `2026-11-22T17:36:00Z`, to the second.
    pub fn to_iso(self) -> String {
        DateTime::from_timestamp_micros(self.0)
            .map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
            .unwrap_or_else(|| format!("{}us", self.0))
    }

    /// `2026-11-22T17:36:00.000001Z`; outside the years 0 to 9999, microseconds
    /// with their unit.
    pub(crate) fn to_iso_micros(self) -> String {
        DateTime::from_timestamp_micros(self.0)
            .filter(|time| (0..=9999).contains(&time.year()))
            .map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
            .unwrap_or_else(|| format!("{}us", self.0))
    }

    /// Reads what [`Timestamp::to_iso_micros`] writes, and RFC 3339 in general.
    pub(crate) fn from_iso(text: &str) -> Option<Timestamp> {
        if let Some(micros) = text.strip_suffix("us") {
            return micros.parse().ok().map(Timestamp);
        }
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Timestamp(time.timestamp_micros()))
    }

    /// `2026-11-22`, the day in UTC.
    pub(crate) fn to_day(self) -> String {
        self.to_iso().chars().take("2026-11-22".len()).collect()
    }

    /// Saturates.
    pub fn plus_seconds(self, seconds: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}

/// Where the user's days begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// As the machine is set.
    Machine,
    Utc,
    Named(&'static jiff::tz::TimeZone),
}

impl Zone {
    /// A zone of the IANA database by its name, such as `Europe/Berlin`. It is kept for
    /// the life of the process, which has only one.
    pub(crate) fn named(name: &str) -> Option<Zone> {
        let zone = jiff::tz::TimeZone::get(name).ok()?;
        // The crate takes names in any case.
        let is_exact = zone.iana_name() == Some(name);
        is_exact.then(|| Zone::Named(Box::leak(Box::new(zone))))
    }

    /// The moment at which clocks there show this time: the first one if they are set
    /// back and show it twice, the moment of the change if they are set forward past
    /// it.
    pub(crate) fn instant(self, shown: NaiveDateTime) -> Option<Timestamp> {
        // No change of the clocks skips more than a day.
        let minutes = 0..24 * 60;
        let mut later = minutes.map(|minutes| shown.checked_add_signed(Duration::minutes(minutes)));
        later.find_map(|shown| self.earliest(shown?))
    }

    /// The first moment at which clocks there show this time, if they ever do.
    fn earliest(self, shown: NaiveDateTime) -> Option<Timestamp> {
        let utc = match self {
            Zone::Machine => Local.from_local_datetime(&shown).earliest()?.naive_utc(),
            Zone::Utc => shown,
            Zone::Named(zone) => match zone.to_ambiguous_timestamp(civil(shown)?).offset() {
                AmbiguousOffset::Unambiguous { offset }
                | AmbiguousOffset::Fold { before: offset, .. } => {
                    shown.checked_sub_signed(seconds(offset))?
                }
                AmbiguousOffset::Gap { .. } => return None,
            },
        };
        Some(Timestamp(utc.and_utc().timestamp_micros()))
    }

    /// The local time there.
    pub(crate) fn local(self, at: Timestamp) -> Option<NaiveDateTime> {
        let utc = DateTime::from_timestamp_micros(at.0)?.naive_utc();
        match self {
            Zone::Machine => Some(Local.from_utc_datetime(&utc).naive_local()),
            Zone::Utc => Some(utc),
            Zone::Named(zone) => {
                let at = jiff::Timestamp::from_microsecond(at.0).ok()?;
                utc.checked_add_signed(seconds(zone.to_offset(at)))
            }
        }
    }
}

fn seconds(offset: jiff::tz::Offset) -> Duration {
    Duration::seconds(i64::from(offset.seconds()))
}

fn civil(shown: NaiveDateTime) -> Option<jiff::civil::DateTime> {
    let small = |number: u32| i8::try_from(number).ok();
    let (date, time) = (shown.date(), shown.time());
    let nanos = i32::try_from(time.nanosecond()).ok()?;
    jiff::civil::DateTime::new(
        i16::try_from(date.year()).ok()?,
        small(date.month())?,
        small(date.day())?,
        small(time.hour())?,
        small(time.minute())?,
        small(time.second())?,
        // A leap second has more than a second's.
        nanos.min(999_999_999),
    )
    .ok()
}

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
    /// The time zone of the days that the user names.
    fn zone(&self) -> Zone {
        Zone::Utc
    }
    /// 16 random lower-case hex digits.
    fn new_id(&self) -> String;
    /// Fills `bytes` from a cryptographically secure source.
    fn fill_random(&self, bytes: &mut [u8]);
}

/// The operating system's clock and random source.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn new_id(&self) -> String {
        let mut bytes = [0u8; 8];
        self.fill_random(&mut bytes);
        format!("{:016x}", u64::from_le_bytes(bytes))
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// The operating system's clock for a user, whose settings may name a time zone.
#[derive(Debug, Default)]
pub(crate) struct UserClock(OnceLock<Zone>);

impl UserClock {
    /// Sets the zone of the settings; only the first call counts.
    pub(crate) fn set_zone(&self, zone: Zone) {
        let _is_first = self.0.set(zone);
    }
}

impl Clock for UserClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn zone(&self) -> Zone {
        self.0.get().copied().unwrap_or(Zone::Machine)
    }

    fn new_id(&self) -> String {
        SystemClock.new_id()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        SystemClock.fill_random(bytes);
    }
}

/// A clock for tests: time changes only by [`FixedClock::advance_seconds`], ids
/// count up, and random bytes are different each time and the same in each run.
#[derive(Debug, Default)]
pub struct FixedClock {
    now: AtomicI64,
    ids: AtomicU64,
}

impl FixedClock {
    pub fn at(start: Timestamp) -> Self {
        FixedClock {
            now: AtomicI64::new(start.0),
            ids: AtomicU64::new(0),
        }
    }

    pub fn advance_seconds(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    fn new_id(&self) -> String {
        format!("{:016x}", self.ids.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let count = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
            // The multiplier spreads a small count over all bytes.
            let spread = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            chunk.copy_from_slice(&spread[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_survive_formatting_and_parsing() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_348_800_000_001, "2026-11-22T12:00:00.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
            (253_402_300_800_000_000, "253402300800000000us"),
            (i64::MAX, "9223372036854775807us"),
            (i64::MIN, "-9223372036854775808us"),
        ] {
            assert_eq!(Timestamp(micros).to_iso_micros(), text);
            assert_eq!(Timestamp::from_iso(text), Some(Timestamp(micros)));
        }
        for wrong in ["", "us", "2026-11-22", "1.5us", "now"] {
            assert_eq!(Timestamp::from_iso(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn clocks_that_are_put_back_or_forward_show_a_moment_of_their_own() {
        let zone = Zone::named("America/New_York").expect("it is there");
        for (shown, is, then) in [
            (
                "2026-07-01 12:00:00",
                "2026-07-01T16:00:00Z",
                "2026-07-01 12:00:00",
            ),
            // Shown twice, and never.
            (
                "2026-11-01 01:30:00",
                "2026-11-01T05:30:00Z",
                "2026-11-01 01:30:00",
            ),
            (
                "2026-03-08 02:30:00",
                "2026-03-08T07:00:00Z",
                "2026-03-08 03:00:00",
            ),
            (
                "1850-01-01 00:00:00",
                "1850-01-01T04:56:02Z",
                "1850-01-01 00:00:00",
            ),
        ] {
            let read = |text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S");
            let instant = zone
                .instant(read(shown).expect("a time"))
                .expect("a moment");
            assert_eq!(instant.to_iso(), is);
            assert_eq!(zone.local(instant), read(then).ok());
        }
        for wrong in ["america/new_york", "America/Nowhere", "EST5", ""] {
            assert_eq!(Zone::named(wrong), None, "{wrong}");
        }
        assert!(Zone::named("UTC").is_some());
    }
}
