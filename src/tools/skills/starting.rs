//! Waits for skills that are starting to list their tools.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Skills;
use crate::caller::Grants;
use crate::limits;
use crate::registry::SkillStatus;
use crate::tools::Progress;

/// The wait of one search for the lists that it lacks.
pub(super) struct ListWait<'a> {
    skills: &'a Skills,
    /// The one skill that is searched.
    server: Option<&'a str>,
    progress: Progress,
    changes: watch::Receiver<u64>,
    began: Instant,
    /// Seconds in the last report.
    reported: Option<u64>,
    grants: Option<Arc<Grants>>,
}

impl<'a> ListWait<'a> {
    /// Created before the first search, so that no change after it is missed.
    /// Awaits no skill that `grants` leave out.
    pub(super) fn new(
        skills: &'a Skills,
        server: Option<&'a str>,
        progress: Progress,
        grants: Option<Arc<Grants>>,
    ) -> Self {
        let mut changes = skills.changes();
        changes.mark_unchanged();
        ListWait {
            skills,
            server,
            progress,
            changes,
            began: Instant::now(),
            reported: None,
            grants,
        }
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Waits until the tools on offer change, which it returns, no awaited skill is
    /// starting any more, or `end` has passed.
    pub(super) async fn until_changed(&mut self, end: Instant) -> bool {
        loop {
            // Read before the count of changes, which a skill that has just listed its
            // tools has raised by then.
            let starting = self.starting();
            if self.changes.has_changed().unwrap_or(false) {
                self.changes.mark_unchanged();
                return true;
            }
            if starting.is_empty() || Instant::now() >= end {
                return false;
            }
            self.report(&starting);
            // A failed start changes no list, so the states are polled too.
            let look = Duration::from_millis(limits::SKILL_POLL_MILLIS_MAX);
            if let Ok(Ok(())) = tokio::time::timeout(look, self.changes.changed()).await {
                return true;
            }
        }
    }

    /// The skills whose tools are awaited. Without a server, a skill that has failed
    /// before does not delay the tools of others: the reason is known.
    fn starting(&self) -> Vec<SkillStatus> {
        let statuses = self.skills.registry.statuses().into_iter();
        let awaited = |status: &SkillStatus| match self.server {
            Some(server) => status.name.as_str() == server,
            None => status.ended.is_none(),
        };
        let grants = self.grants.as_ref();
        let allowed = |status: &SkillStatus| {
            grants.is_none_or(|grants| grants.allow_skill(status.name.as_str()))
        };
        statuses
            .filter(|status| is_starting(status) && awaited(status) && allowed(status))
            .collect()
    }

    /// Reports the seconds so far, once for each.
    fn report(&mut self, starting: &[SkillStatus]) {
        let seconds = self.began.elapsed().as_secs();
        if self.progress.is_wanted() && self.reported.is_none_or(|last| last < seconds) {
            self.reported = Some(seconds);
            let names = starting
                .iter()
                .map(|status| match self.skills.installing(&status.name) {
                    Some(step) => format!("{} (installing {step})", status.name),
                    None => status.name.to_string(),
                });
            let names = names.collect::<Vec<_>>().join(", ");
            let message = format!("waiting for skills to start: {names}");
            self.progress.report(seconds as f64, None, Some(message));
        }
    }
}

fn is_starting(status: &SkillStatus) -> bool {
    status.state == "starting" && status.tools == 0
}

impl Skills {
    /// Waits for the tool lists of skills that are starting, or of `server` only. For
    /// all of them the wait is short once other tools are known, and there is none
    /// long after the start, so a hanging skill does not delay questions.
    pub(super) async fn wait_for_lists(&self, server: Option<&str>) {
        self.ready().await;
        let mut waiting = ListWait::new(self, server, Progress::default(), None);
        let most = Duration::from_secs(limits::SKILL_LIST_SECONDS_MAX);
        let last = match server {
            Some(_) => waiting.began + most,
            None => self.began + most,
        };
        let soon = waiting.began + Duration::from_millis(limits::SKILL_LIST_MILLIS_MAX);
        loop {
            let end = match server.is_none() && !self.exposed().offers().is_empty() {
                true => soon.min(last),
                false => last,
            };
            if !waiting.until_changed(end).await {
                return;
            }
        }
    }
}
