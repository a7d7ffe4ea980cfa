//! Skills, reloads and procedures. A skill's name is a label, so the series of
//! only so many names are told apart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::calls::Outcome;
use super::series::{CALL_BOUNDS, Counter, Durations, Gauge, Labels, Metric, label, write_counter};
use crate::limits::SKILL_NAMES_METERED_MAX;

label! {
    SkillState, "state", {
        Pending = "pending",
        Starting = "starting",
        Running = "running",
        Restarting = "restarting",
        Broken = "broken",
        Stopped = "stopped",
    }
}

label! {
    ReloadOutcome, "outcome", {
        Ok = "ok",
        /// Some skills of the new manifest did not start.
        Partial = "partial",
        Failed = "failed",
    }
}

label! {
    ExecutionStatus, "status", {
        Pending = "pending",
        Running = "running",
        WaitingApproval = "waiting_approval",
        Completed = "completed",
        RolledBack = "rolled_back",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

label! {
    StepOutcome, "outcome", {
        Done = "done",
        Failed = "failed",
    }
}

pub static SKILLS: Gauge<SkillState, { SkillState::COUNT }> =
    Gauge::new("skills", "Skills of the manifest, by state");
pub static TOOLS_QUARANTINED: Gauge<()> = Gauge::new(
    "tools_quarantined",
    "Tools of skills that may not be called until a person approves them",
);
pub static RELOADS: Counter<ReloadOutcome, { ReloadOutcome::COUNT }> =
    Counter::new("reloads", "Reloads of the skills");
pub static RELOAD_GENERATION: Gauge<()> =
    Gauge::new("reload_generation", "Reloads that took effect");
pub static RELOAD_LAST: Gauge<()> = Gauge::unset(
    "reload_last_seconds",
    "Unix time of the last reload that took effect",
);
pub static EXECUTIONS: Gauge<ExecutionStatus, { ExecutionStatus::COUNT }> =
    Gauge::unset("executions", "Stored executions of procedures");
pub static STEPS: Counter<StepOutcome, { StepOutcome::COUNT }> =
    Counter::new("steps", "Actions of procedures that this process performed");
pub static LEASES_LOST: Counter<()> = Counter::new(
    "leases_lost",
    "Executions that another process took over while this one ran them",
);

/// The name of all skills beyond the bound.
const OTHER: &str = "other";

/// The series of one skill.
struct SkillSeries {
    calls: Counter<Outcome, { Outcome::COUNT }>,
    seconds: Durations<13>,
    restarts: Counter<()>,
}

/// By name. An entry stays while the process runs, as a counter must.
static BY_NAME: RwLock<BTreeMap<String, SkillSeries>> = RwLock::new(BTreeMap::new());

/// Counts a call that a skill answered, or failed to answer.
pub(crate) fn called(skill: &str, outcome: Outcome, duration: Duration) {
    with(skill, |series| {
        series.calls.increment(outcome);
        series.seconds.observe(&CALL_BOUNDS, duration);
    });
}

pub(crate) fn restarted(skill: &str) {
    with(skill, |series| series.restarts.increment(()));
}

fn with(skill: &str, record: impl FnOnce(&SkillSeries)) {
    let known = BY_NAME.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(series) = known.get(skill) {
        return record(series);
    }
    drop(known);
    let mut known = BY_NAME.write().unwrap_or_else(PoisonError::into_inner);
    let name = match known.len() < SKILL_NAMES_METERED_MAX || known.contains_key(skill) {
        true => skill,
        false => OTHER,
    };
    let new = || SkillSeries {
        calls: Counter::new("", ""),
        seconds: Durations::new(),
        restarts: Counter::new("", ""),
    };
    record(known.entry(name.to_owned()).or_insert_with(new));
}

/// The metrics with a skill's name.
pub(super) struct BySkill;

impl Metric for BySkill {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let known = BY_NAME.read().unwrap_or_else(PoisonError::into_inner);
        let help = "Calls that were passed to skills, by outcome";
        let mut calls =
            encoder.encode_descriptor("skill_calls", help, None, MetricType::Counter)?;
        for (name, series) in known.iter() {
            for outcome in Outcome::ALL.iter().copied() {
                let count = series.calls.get(outcome);
                if count > 0 {
                    let labels = vec![("skill", name.as_str()), ("outcome", outcome.name())];
                    write_counter(&mut calls, labels, count)?;
                }
            }
        }
        let help = "Time in which skills answered";
        let mut seconds =
            encoder.encode_descriptor("skill_seconds", help, None, MetricType::Histogram)?;
        for (name, series) in known.iter() {
            let labels = vec![("skill", name.as_str())];
            series.seconds.encode(&mut seconds, &CALL_BOUNDS, labels)?;
        }
        let help = "Starts of skills after they ended by themselves";
        let mut restarts =
            encoder.encode_descriptor("skill_restarts", help, None, MetricType::Counter)?;
        for (name, series) in known.iter() {
            let labels = vec![("skill", name.as_str())];
            write_counter(&mut restarts, labels, series.restarts.get(()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_share_one_series() {
        for nth in 0..2 * SKILL_NAMES_METERED_MAX {
            restarted(&format!("bound-{nth}"));
        }
        called("one more", Outcome::SkillError, Duration::from_secs(1));
        let text = crate::meter::render();
        for line in [
            "mimo_skill_calls_total{skill=\"other\",outcome=\"skill_error\"} 1",
            "mimo_skill_seconds_bucket{skill=\"other\",le=\"1\"} 1",
        ] {
            assert!(text.lines().any(|each| each == line), "{line}");
        }
        let known = BY_NAME.read().expect("no panic under it");
        assert_eq!(known.len(), SKILL_NAMES_METERED_MAX + 1);
        assert!(known[OTHER].restarts.get(()) >= SKILL_NAMES_METERED_MAX as u64);
    }
}
