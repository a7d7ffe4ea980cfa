//! The graph tools: arguments in, the domain's calls, documents out.

mod query;
mod render;
pub mod resource;
mod update;

pub(super) use self::render::shown;

use std::sync::Arc;

use super::Tool;
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
        Tool::of(
            "graph_update",
            include_str!("../../../schemas/tools/graph_update.json"),
            &graph,
            update::call,
        ),
        Tool::of(
            "graph_query",
            include_str!("../../../schemas/tools/graph_query.json"),
            &graph,
            query::call,
        ),
    ]
}
