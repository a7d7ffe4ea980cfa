//! Replaces one set of skills by another: what stays, what starts first, and the
//! single step in which the new set takes over.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use super::{Effect, LeaseError, Millis, NextSkill, Run, Skill, State, Table};
use crate::skills::client::Tool;
use crate::skills::spec::SkillName;

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadOutcome {
    pub generation: u64,
    /// Unchanged skills, and changed ones that failed to start: the old form of
    /// those goes on.
    pub kept: Vec<SkillName>,
    pub(crate) started: Vec<SkillName>,
    pub stopped: Vec<SkillName>,
    /// Skills with a changed spec.
    pub replaced: Vec<SkillName>,
    /// Skills that failed to start, with the reason. Where no skill of that name ran
    /// before, it is started again automatically.
    pub failed: BTreeMap<SkillName, String>,
}

/// A reload under way, with the skills that are new or changed.
#[derive(Debug)]
pub(crate) struct Reload {
    incoming: BTreeMap<SkillName, Skill>,
    outcome: ReloadOutcome,
}

impl Reload {
    /// The runs that it has started.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> {
        self.incoming.values().filter_map(|skill| skill.state.run())
    }

    fn find(&mut self, run: Run) -> Option<&mut Skill> {
        let behind = |skill: &&mut Skill| skill.state.run() == Some(run);
        self.incoming.values_mut().find(behind)
    }
}

impl Table {
    pub(super) fn begin_reload(&mut self, specs: Vec<NextSkill>, out: &mut Vec<Effect>) {
        if self.closing || self.reload.is_some() {
            out.push(Effect::ReloadRefused);
            return;
        }
        let mut outcome = ReloadOutcome::default();
        let mut incoming = BTreeMap::new();
        for (spec, tools) in specs {
            let name = spec.name.clone();
            let old = self.skills.get(&name);
            match old {
                Some(old) if *old.spec == *spec => {
                    outcome.kept.push(name);
                    continue;
                }
                Some(_) => outcome.replaced.push(name.clone()),
                None => outcome.started.push(name.clone()),
            }
            // A running skill is not replaced by one that is not started yet.
            let runs = old.is_some_and(|old| old.state.run().is_some());
            let starts = runs || spec.eager || tools.is_none();
            let mut skill = Skill::new(spec, tools);
            if starts {
                skill.start(&mut self.runs, out);
            }
            incoming.insert(name, skill);
        }
        let stays = |name: &SkillName| incoming.contains_key(name) || outcome.kept.contains(name);
        outcome.stopped = self
            .skills
            .keys()
            .filter(|name| !stays(name))
            .cloned()
            .collect();
        self.reload = Some(Reload { incoming, outcome });
        self.commit_if_ready(out);
    }

    /// Whether the run belongs to the reload.
    pub(super) fn incoming_listed(
        &mut self,
        now: Millis,
        run: Run,
        tools: &Arc<[Tool]>,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(skill) = self.reload.as_mut().and_then(|reload| reload.find(run)) else {
            return false;
        };
        skill.state = State::Running { run, since: now };
        skill.tools = Some(tools.clone());
        self.commit_if_ready(out);
        true
    }

    /// Whether the run belonged to the reload. A failed start does not delay the
    /// others.
    pub(super) fn incoming_exited(
        &mut self,
        now: Millis,
        run: Run,
        why: &str,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(reload) = self.reload.as_mut() else {
            return false;
        };
        let Some(skill) = reload.find(run) else {
            return false;
        };
        skill.fail(now, why.to_owned());
        let name = skill.spec.name.clone();
        reload.outcome.failed.insert(name, why.to_owned());
        self.commit_if_ready(out);
        true
    }

    fn commit_if_ready(&mut self, out: &mut Vec<Effect>) {
        let starting = |skill: &Skill| matches!(skill.state, State::Starting(_));
        let ready = |reload: &mut Reload| !reload.incoming.values().any(starting);
        let Some(Reload {
            mut incoming,
            mut outcome,
        }) = self.reload.take_if(ready)
        else {
            return;
        };
        self.generation += 1;
        outcome.generation = self.generation;
        let mut old = mem::take(&mut self.skills);
        // A running skill is only replaced by one that works.
        for name in outcome.failed.keys() {
            let before = old.get(name).map(|skill| &skill.state);
            if let Some(State::Running { .. }) = before {
                incoming.remove(name);
                outcome.replaced.retain(|replaced| replaced != name);
                outcome.kept.push(name.clone());
            }
        }
        for name in &outcome.kept {
            self.skills.extend(old.remove_entry(name));
        }
        self.skills.extend(incoming);
        for (name, skill) in old {
            if let Some(run) = skill.state.run() {
                self.drain(run, out);
            }
            self.move_waiting(&name, out);
        }
        out.push(Effect::Changed);
        out.push(Effect::Reloaded(outcome));
    }

    /// Moves calls that wait for a skill to the new skill of that name, if any. They
    /// go on waiting where it failed to start, as it is started again soon.
    fn move_waiting(&mut self, name: &SkillName, out: &mut Vec<Effect>) {
        let waiting = self.waiting_for(name);
        let Some(skill) = self.skills.get_mut(name) else {
            return self.refuse_waiting(name, &LeaseError::Unknown, out);
        };
        match skill.state {
            State::Running { run, .. } => self.grant_waiting(name, run, out),
            State::Pending if !waiting.is_empty() => skill.start(&mut self.runs, out),
            _ => {}
        }
    }
}
