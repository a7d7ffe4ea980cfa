//! `graph_update`: assert, retract, and triples proposed from a text.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::graph::Graph;
use crate::graph::error::{AssertionPart, GraphError, Part, Problem};
use crate::graph::grammar::{self, Proposal};
use crate::graph::mention::{self, Mention};
use crate::graph::update::{ALIAS, ALIAS_SYNONYMS, Assertion, Rename, Update, UpdateSummary};
use crate::limits;
use crate::memory::moment::{Edge, Here, SpanDirection};
use crate::store::PROJECT_SHARED;
use crate::tools::arguments::{ArgumentReader, moment};
use crate::tools::schema::shape;
use crate::tools::{Arguments, Context, Document, scope};

const FIELDS: [&str; 6] = [
    "subject",
    "predicate",
    "object",
    "confidence",
    "valid_from",
    "valid_until",
];

pub(super) async fn call(
    graph: Arc<Graph>,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let reader = ArgumentReader::new(&arguments);
    let proposals = proposals(&reader)?;
    let accept = reader.boolean("accept")?.unwrap_or(false);
    let mut assertions = assertions(&graph, &reader)?;
    let retract = reader
        .ids("retract", limits::GRAPH_RETRACT_MAX)?
        .unwrap_or_default();
    let renames = renames(&reader)?;
    let changes_nothing = assertions.is_empty() && retract.is_empty() && renames.is_empty();
    if changes_nothing && proposals.is_none() {
        return Err(
            Failure::invalid("", "graph_update needs assert, retract, rename or text")
                .example(shape(super::UPDATE, &arguments)),
        );
    }
    let asserted = assertions.len();
    if accept {
        for proposal in proposals.iter().flatten() {
            assertions.push(assertion_of(proposal)?);
        }
    }
    let caller = &context.caller;
    let project = scope::destination(&reader, graph.names(), caller).await?;
    let summary = if assertions.is_empty() && retract.is_empty() && renames.is_empty() {
        UpdateSummary::default()
    } else {
        let update = Update {
            renames,
            entities: Vec::new(),
            assertions,
            retract,
            source: reader.name("source")?,
            project,
            visible: vec![PROJECT_SHARED.to_owned()],
            report_similar: true,
        };
        let done = graph.update(caller.reach(), update).await;
        done.map_err(|error| failure(error, asserted))?
    };
    Document::of(&document(&summary, proposals.as_deref(), accept))
}

/// An error with the place of its part in the arguments. Behind those that were
/// asserted come the assertions from the text.
fn failure(error: GraphError, asserted: usize) -> Failure {
    let (part, problem) = match error {
        GraphError::Part(part, problem) => (part, problem),
        GraphError::Store(error) => return error.into(),
    };
    Failure::from(problem).at(match part {
        Part::Retraction => "/retract".to_owned(),
        Part::OldName(nth) => format!("/rename/{nth}/from"),
        Part::NewName(nth) => format!("/rename/{nth}/to"),
        Part::Assertion(nth, part) if nth < asserted => {
            let part = match part {
                AssertionPart::Subject => "subject",
                AssertionPart::Object => "object",
                AssertionPart::ValidUntil => "valid_until",
            };
            format!("/assert/{nth}/{part}")
        }
        Part::Assertion(..) => "/text".to_owned(),
        _ => String::new(),
    })
}

/// Adds the path to a problem.
fn at<T>(path: String, read: Result<T, Problem>) -> Result<T, Failure> {
    read.map_err(|problem| Failure::from(problem).at(path))
}

fn assertions(graph: &Graph, reader: &ArgumentReader<'_>) -> Result<Vec<Assertion>, Failure> {
    let items = reader.list("assert")?.map_or(&[][..], Vec::as_slice);
    if items.len() > limits::GRAPH_ASSERT_MAX {
        return Err(Failure::invalid(
            reader.path("assert"),
            format!(
                "{} triples are too many; at most {} fit",
                items.len(),
                limits::GRAPH_ASSERT_MAX
            ),
        )
        .hint("send them in several calls, or use mimo graph import"));
    }
    let item = |(nth, item): (usize, &Value)| {
        let path = format!("/assert/{nth}");
        let item = item.as_object().ok_or_else(|| {
            Failure::invalid(
                &path,
                "this must be an object with subject, predicate and object",
            )
        })?;
        let item = ArgumentReader::at(item, path);
        item.only(&FIELDS)?;
        assertion(graph, &item)
    };
    items.iter().enumerate().map(item).collect()
}

