//! The corrections of one definition of a skill.

use crate::limits::SKILL_FIXES_SHOWN_MAX;

#[derive(Debug, Default)]
pub(super) struct Fixes(Vec<String>);

impl Fixes {
    pub(super) fn note(&mut self, what: String) {
        self.0.push(what);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn text(&self) -> String {
        let shown = &self.0[..self.0.len().min(SKILL_FIXES_SHOWN_MAX)];
        let mut text = shown.join(", ");
        if let Some(more @ 1..) = self.0.len().checked_sub(SKILL_FIXES_SHOWN_MAX) {
            text.push_str(&format!(", and {more} more"));
        }
        text
    }
}
