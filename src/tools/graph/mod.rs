//! The graph tools: arguments in, the domain's calls, documents out.

mod query;
mod render;
pub mod resource;
mod update;

use std::sync::Arc;

use super::{Arguments, Context, Document, Tool};
use crate::failure::Failure;
use crate::graph::Graph;

/// What the graph tools work with.
pub struct GraphTools {
    /// The domain.
    pub graph: Arc<Graph>,
    /// The project of this workspace.
    pub project: String,
}

/// `graph_update` and `graph_query`.
pub fn tools(graph: Arc<GraphTools>) -> Vec<Tool> {
    vec![
        tool(
            "graph_update",
            include_str!("../../../schemas/tools/graph_update.json"),
            &graph,
            update::call,
        ),
        tool(
            "graph_query",
            include_str!("../../../schemas/tools/graph_query.json"),
            &graph,
            query::call,
        ),
    ]
}

fn tool<F>(
    name: &'static str,
    definition: &'static str,
    graph: &Arc<GraphTools>,
    call: impl Fn(Arc<GraphTools>, Arguments, Context) -> F + Send + Sync + 'static,
) -> Tool
where
    F: Future<Output = Result<Document, Failure>> + Send + 'static,
{
    let graph = graph.clone();
    Tool {
        name,
        definition,
        handler: Arc::new(move |arguments, context| {
            let answer = call(graph.clone(), arguments, context);
            Box::pin(async move { Ok(answer.await?.into()) })
        }),
    }
}
