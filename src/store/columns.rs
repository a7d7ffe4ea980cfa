//! The common parts of the rooms' statements about memories.

/// The columns of a memory in every room. Those of its text come last, so that an
/// update can leave them out.
pub(super) const COLUMNS: [&str; 21] = [
    "id",
    "project",
    "category",
    "importance",
    "state",
    "protected",
    "created_at",
    "retired_at",
    "valid_until",
    "updated_at",
    "recalled_at",
    "recall_count",
    "revision",
    "supersedes",
    "position",
    "thread",
    "topic_key",
    "recorded_at",
    "said_at",
    "text_key",
    "content",
];

/// SQL for [`super::memory::Memory::when`] of `memory m`; the indexes by age have the same
/// expression.
pub(super) const WHEN: &str = "coalesce(m.said_at, m.created_at)";

/// SQL for a version of `memory m` that replaced it and was said by the moment `{then}`:
/// a fact of the past that is stored late ends the one before it in the past.
pub(super) fn replaced_by(then: &str) -> String {
    format!("EXISTS (SELECT 1 FROM memory n WHERE n.supersedes = m.id AND n.said_at <= {then})")
}
