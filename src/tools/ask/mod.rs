//! `ask_mimo`: its arguments, and its answer as a document.

mod question;
mod render;

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::time::Instant;

use self::render::Renderer;
use super::arguments::ArgumentReader;
use super::skills::Skills;
use super::{Arguments, Context, Document, Tool, scope};
use crate::ask::{Ask, SkillTool, SkillTools};
use crate::failure::Failure;
use crate::limits;
use crate::tools::memory::cut;

pub(super) fn tool(ask: Arc<Ask>) -> Tool {
    Tool::of(
        "ask_mimo",
        include_str!("../../../schemas/tools/ask_mimo.json"),
        &ask,
        call,
    )
}

async fn call(ask: Arc<Ask>, arguments: Arguments, context: Context) -> Result<Document, Failure> {
    let reader = ArgumentReader::new(&arguments);
    let projects = scope::projects(&reader, ask.names(), &context.caller).await?;
    let detail = question::detail(&reader)?;
    let mut question = question::read(&reader, projects.names, detail)?;
    let left = context.deadline.saturating_duration_since(Instant::now());
    question.timeout = question.timeout.min(left);
    let renderer = Renderer {
        project: context.caller.project(),
        detail,
    };
    let mut answer = ask
        .answer(question, &context.caller, &context.cancel, &renderer)
        .await?;
    answer.degraded.splice(0..0, projects.unknown);
    Document::of(&renderer.document(&answer))
}

impl SkillTools for Skills {
    fn find(&self, query: String, limit: usize) -> BoxFuture<'_, Result<Vec<SkillTool>, Failure>> {
        Box::pin(async move {
            let best = self.best(query, limit).await?;
            let tools = best.into_iter().map(|(name, offered)| SkillTool {
                name,
                skill: offered.skill.as_str().to_owned(),
                description: cut(&offered.tool.description, limits::SNIPPET_BYTES_MAX).to_owned(),
                is_read_only: offered.tool.read_only,
                tool: offered.tool.name,
            });
            Ok(tools.collect())
        })
    }
}
