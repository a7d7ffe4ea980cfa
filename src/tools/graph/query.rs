//! `graph_query`: a page of a traversal, a path, or patterns.

use std::sync::Arc;

use super::render::{Cursor, Rendering};
use crate::failure::Failure;
use crate::graph::Graph;
use crate::graph::error::{GraphError, Part};
use crate::graph::query::{Plan, Scope, Walk};
use crate::graph::reach::Direction;
use crate::limits;
use crate::memory::moment::{Edge, Here, SpanDirection};
use crate::tools::arguments::{ArgumentReader, fingerprint, moment};
use crate::tools::schema::shape;
use crate::tools::{Arguments, Context, Document, scope};

pub(super) async fn call(
    graph: Arc<Graph>,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let reader = ArgumentReader::new(&arguments);
    let fingerprint = fingerprint(&arguments);
    let cursor = reader
        .text("cursor")?
        .map(|text| Cursor::parse(text, fingerprint))
        .transpose()?;
    let here = Here::of(graph.clock());
    let caller = &context.caller;
    let covered = scope::projects(&reader, graph.names(), caller).await?;
    let unknown = covered.unknown;
    let rendering = Rendering {
        budget_bytes: reader.budget(2000)?,
        fingerprint,
        unknown: unknown.clone(),
    };
    let scope = Scope {
        reach: caller.reach().clone(),
        projects: covered.names,
        at: moment(&reader, "as_of", Edge::End, SpanDirection::Past, here)?.unwrap_or(here.now),
        min_confidence: reader.share("min_confidence")?.unwrap_or(0.7),
        limit: limit(&reader)?,
    };
    let document = match (patterns(&reader)?, reader.text("start")?) {
        (Some(patterns), _) => {
            refuse_traversal_arguments(&reader)?;
            let plan = match cursor {
                None => Plan::default(),
                Some(Cursor::Rows(plan)) => plan,
                Some(Cursor::Paths(_)) => return Err(Cursor::unknown()),
            };
            let found = graph
                .matches(scope, patterns, plan)
                .await
                .map_err(|error| note_unknown_project(failure(error), unknown.as_deref()))?;
            rendering.rows(&found)
        }
        (None, Some(start)) => {
            let walk = walk(&reader, start)?;
            let after = match cursor {
                None => None,
                Some(Cursor::Paths(position)) => Some(position),
                Some(Cursor::Rows(_)) => return Err(Cursor::unknown()),
            };
            let found = match reader.text("to")? {
                Some(goal) => graph.path(scope, walk, goal.to_owned()).await,
                None => graph.reach(scope, walk, after).await,
            };
            let found =
                found.map_err(|error| note_unknown_project(failure(error), unknown.as_deref()))?;
            rendering.paths(&found)
        }
        (None, None) => {
            return Err(Failure::invalid("", "graph_query needs start or patterns")
                .example(shape(super::QUERY, &arguments)));
        }
    };
    Ok(Document(document))
}

/// Adds to a failure that the named project is empty.
fn note_unknown_project(mut failure: Failure, unknown: Option<&str>) -> Failure {
    if let Some(unknown) = unknown {
        failure.message = format!("{}; {unknown}", failure.message);
    }
    failure
}

/// An error with the place of its part in the arguments.
fn failure(error: GraphError) -> Failure {
    let (part, problem) = match error {
        GraphError::Part(part, problem) => (part, problem),
        GraphError::Store(error) => return error.into(),
    };
    let path = match part {
        Part::Start => "/start".to_owned(),
        Part::Goal => "/to".to_owned(),
        Part::Predicates => "/predicate".to_owned(),
        Part::Patterns => "/patterns".to_owned(),
        Part::Term(pattern, place) => format!("/patterns/{pattern}/{place}"),
        Part::Cursor => "/cursor".to_owned(),
        Part::Retraction
        | Part::Entity
        | Part::OldName(_)
        | Part::NewName(_)
        | Part::Assertion(..) => String::new(),
    };
    Failure::from(problem).at(path)
}

fn walk(reader: &ArgumentReader<'_>, start: &str) -> Result<Walk, Failure> {
    let depth = reader.integer("max_depth")?.unwrap_or(3);
    let depth = usize::try_from(depth)
        .ok()
        .filter(|depth| (1..=limits::GRAPH_DEPTH_MAX).contains(depth))
        .ok_or_else(|| {
            let most = limits::GRAPH_DEPTH_MAX;
            Failure::invalid("/max_depth", format!("{depth} is not between 1 and {most}"))
        })?;
    let direction = match reader.text("direction")?.unwrap_or("both") {
        "out" => Direction::Out,
        "in" => Direction::In,
        "both" => Direction::Both,
        other => {
            return Err(
                Failure::invalid("/direction", format!("there is no direction {other:?}"))
                    .hint("use out, in or both"),
            );
        }
    };
    let predicates = reader.text("predicate")?.unwrap_or_default().split(',');
    Ok(Walk {
        start: start.to_owned(),
        direction,
        predicates: predicates
            .map(str::trim)
            .filter(|predicate| !predicate.is_empty())
            .map(str::to_owned)
            .collect(),
        depth,
    })
}

fn patterns(reader: &ArgumentReader<'_>) -> Result<Option<Vec<[String; 3]>>, Failure> {
    let Some(list) = reader.list("patterns")?.filter(|list| !list.is_empty()) else {
        return Ok(None);
    };
    let mut patterns = Vec::with_capacity(list.len());
    for (nth, item) in list.iter().enumerate() {
        let terms = item.as_array().map_or(&[][..], Vec::as_slice);
        let terms: Vec<&str> = terms.iter().filter_map(|term| term.as_str()).collect();
        let [subject, predicate, object] = terms[..] else {
            return Err(Failure::invalid(
                format!("/patterns/{nth}"),
                "a pattern is three texts: subject, predicate, object",
            )
            .hint(r#"for example ["?p:person","works_at","company:acme"]"#));
        };
        patterns.push([subject, predicate, object].map(str::to_owned));
    }
    Ok(Some(patterns))
}

/// Patterns would ignore these arguments, so a call that has both is mistaken.
fn refuse_traversal_arguments(reader: &ArgumentReader<'_>) -> Result<(), Failure> {
    let of_traversals = ["start", "to", "predicate"];
    match of_traversals
        .into_iter()
        .find(|key| reader.value(key).is_some())
    {
        Some(key) => Err(Failure::invalid(
            reader.path(key),
            format!("{key} belongs to a traversal, and patterns were given"),
        )
        .hint("name constants in the patterns themselves")),
        None => Ok(()),
    }
}

fn limit(reader: &ArgumentReader<'_>) -> Result<usize, Failure> {
    let limit = reader.limit(20, limits::GRAPH_RESULTS_MAX);
    limit.map_err(|failure| failure.hint("next_cursor leads to further results"))
}
