//! The graph as the page draws it: every triple with the times between which it holds,
//! so that the page can show any moment.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Arguments;
use crate::caller::{Grants, with_shared};
use crate::failure::Failure;
use crate::graph::Graph;
use crate::graph::portable::{ExportedEntities, Line, Position};
use crate::limits::{GRAPH_PORTION_TRIPLES_MAX, VIEW_TRIPLES_MAX};

pub(super) async fn graph(
    graph: &Graph,
    grants: &Grants,
    arguments: &Arguments<'_>,
) -> Result<Value, Failure> {
    let projects = match arguments.text("project") {
        Some("*") => Vec::new(),
        Some(project) => vec![project.to_owned()],
        None => with_shared(&grants.project),
    };
    let (mut names, mut arrows) = (BTreeMap::new(), Vec::new());
    let (mut written, mut after) = (ExportedEntities::new(), Some(Position::START));
    while let Some(position) = after.filter(|_| arrows.len() < VIEW_TRIPLES_MAX) {
        let page = graph.export_page(
            &grants.reach,
            projects.clone(),
            position,
            GRAPH_PORTION_TRIPLES_MAX,
            written,
        );
        let (page, so_far) = page.await?;
        (written, after) = (so_far, page.next);
        for line in page.lines {
            match line {
                Line::Entity { id, name, .. } => drop(names.insert(id, name)),
                Line::Triple { .. } if arrows.len() == VIEW_TRIPLES_MAX => break,
                Line::Triple {
                    subject,
                    predicate,
                    object,
                    confidence,
                    source,
                    since,
                    until,
                    ..
                } => arrows.push(json!([
                    subject, predicate, object, confidence, since, until, source
                ])),
            }
        }
    }
    let is_cut = arrows.len() == VIEW_TRIPLES_MAX;
    Ok(json!({"names": names, "arrows": arrows, "is_cut": is_cut}))
}
