//! The graph tools: arguments in, the domain's calls, documents out.

mod query;
mod render;
pub mod resource;
mod update;

use std::sync::Arc;

pub(super) use self::render::rounded;
use super::Tool;
use crate::graph::Graph;

const UPDATE: &str = include_str!("../../../schemas/tools/graph_update.json");
const QUERY: &str = include_str!("../../../schemas/tools/graph_query.json");

/// `graph_update` and `graph_query`.
pub(crate) fn tools(graph: &Arc<Graph>) -> Vec<Tool> {
    vec![
        Tool::of("graph_update", UPDATE, graph, update::call),
        Tool::of("graph_query", QUERY, graph, query::call),
    ]
}
