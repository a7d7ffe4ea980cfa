//! Whether the clock can be trusted enough to erase memories. A wrong clock makes
//! recently forgotten ones look old, so after a jump a cleanup only archives, until as
//! much time has passed as a jump may hide. Pure.

use crate::clock::Timestamp;
use crate::limits;
use crate::store::retention::ClockEvidence;

const DAY: i64 = 24 * 3600;

/// The moment until which nothing is erased, if the clock jumped shortly before `at`. A
/// time without cleanups that is longer than half of `restore_days`, within bounds, is
/// taken for a jump: a clock that is ahead looks the same.
pub(super) fn held_until(
    at: Timestamp,
    evidence: &ClockEvidence,
    restore_days: u64,
) -> Option<Timestamp> {
    let (least, most) = (
        limits::RETENTION_JUMP_DAYS_MIN,
        limits::RETENTION_JUMP_DAYS_MAX,
    );
    let days = i64::try_from(restore_days / 2).unwrap_or(most);
    let pause_max = days.clamp(least, most) * DAY;
    let mut later = at;
    let earlier = evidence.runs.iter().copied().chain(evidence.written_before);
    for earlier in earlier {
        if later.plus_seconds(pause_max) <= at {
            return None;
        }
        if earlier.plus_seconds(pause_max) < later {
            return Some(later.plus_seconds(pause_max));
        }
        later = earlier;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp(0).plus_seconds(day * DAY)
    }

    fn held(at: i64, runs: &[i64], written: Option<i64>, restore_days: u64) -> Option<i64> {
        let evidence = ClockEvidence {
            runs: runs.iter().map(|nth| day(*nth)).collect(),
            written_before: written.map(day),
        };
        let until = held_until(day(at), &evidence, restore_days);
        until.map(|until| until.0 / (DAY * 1_000_000))
    }

    #[test]
    fn a_gap_before_a_recent_run_holds_erasing() {
        // With nothing to compare, the clock is trusted.
        assert_eq!(held(1000, &[], None, 90), None);
        // A year ahead, as seen by the last cleanup or the newest write.
        assert_eq!(held(1365, &[1000, 999], None, 90), Some(1400));
        assert_eq!(held(1365, &[], Some(1000), 90), Some(1400));
        // Later cleanups remember it, until time enough has passed.
        assert_eq!(held(1370, &[1369, 1368, 1365, 1000], None, 90), Some(1400));
        assert_eq!(held(1399, &[1398, 1380, 1365, 1000], None, 90), Some(1400));
        assert_eq!(held(1400, &[1398, 1380, 1365, 1000], None, 90), None);
        assert_eq!(held(1370, &[1365], Some(1000), 90), Some(1400));
        // Usual pauses.
        assert_eq!(held(1000, &[999, 998, 970, 950], Some(900), 90), None);
        assert_eq!(held(1000, &[965], None, 90), None);
        // What is kept for a short time is erased after short pauses only.
        assert_eq!(held(1000, &[997], None, 1), Some(1002));
        assert_eq!(held(1000, &[998], None, 1), None);
        assert_eq!(held(1000, &[990], None, 14), Some(1007));
    }
}
