//! Skills for the page: tools that wait for approval with their changes, and logs.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Arguments, only_local};
use crate::caller::Grants;
use crate::clock::Clock;
use crate::failure::{Failure, Kind};
use crate::limits::{ASK_SECONDS_MAX, VIEW_LOG_ENTRIES_MAX};
use crate::registry::approvals::{Approvals, PendingTool};
use crate::registry::instances::{self, Command};
use crate::registry::tool_cache::ToolCache;
use crate::registry::{FirstUse, SkillName};
use crate::skills::client::Tool;
use crate::skills::logs::{self, Reader};
use crate::skills::manifest;

/// Where the state of skills is kept.
pub(crate) struct SkillFiles {
    pub(crate) approvals: Approvals,
    pub(crate) cache: ToolCache,
    pub(crate) first_use: FirstUse,
    pub(crate) manifest: PathBuf,
    pub(crate) logs: PathBuf,
    /// Where running Mimos take commands.
    pub(crate) running: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
}

impl SkillFiles {
    pub(super) async fn pending(&self, grants: &Grants) -> Result<Value, Failure> {
        let pending = self.find_pending(grants).await?;
        let shown = pending.iter().map(|each| {
            json!({
                "skill": each.skill.as_str(),
                "tool": each.tool.name,
                "why": each.why,
                "difference": each.difference,
                "mark": each.mark(),
            })
        });
        let shown: Vec<Value> = shown.collect();
        Ok(json!({"pending": shown, "can_decide": grants.is_local}))
    }

    /// Approves a tool as it was shown: `mark` says what that was.
    pub(super) async fn approve(
        &self,
        grants: &Grants,
        arguments: &Arguments<'_>,
    ) -> Result<Value, Failure> {
        only_local(grants, "mimo skill approve")?;
        let (skill, tool) = (arguments.required("skill")?, arguments.required("tool")?);
        let mark = arguments.required("mark")?;
        let pending = self.find_pending(grants).await?.into_iter();
        let mut pending = pending.filter(|each| each.skill.as_str() == skill);
        let found = pending.find(|each| each.tool.name == tool && each.mark() == mark);
        let found = found.ok_or_else(|| {
            let message = format!("{tool} of {skill} does not wait as it was shown");
            Failure::new(Kind::Conflict, message).hint("load the page again and look once more")
        })?;
        let approved = [(found.skill, found.identity, found.tool)];
        self.approvals.approve(&approved).await?;
        self.tell_running().await;
        Ok(json!({"skill": skill, "tool": tool}))
    }

    async fn find_pending(&self, grants: &Grants) -> Result<Vec<PendingTool>, Failure> {
        let pins = self.approvals.load().await?;
        // A manifest with mistakes keeps its skills from running, and is named in the status.
        let names = manifest::names(&self.manifest).unwrap_or_default();
        let is_wanted = |skill: &SkillName, _: &Tool| {
            names.contains(skill) && grants.allow_skill(skill.as_str())
        };
        Ok(PendingTool::all(
            &pins,
            &self.cache,
            self.first_use,
            is_wanted,
        ))
    }

    /// Has every Mimo on this folder read the approvals, this one too. One that does
    /// not answer reads them when it starts.
    async fn tell_running(&self) {
        let timeout = Duration::from_secs(ASK_SECONDS_MAX);
        let id = self.clock.new_id();
        let told = match instances::running_instances(&self.running) {
            Ok(running) => {
                let command = Command::Approvals;
                instances::send_command(&self.running, running, command, &id, timeout).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::warn!(%error, "running Mimos were not told of the approval");
        }
    }

    /// The last entries of a skill's log.
    pub(super) async fn logs(
        &self,
        grants: &Grants,
        arguments: &Arguments<'_>,
    ) -> Result<Value, Failure> {
        let name = arguments.required("skill")?;
        if !grants.operates || !grants.allow_skill(name) {
            return Err(Failure::new(Kind::Refused, "this key may not read logs")
                .hint("use a key with the scope admin"));
        }
        let limit = arguments.number("limit").unwrap_or(VIEW_LOG_ENTRIES_MAX);
        let (folder, name) = (self.logs.clone(), name.to_owned());
        let read = move || -> io::Result<Vec<logs::Entry>> {
            let mut names = logs::names(&folder)?.into_iter();
            match names.find(|skill| skill.as_str() == name) {
                Some(skill) => Ok(Reader::open(&folder, &skill)?.1),
                None => Ok(Vec::new()),
            }
        };
        let read = tokio::task::spawn_blocking(read).await;
        let entries = read.map_err(io::Error::other).flatten().map_err(|error| {
            Failure::new(
                Kind::Unavailable,
                format!("the log cannot be read: {error}"),
            )
        })?;
        let from = entries
            .len()
            .saturating_sub(limit.min(VIEW_LOG_ENTRIES_MAX));
        Ok(json!({"entries": &entries[from..]}))
    }
}