fn renames(reader: &ArgumentReader<'_>) -> Result<Vec<Rename>, Failure> {
    let items = reader.list("rename")?.map_or(&[][..], Vec::as_slice);
    if items.len() > limits::GRAPH_RENAME_MAX {
        return Err(Failure::invalid(
            reader.path("rename"),
            format!(
                "{} renames are too many; at most {} fit",
                items.len(),
                limits::GRAPH_RENAME_MAX
            ),
        ));
    }
    let item = |(nth, item): (usize, &Value)| {
        let path = format!("/rename/{nth}");
        let item = item
            .as_object()
            .ok_or_else(|| Failure::invalid(&path, "this must be an object with from and to"))?;
        let item = ArgumentReader::at(item, path);
        item.only(&["from", "to"])?;
        let name = |key: &str| {
            let text = item
                .text(key)?
                .ok_or_else(|| Failure::invalid(item.path(key), format!("{key} is missing")))?;
            at(item.path(key), Mention::parse(text))
        };
        Ok(Rename {
            from: name("from")?,
            to: name("to")?,
        })
    };
    items.iter().enumerate().map(item).collect()
}

fn assertion(graph: &Graph, item: &ArgumentReader<'_>) -> Result<Assertion, Failure> {
    let part = |key: &str| {
        item.text(key)?
            .ok_or_else(|| Failure::invalid(item.path(key), format!("{key} is missing")))
    };
    let here = Here::of(graph.clock());
    let name = |key| at(item.path(key), Mention::parse(part(key)?));
    let (subject, object) = (name("subject")?, name("object")?);
    let predicate = mention::predicate(part("predicate")?);
    let mut predicate = at(item.path("predicate"), predicate)?;
    if ALIAS_SYNONYMS.contains(&predicate.as_str()) {
        predicate = ALIAS.to_owned();
    }
    Ok(Assertion {
        confidence: item.share("confidence")?.unwrap_or(1.0),
        valid_from: moment(item, "valid_from", Edge::Start, SpanDirection::Past, here)?,
        valid_until: moment(item, "valid_until", Edge::End, SpanDirection::Future, here)?,
        ..Assertion::new(subject, predicate, object)
    })
}

fn proposals(reader: &ArgumentReader<'_>) -> Result<Option<Vec<Proposal>>, Failure> {
    match reader.text("text")? {
        Some(text) if text.len() > limits::GRAPH_TEXT_BYTES_MAX => Err(Failure::invalid(
            "/text",
            format!(
                "the text has {} bytes; at most {} fit",
                text.len(),
                limits::GRAPH_TEXT_BYTES_MAX
            ),
        )
        .hint("send it in parts")),
        text => Ok(text.map(grammar::propose)),
    }
}

fn assertion_of(proposal: &Proposal) -> Result<Assertion, Failure> {
    let name = |text| at("/text".to_owned(), Mention::parse(text));
    let (subject, object) = (name(&proposal.subject)?, name(&proposal.object)?);
    Ok(Assertion {
        confidence: grammar::CONFIDENCE,
        ..Assertion::new(subject, proposal.predicate.to_owned(), object)
    })
}

/// Leaves out empty lists, except for the triples.
fn document(summary: &UpdateSummary, proposals: Option<&[Proposal]>, accepted: bool) -> Value {
    let mut document = Map::new();
    let triples: Vec<Value> = summary
        .triples
        .iter()
        .map(|(id, outcome)| match id {
            Some(id) => json!({"id": id, "outcome": outcome.name()}),
            None => json!({"outcome": outcome.name()}),
        })
        .collect();
    document.insert("triples".to_owned(), json!(triples));
    let mut add = |key: &str, list: Vec<Value>| {
        if !list.is_empty() {
            document.insert(key.to_owned(), json!(list));
        }
    };
    let renamed = summary.renamed.iter().map(|rename| {
        let mut shown = json!({"from": rename.from, "to": rename.to});
        if rename.merged {
            shown["merged"] = json!(true);
        }
        shown
    });
    add("renamed", renamed.collect());
    add(
        "retracted",
        summary.retracted.iter().map(|id| json!(id)).collect(),
    );
    let entities = summary.entities.iter().map(|mentioned| {
        let mut entity = json!({ "id": mentioned.key });
        if mentioned.is_new {
            entity["created"] = json!(true);
        }
        if !mentioned.similar.is_empty() {
            entity["similar"] = json!(mentioned.similar);
        }
        entity
    });
    add("entities", entities.collect());
    let contradictions = summary
        .contradictions
        .iter()
        .map(|(triple, with)| json!({"triple": triple, "with": with, "closed": true}));
    add("contradictions", contradictions.collect());
    if let Some(proposals) = proposals.filter(|_| !accepted) {
        let proposals = proposals.iter().map(|proposal| {
            json!({
                "subject": proposal.subject,
                "predicate": proposal.predicate,
                "object": proposal.object,
                "confidence": grammar::CONFIDENCE,
            })
        });
        document.insert("proposals".to_owned(), proposals.collect());
    }
    Value::Object(document)
}
