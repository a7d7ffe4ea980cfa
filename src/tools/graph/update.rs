//! `graph_update`: assert, retract, and triples proposed from a text.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::GraphTools;
use crate::failure::Failure;
use crate::graph::grammar::{self, Proposal};
use crate::graph::mention::{self, Mention};
use crate::graph::update::{Assertion, Recorded, Update};
use crate::limits;
use crate::memory::moment::Edge;
use crate::store::PROJECT_SHARED;
use crate::tools::arguments::{Reader, moment, one_project};
use crate::tools::{Arguments, Context, Document};

/// The fields of one assertion.
const FIELDS: [&str; 6] = [
    "subject",
    "predicate",
    "object",
    "confidence",
    "valid_from",
    "valid_until",
];

/// Handles a call.
pub async fn call(
    tools: Arc<GraphTools>,
    arguments: Arguments,
    _context: Context,
) -> Result<Document, Failure> {
    let reader = Reader::new(&arguments);
    let proposals = proposals(&reader)?;
    let accept = reader.boolean("accept")?.unwrap_or(false);
    let mut assertions = assertions(&tools, &reader)?;
    let retract = reader
        .ids("retract", limits::GRAPH_RETRACT_MAX)?
        .unwrap_or_default();
    if assertions.is_empty() && retract.is_empty() && proposals.is_none() {
        return Err(Failure::invalid("", "graph_update needs assert, retract or text").hint(
            r#"for example {"assert":[{"subject":"person:alice","predicate":"works_at","object":"company:acme"}]}"#,
        ));
    }
    if accept {
        for proposal in proposals.iter().flatten() {
            assertions.push(assertion_of(proposal)?);
        }
    }
    let project = one_project(&reader)?.unwrap_or_else(|| tools.project.clone());
    let recorded = if assertions.is_empty() && retract.is_empty() {
        Recorded::default()
    } else {
        let update = Update {
            entities: Vec::new(),
            assertions,
            retract,
            source: reader.name("source")?,
            project,
            visible: vec![PROJECT_SHARED.to_owned()],
            report_similar: true,
        };
        tools.graph.update(update).await?
    };
    Document::of(&document(&recorded, proposals.as_deref(), accept))
}

fn assertions(tools: &GraphTools, reader: &Reader<'_>) -> Result<Vec<Assertion>, Failure> {
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
        let item = Reader::at(item, path.clone());
        item.only(&FIELDS)?;
        assertion(tools, &item, path)
    };
    items.iter().enumerate().map(item).collect()
}

fn assertion(tools: &GraphTools, item: &Reader<'_>, path: String) -> Result<Assertion, Failure> {
    let part = |key: &str| {
        item.text(key)?
            .ok_or_else(|| Failure::invalid(item.path(key), format!("{key} is missing")))
    };
    let now = tools.graph.now();
    Ok(Assertion {
        subject: Mention::parse(part("subject")?, &item.path("subject"))?,
        predicate: mention::predicate(part("predicate")?, &item.path("predicate"))?,
        object: Mention::parse(part("object")?, &item.path("object"))?,
        confidence: item.share("confidence")?.unwrap_or(1.0),
        valid_from: moment(item, "valid_from", Edge::Start, -1, now)?,
        valid_until: moment(item, "valid_until", Edge::End, 1, now)?,
        source: None,
        history: None,
        path,
    })
}

fn proposals(reader: &Reader<'_>) -> Result<Option<Vec<Proposal>>, Failure> {
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
    Ok(Assertion {
        subject: Mention::parse(&proposal.subject, "/text")?,
        predicate: mention::predicate(proposal.predicate, "/text")?,
        object: Mention::parse(&proposal.object, "/text")?,
        confidence: grammar::CONFIDENCE,
        valid_from: None,
        valid_until: None,
        source: None,
        history: None,
        path: "/text".to_owned(),
    })
}

/// Empty lists are left out, but for the one that was asked for.
fn document(recorded: &Recorded, proposals: Option<&[Proposal]>, accepted: bool) -> Value {
    let mut document = Map::new();
    let triples: Vec<Value> = recorded
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
    add(
        "retracted",
        recorded.retracted.iter().map(|id| json!(id)).collect(),
    );
    let entities = recorded.entities.iter().map(|spoken| {
        let mut entity = json!({ "id": spoken.key });
        if spoken.created {
            entity["created"] = json!(true);
        }
        if !spoken.similar.is_empty() {
            entity["similar"] = json!(spoken.similar);
        }
        entity
    });
    add("entities", entities.collect());
    let contradictions = recorded
        .contradictions
        .iter()
        .map(|found| json!({"triple": found.triple, "with": found.with, "closed": true}));
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
