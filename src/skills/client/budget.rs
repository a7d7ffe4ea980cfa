//! How many notifications of a skill are forwarded: a token bucket.

use tokio::time::Instant;

use crate::limits::{SKILL_NOTIFICATIONS_BURST_MAX, SKILL_NOTIFICATIONS_PER_SECOND_MAX};

pub(super) struct NotificationBudget {
    tokens: f64,
    filled: Instant,
}

impl NotificationBudget {
    pub(super) fn full(now: Instant) -> NotificationBudget {
        NotificationBudget {
            tokens: f64::from(SKILL_NOTIFICATIONS_BURST_MAX),
            filled: now,
        }
    }

    /// Takes a token; whether there was one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        let more = seconds * f64::from(SKILL_NOTIFICATIONS_PER_SECOND_MAX);
        self.tokens = (self.tokens + more).min(f64::from(SKILL_NOTIFICATIONS_BURST_MAX));
        self.filled = now;
        let is_left = self.tokens >= 1.0;
        if is_left {
            self.tokens -= 1.0;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_gets_the_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut budget = NotificationBudget::full(start);
        let taken =
            |budget: &mut NotificationBudget, at| (0..100_000).filter(|_| budget.take(at)).count();
        assert_eq!(
            taken(&mut budget, start),
            SKILL_NOTIFICATIONS_BURST_MAX as usize
        );
        let later = start + Duration::from_secs(1);
        assert_eq!(
            taken(&mut budget, later),
            SKILL_NOTIFICATIONS_PER_SECOND_MAX as usize
        );
        let much_later = start + Duration::from_secs(3_600);
        assert_eq!(
            taken(&mut budget, much_later),
            SKILL_NOTIFICATIONS_BURST_MAX as usize
        );
    }
}
