//! The calls of the last minutes, to look at a process without Prometheus.

use std::collections::VecDeque;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use crate::limits::HISTORY_MINUTES;

static HISTORY: LazyLock<(Instant, Mutex<History>)> =
    LazyLock::new(|| (Instant::now(), Mutex::default()));

/// Calls of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Minute {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
}

/// Minutes with a call, by their number; the newest last.
#[derive(Default)]
struct History(VecDeque<(u64, Minute)>);

impl History {
    fn record(&mut self, number: u64, is_failed: bool) {
        if self.0.back().is_none_or(|(newest, _)| *newest < number) {
            self.0.push_back((number, Minute::default()));
            while self.0.len() > HISTORY_MINUTES {
                self.0.pop_front();
            }
        }
        if let Some((_, minute)) = self.0.back_mut() {
            minute.calls += 1;
            minute.failed += u64::from(is_failed);
        }
    }

    /// The minutes that end with `number`, the newest last.
    fn until(&self, number: u64) -> [Minute; HISTORY_MINUTES] {
        let mut minutes = [Minute::default(); HISTORY_MINUTES];
        for (each, minute) in &self.0 {
            let ago = usize::try_from(number.saturating_sub(*each)).unwrap_or(usize::MAX);
            if ago < HISTORY_MINUTES {
                minutes[HISTORY_MINUTES - 1 - ago] = *minute;
            }
        }
        minutes
    }
}

fn now() -> u64 {
    HISTORY.0.elapsed().as_secs() / 60
}

pub(super) fn record(is_failed: bool) {
    let now = now();
    let mut history = HISTORY.1.lock().unwrap_or_else(PoisonError::into_inner);
    history.record(now, is_failed);
}

/// The last minutes, the current one last.
pub(crate) fn minutes() -> [Minute; HISTORY_MINUTES] {
    let now = now();
    let history = HISTORY.1.lock().unwrap_or_else(PoisonError::into_inner);
    history.until(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_counted_and_old_ones_leave() {
        let mut history = History::default();
        for (number, is_failed) in [(0, true), (3, false), (3, true), (4, false)] {
            history.record(number, is_failed);
        }
        let until = |history: &History, number| -> Vec<(usize, u64, u64)> {
            let minutes = history.until(number);
            let busy = minutes.iter().enumerate();
            let busy = busy.filter(|(_, minute)| **minute != Minute::default());
            busy.map(|(at, minute)| (at, minute.calls, minute.failed))
                .collect()
        };
        let last = HISTORY_MINUTES - 1;
        assert_eq!(
            until(&history, 5),
            [(last - 5, 1, 1), (last - 2, 2, 1), (last - 1, 1, 0)]
        );
        let day = 24 * 60;
        assert_eq!(until(&history, day), []);
        for number in 0..day {
            history.record(day + number, false);
        }
        assert_eq!(history.0.len(), HISTORY_MINUTES);
        assert_eq!(until(&history, 2 * day - 1).len(), HISTORY_MINUTES);
    }
}
