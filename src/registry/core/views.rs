//! Reads the core's state: tools on offer, statuses, and the skills that run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Core, State};
use crate::meter::skills as metrics;
use crate::registry::list_cache::{Items, List};
use crate::registry::pins::ApprovalState;
use crate::registry::table::Skill;
use crate::registry::tool_cache::fingerprint;
use crate::registry::{OfferedTool, PendingApproval, SkillStatus};
use crate::skills::client::SkillClient;
use crate::skills::job::first_error_line;
use crate::skills::spec::{SkillName, SkillSpec};

impl Core {
    pub(in crate::registry) fn offered_tools(&self) -> Vec<OfferedTool> {
        let state = self.state();
        let mut offered = Vec::new();
        for (name, skill) in state.table.skills() {
            let judged = state.judged.get(name);
            for tool in skill.tools.iter().flat_map(|tools| tools.iter()) {
                let approval = judged.and_then(|judged| judged.approvals.get(&tool.name));
                offered.push(OfferedTool {
                    skill: name.clone(),
                    tool: tool.clone(),
                    approval: approval.cloned().unwrap_or(ApprovalState::Unknown),
                    expose: skill.spec.expose,
                });
            }
        }
        offered
    }

    pub(in crate::registry) fn pending_approvals(&self) -> Vec<PendingApproval> {
        let pending = |offered: OfferedTool| {
            let why = match offered.approval {
                // A tool that is not compared with the pins yet needs no decision.
                ApprovalState::Approved | ApprovalState::Unknown => return None,
                ApprovalState::New => "nobody has approved it yet",
                ApprovalState::Changed(_) => "it is not what was approved any more",
            };
            Some(PendingApproval {
                skill: offered.skill,
                tool: offered.tool.name,
                why,
            })
        };
        self.offered_tools()
            .into_iter()
            .filter_map(pending)
            .collect()
    }

    pub(in crate::registry) fn statuses(&self) -> Vec<SkillStatus> {
        let state = self.state();
        let status = |(name, skill): (&SkillName, &Skill)| {
            let child = skill.state.run().and_then(|run| state.children.get(&run));
            let ready = child.and_then(|child| child.ready.as_ref());
            let tail = child.map(|child| child.job.stderr_tail());
            let stderr_tail = tail
                .filter(|tail| !tail.is_empty())
                .or_else(|| state.stderr_tails.get(name).cloned())
                .unwrap_or_default();
            SkillStatus {
                name: name.clone(),
                state: skill.state.name(),
                pid: ready.map(|(_, pid)| *pid),
                tools: skill.tools.as_ref().map_or(0, |tools| tools.len()),
                restarts: skill.restarts,
                ended: skill.ended.clone(),
                first_error: first_error_line(&stderr_tail).map(str::to_owned),
                stderr_tail,
                faults: ready.map_or(0, |(client, _)| faults(client)),
                notes: ready.map(|(client, _)| client.notes()).unwrap_or_default(),
                junk_lines: ready
                    .map(|(client, _)| client.junk_lines())
                    .unwrap_or_default(),
                instructions: self.list_cache.instructions(&fingerprint(&skill.spec)),
            }
        };
        state.table.skills().iter().map(status).collect()
    }

    pub(in crate::registry) fn specs(&self) -> Vec<Arc<SkillSpec>> {
        let state = self.state();
        let skills = state.table.skills().values();
        skills.map(|skill| skill.spec.clone()).collect()
    }

    pub(in crate::registry) fn spec(&self, name: &SkillName) -> Option<SkillSpec> {
        let state = self.state();
        let skill = state.table.skills().get(name)?;
        Some((*skill.spec).clone())
    }

    pub(in crate::registry) fn fingerprints(&self) -> BTreeSet<String> {
        self.specs().iter().map(|spec| fingerprint(spec)).collect()
    }

    /// Whether the skill answers at the moment.
    pub(in crate::registry) fn is_running(&self, skill: &SkillName) -> bool {
        let state = self.state();
        let run = state.table.skills().get(skill);
        let run = run.and_then(|skill| skill.state.run());
        let child = run.and_then(|run| state.children.get(&run));
        child.is_some_and(|child| child.ready.is_some())
    }

    /// The clients of all skills that answer at the moment.
    pub(in crate::registry) fn running_clients(&self) -> Vec<SkillClient> {
        let state = self.state();
        let children = state.children.values();
        let ready = children.filter_map(|child| child.ready.as_ref());
        ready.map(|(client, _)| client.clone()).collect()
    }

    /// Keeps a list for while the skill does not run.
    pub(in crate::registry) fn cache_list(&self, skill: &SkillName, list: List, items: Items) {
        let mut state = self.state();
        let known = state.table.skills().get(skill);
        let spec = known.map(|skill| skill.spec.clone());
        if let Some(spec) = spec
            && self.list_cache.set_list(fingerprint(&spec), list, items)
        {
            state.unsaved = true;
            self.wake.notify_one();
        }
    }
}

impl State {
    /// Shows the skills' states and the tools in quarantine as metrics.
    pub(super) fn meter(&self) {
        let skills = self.table.skills();
        for state in metrics::SkillState::ALL.iter().copied() {
            let in_it = skills.values().filter(|s| s.state.name() == state.name());
            metrics::SKILLS.set(state, in_it.count() as i64);
        }
        let approvals = skills.iter().flat_map(|(name, skill)| {
            let judged = self.judged.get(name);
            let tools = skill.tools.iter().flat_map(|tools| tools.iter());
            tools.map(move |tool| judged.and_then(|judged| judged.approvals.get(&tool.name)))
        });
        let held = approvals.filter(|approval| {
            matches!(
                approval,
                Some(ApprovalState::New | ApprovalState::Changed(_))
            )
        });
        metrics::TOOLS_QUARANTINED.set((), held.count() as i64);
    }
}

/// How often the skill broke the protocol.
fn faults(client: &SkillClient) -> u64 {
    let faults = client.faults();
    [
        &faults.junk,
        &faults.oversize,
        &faults.stray,
        &faults.unanswered,
        &faults.dropped,
    ]
    .into_iter()
    .map(|count| count.load(Ordering::Relaxed))
    .sum()
}
