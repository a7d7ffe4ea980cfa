//! How many notifications and questions of a skill are forwarded: a token bucket.

use tokio::time::Instant;

use crate::limits;

pub(super) struct Budget {
    tokens: f64,
    filled: Instant,
    burst: u32,
    per_second: u32,
}

impl Budget {
    pub(super) fn of_notifications(now: Instant) -> Budget {
        let rate = limits::SKILL_NOTIFICATIONS_PER_SECOND_MAX;
        Budget::full(limits::SKILL_NOTIFICATIONS_BURST_MAX, rate, now)
    }

    pub(super) fn of_questions(now: Instant) -> Budget {
        let rate = limits::SKILL_QUESTIONS_PER_SECOND_MAX;
        Budget::full(limits::SKILL_QUESTIONS_BURST_MAX, rate, now)
    }

    fn full(burst: u32, per_second: u32, now: Instant) -> Budget {
        Budget {
            tokens: f64::from(burst),
            filled: now,
            burst,
            per_second,
        }
    }

    /// Takes a token; whether there was one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        let more = seconds * f64::from(self.per_second);
        self.tokens = (self.tokens + more).min(f64::from(self.burst));
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
        let taken = |budget: &mut Budget, at| (0..100_000).filter(|_| budget.take(at)).count();
        for mut budget in [Budget::of_notifications(start), Budget::of_questions(start)] {
            let (burst, rate) = (budget.burst as usize, budget.per_second as usize);
            assert_eq!(taken(&mut budget, start), burst);
            let later = start + Duration::from_secs(1);
            assert_eq!(taken(&mut budget, later), rate);
            let much_later = start + Duration::from_secs(3_600);
            assert_eq!(taken(&mut budget, much_later), burst);
        }
    }
}
