//! Compares the tools on offer with the pins. No child is started before the pins are
//! read: without them a changed tool would pass for a new one.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use futures::future::BoxFuture;

use super::{Core, State};
use crate::failure::{Failure, Kind};
use crate::registry::pins::{ApprovalState, FirstUse, Pins};
use crate::registry::table::Effect;
use crate::skills::child::{Child, ChildLauncher};
use crate::skills::client::Tool;
use crate::skills::logs::Log;
use crate::skills::spec::{SkillName, SkillSpec};

/// A tool list and the approval of each tool in it.
pub(super) struct ToolApprovals {
    tools: Arc<[Tool]>,
    pub(super) approvals: BTreeMap<String, ApprovalState>,
}

impl Core {
    /// Reads the pins unless they are known.
    pub(in crate::registry) async fn load_pins(self: &Arc<Self>) -> Result<(), Failure> {
        if self.state().pins.is_some() {
            return Ok(());
        }
        let _turn = self.reading_pins.lock().await;
        if self.state().pins.is_some() {
            return Ok(());
        }
        self.refresh_pins().await
    }

    /// Reads the pins again: another process may have changed them.
    pub(in crate::registry) async fn refresh_pins(self: &Arc<Self>) -> Result<(), Failure> {
        if let Some(approvals) = &self.approvals {
            self.adopt(approvals.load().await?);
        }
        Ok(())
    }

    /// Stores the entries that were seen for the first time.
    pub(in crate::registry) async fn save_trusted(self: &Arc<Self>) {
        let trusted = self.state().trusted.clone();
        let Some(approvals) = self.approvals.as_ref().filter(|_| !trusted.is_empty()) else {
            return;
        };
        match approvals.trust(trusted.clone()).await {
            Ok(pins) => {
                self.state()
                    .trusted
                    .retain(|listing| !trusted.contains(listing));
                self.adopt(pins);
            }
            // They stay trusted in this process, and are stored with the next ones.
            Err(failure) => {
                tracing::warn!("new tools were not stored: {failure}")
            }
        }
    }

    fn adopt(self: &Arc<Self>, mut pins: Pins) {
        let mut state = self.state();
        for listing in &state.trusted {
            pins.see(listing.clone());
        }
        if state.pins.as_ref() != Some(&pins) {
            state.pins = Some(pins);
            state.judged.clear();
            self.perform(&mut state, Effect::Changed);
            self.wake.notify_one();
        }
    }

    /// Fails where the tool does not exist or is not approved.
    pub(in crate::registry) fn may_call(
        &self,
        skill: &SkillName,
        tool: &str,
    ) -> Result<(), Failure> {
        let state = self.state();
        let judged = state.judged.get(skill);
        match judged.and_then(|judged| judged.approvals.get(tool)) {
            Some(ApprovalState::Approved) => Ok(()),
            Some(_) => Err(Failure::new(
                Kind::Refused,
                format!("the tool {tool} of {skill} is not what was approved"),
            )
            .hint(format!("`mimo skill approve {skill}` shows the difference"))),
            None => Err(Failure::new(
                Kind::NotFound,
                format!("the skill {skill} has no tool \"{tool}\""),
            )
            .hint("skill_find names its tools")),
        }
    }
}

impl State {
    /// Judges the tools on offer, except lists that were judged before.
    pub(super) fn judge(&mut self, first_use: FirstUse) {
        let mut before = std::mem::take(&mut self.judged);
        let Some(pins) = &mut self.pins else {
            return;
        };
        for (name, skill) in self.table.skills() {
            let Some(tools) = &skill.tools else {
                continue;
            };
            let same = |judged: &ToolApprovals| Arc::ptr_eq(&judged.tools, tools);
            let judged = before.remove(name).filter(same).unwrap_or_else(|| {
                let identity = &skill.spec.identity;
                let (approvals, listing) = pins.judge(name, identity, tools, first_use);
                if let Some(listing) = listing {
                    pins.see(listing.clone());
                    self.trusted.push(listing);
                    self.unsaved = true;
                }
                let tools = tools.clone();
                ToolApprovals { tools, approvals }
            });
            self.judged.insert(name.clone(), judged);
        }
    }
}

impl State {
    /// A skill may ask the client while none of its tools differs from what was
    /// approved, and some are approved. A new tool cannot be called, so no question
    /// comes from it.
    pub(super) fn allow_questions(&self) {
        for child in self.children.values() {
            let judged = self.judged.get(&child.spec.name);
            let allowed = judged.is_some_and(|judged| {
                let states = || judged.approvals.values();
                let approved = |state: &ApprovalState| *state == ApprovalState::Approved;
                let settled =
                    |state: &ApprovalState| approved(state) || *state == ApprovalState::New;
                states().all(settled) && (states().any(approved) || states().next().is_none())
            });
            if let Some((client, _)) = &child.ready {
                client.allow_questions(allowed);
            }
        }
    }
}

/// Starts a child once the pins are read; a start that fails because they cannot be is
/// retried like any other.
pub(super) struct GatedLauncher {
    core: Weak<Core>,
    launcher: Arc<dyn ChildLauncher>,
}

impl GatedLauncher {
    pub(super) fn new(core: &Arc<Core>) -> GatedLauncher {
        GatedLauncher {
            core: Arc::downgrade(core),
            launcher: core.launcher.clone(),
        }
    }
}

impl ChildLauncher for GatedLauncher {
    fn prepare(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<(), Failure>> {
        self.launcher.prepare(spec)
    }

    fn launch(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>> {
        let (core, launcher) = (self.core.clone(), self.launcher.clone());
        let spec = spec.clone();
        Box::pin(async move {
            if let Some(core) = core.upgrade() {
                core.load_pins().await?;
            }
            launcher.launch(&spec).await
        })
    }

    fn log(&self, skill: &SkillName) -> Option<Log> {
        self.launcher.log(skill)
    }
}
