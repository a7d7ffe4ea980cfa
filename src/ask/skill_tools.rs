//! What a question needs to know of the tools of skills.

use futures::future::BoxFuture;

use crate::failure::Failure;

pub(crate) trait SkillTools: Send + Sync {
    /// The approved tools that match `query`, best first.
    fn find(&self, query: String, limit: usize) -> BoxFuture<'_, Result<Vec<SkillTool>, Failure>>;
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SkillTool {
    /// The name by which clients call it.
    pub(crate) name: String,
    pub(crate) skill: String,
    /// The name its skill gave it.
    pub(crate) tool: String,
    pub(crate) description: String,
    pub(crate) is_read_only: bool,
}
