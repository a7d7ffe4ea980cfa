//! `mimo://graph/{entity}`: one entity with its names and triples, in pages.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::render::rounded;
use crate::caller::{Caller, with_shared};
use crate::failure::{Failure, Kind};
use crate::graph::Graph;
use crate::graph::query::{Plan, Scope};
use crate::graph::reach::Direction;
use crate::limits;
use crate::tools::{Document, ResourceSource};

pub(crate) const PREFIX: &str = "mimo://graph/";

pub(crate) struct EntityResources(pub(crate) Arc<Graph>);

impl ResourceSource for EntityResources {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn template(&self) -> Value {
        json!({
            "uriTemplate": format!("{PREFIX}{{entity}}"),
            "name": "entity",
            "title": "An entity of the graph",
            "description": "One entity by its type:id, with its other names and what leads from it and to it. A long one names its next page.",
            "mimeType": "application/json",
        })
    }

    /// None: there may be very many, and none is newer than another. Clients
    /// find them by completion.
    fn list<'a>(&'a self, _caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Value>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn read<'a>(
        &'a self,
        uri: &'a str,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Document, Failure>> {
        Box::pin(resource(&self.0, uri, caller))
    }
}

/// Begins the number of triples that earlier pages had.
const FROM: &str = "?from=";

/// The entity that `uri` names (percent-encoded where it must be), its other
/// names, and its current triples in both directions.
pub async fn resource(graph: &Graph, uri: &str, caller: &Caller) -> Result<Document, Failure> {
    let (plain, from) = uri
        .rsplit_once(FROM)
        .and_then(|(plain, from)| Some((plain, from.parse::<usize>().ok()?)))
        .unwrap_or((uri, 0));
    let name = plain
        .strip_prefix(PREFIX)
        .and_then(decoded)
        .ok_or_else(|| {
            Failure::new(
                Kind::NotFound,
                format!("{uri} is not the address of an entity"),
            )
            .hint(format!(
                "write {PREFIX} and a type:id, for example {PREFIX}person:alice"
            ))
        })?;
    let scope = Scope {
        reach: caller.reach().clone(),
        projects: with_shared(caller.project()),
        at: graph.now(),
        min_confidence: 0.0,
        limit: limits::GRAPH_RESULTS_MAX,
    };
    let found = graph.entity(&scope, &name).await?;
    let (entity, aliases) = found.ok_or_else(|| {
        let message = format!("no entity is called {name:?}");
        Failure::new(Kind::NotFound, message)
            .hint("graph_query finds those there are; graph_update makes one")
    })?;
    let mut document = json!({ "id": entity.key, "name": entity.name });
    if !aliases.is_empty() {
        document["aliases"] = json!(aliases);
    }
    let envelope = document.to_string().len() + plain.len() + ENVELOPE_BYTES;
    let mut room = (limits::RESOURCE_TOKENS_MAX * limits::TOKEN_BYTES).saturating_sub(envelope);
    let (mut before, mut shown, mut is_full) = (0, 0, false);
    for (key, direction) in [("out", Direction::Out), ("in", Direction::In)] {
        let (triples, has_more) = around(graph, &scope, &entity.key, direction).await?;
        let skipped = from.saturating_sub(before).min(triples.len());
        before += triples.len();
        let mut page = Vec::new();
        for triple in triples.into_iter().skip(skipped) {
            let bytes = triple.to_string().len() + 1;
            // A page has at least one, so that the next one goes on.
            is_full |= bytes > room && shown > 0;
            if is_full {
                break;
            }
            room = room.saturating_sub(bytes);
            shown += 1;
            page.push(triple);
        }
        document[key] = Value::Array(page);
        if has_more {
            document["truncated"] = json!(true);
        }
    }
    if is_full {
        document["next"] = json!(format!("{plain}{FROM}{}", from + shown));
    }
    Document::of(&document)
}

/// Around the triples: their two keys, `truncated`, and the number of the next page.
const ENVELOPE_BYTES: usize = 96;

async fn around(
    graph: &Graph,
    scope: &Scope,
    key: &str,
    direction: Direction,
) -> Result<(Vec<Value>, bool), Failure> {
    let (variable, pattern) = match direction {
        Direction::In => ("?subject", ["?subject", "?predicate", key]),
        Direction::Out | Direction::Both => ("?object", [key, "?predicate", "?object"]),
    };
    let pattern = pattern.map(str::to_owned);
    let found = graph
        .matches(scope.clone(), vec![pattern], Plan::default())
        .await?;
    let place = |name: &str| found.variables.iter().position(|known| known == name);
    let (end, predicate) = (place(variable), place("?predicate"));
    let triples = found.items.iter().map(|row| {
        json!({
            "triple": row.triples.first(),
            "predicate": predicate.map(|at| &row.values[at]),
            &variable[1..]: end.map(|at| &row.values[at]),
            "confidence": rounded(row.confidence),
        })
    });
    Ok((triples.collect(), found.has_more))
}

/// Percent-decodes a part of a URI.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_decoded() {
        for (part, text) in [
            ("person:alice", Some("person:alice")),
            ("city:%E6%9D%B1%E4%BA%AC", Some("city:東京")),
            ("a%20b", Some("a b")),
            ("a%2", None),
            ("a%zz", None),
            ("%ff", None),
            ("", None),
        ] {
            assert_eq!(decoded(part).as_deref(), text, "{part}");
        }
    }
}
