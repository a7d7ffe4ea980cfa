//! What the owner knows of skills beside their tools.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Core;
use crate::registry::files::fingerprint;
use crate::registry::list_cache::{Items, List};
use crate::skills::client::SkillClient;
use crate::skills::spec::{SkillName, SkillSpec};

impl Core {
    /// All skills.
    pub fn specs(&self) -> Vec<Arc<SkillSpec>> {
        let state = self.state();
        let skills = state.table.skills().values();
        skills.map(|skill| skill.spec.clone()).collect()
    }

    /// The fingerprints of all skills.
    pub fn here(&self) -> BTreeSet<String> {
        self.specs().iter().map(|spec| fingerprint(spec)).collect()
    }

    /// Whether the skill answers just now.
    pub fn runs(&self, skill: &SkillName) -> bool {
        let state = self.state();
        let run = state.table.skills().get(skill);
        let run = run.and_then(|skill| skill.state.run());
        let child = run.and_then(|run| state.children.get(&run));
        child.is_some_and(|child| child.ready.is_some())
    }

    /// The ways to all that answer just now.
    pub fn links(&self) -> Vec<SkillClient> {
        let state = self.state();
        let children = state.children.values();
        let ready = children.filter_map(|child| child.ready.as_ref());
        ready.map(|(link, _)| link.clone()).collect()
    }

    /// Keeps a list for as long as the skill does not run.
    pub fn keep_list(&self, skill: &SkillName, list: List, items: Items) {
        let mut state = self.state();
        let known = state.table.skills().get(skill);
        let spec = known.map(|skill| skill.spec.clone());
        if let Some(spec) = spec
            && self.offers.listed(fingerprint(&spec), list, items)
        {
            state.unsaved = true;
            self.wake.notify_one();
        }
    }
}
