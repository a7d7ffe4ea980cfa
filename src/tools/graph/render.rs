//! Documents of `graph_query`: pages that keep within their budget, and the
//! cursors to the next page. Pure.

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::graph::error::Problem;
use crate::graph::query::{NamedPath, NamedRow, Page, Plan};
use crate::graph::reach::Position;
use crate::limits;
use crate::tools::scope::in_one_sentence;

/// Where the next page begins. Opaque to clients; a fingerprint binds it to the
/// question it came with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cursor {
    Paths(Position),
    Rows(Plan),
}

impl Cursor {
    fn encode(&self, fingerprint: u32) -> String {
        match self {
            Cursor::Paths(position) => format!(
                "p.{}.{:x}.{:x}.{fingerprint:08x}",
                position.hops,
                position.confidence.to_bits(),
                position.entity
            ),
            Cursor::Rows(plan) => {
                let order: Vec<String> = plan.order.iter().map(usize::to_string).collect();
                let after: Vec<String> = plan.after.iter().map(|id| format!("{id:x}")).collect();
                let (order, after) = (order.join("-"), after.join("-"));
                format!("m.{order}.{after}.{fingerprint:08x}")
            }
        }
    }

    /// Reads a cursor, which must come from a page of the same question.
    pub(super) fn parse(text: &str, fingerprint: u32) -> Result<Cursor, Failure> {
        let parts: Vec<&str> = text.split('.').collect();
        let matches = |print: &str| u32::from_str_radix(print, 16) == Ok(fingerprint);
        let cursor = match parts[..] {
            ["p", hops, confidence, entity, print] if matches(print) => (|| {
                Some(Cursor::Paths(Position {
                    hops: hops.parse().ok()?,
                    confidence: f64::from_bits(u64::from_str_radix(confidence, 16).ok()?),
                    entity: i64::from_str_radix(entity, 16).ok()?,
                }))
            })(),
            ["m", order, after, print] if matches(print) => (|| {
                let order = order.split('-').map(|nth| nth.parse().ok());
                let after = after.split('-').map(|id| i64::from_str_radix(id, 16).ok());
                Some(Cursor::Rows(Plan {
                    order: order.collect::<Option<_>>()?,
                    after: after.collect::<Option<_>>()?,
                }))
            })(),
            _ => None,
        };
        cursor.ok_or_else(Cursor::unknown)
    }

    pub(super) fn unknown() -> Failure {
        Failure::from(Problem::UnknownCursor).at("/cursor")
    }
}

pub(super) struct Rendering {
    /// For the whole document.
    pub(super) budget_bytes: usize,
    pub(super) fingerprint: u32,
    /// A note that the named project is empty.
    pub(super) unknown: Option<String>,
}

/// Reserved for the text around the items, a cursor included.
const ENVELOPE_BYTES: usize = 112;
/// Each pattern adds about so much to a cursor.
const PATTERN_BYTES: usize = 12;

impl Rendering {
    pub(super) fn paths(&self, found: &Page<NamedPath>) -> String {
        let item = |path: &NamedPath| {
            json!({
                "entities": path.entities,
                "predicates": path.predicates,
                "triples": path.triples,
                "confidence": rounded(path.confidence),
            })
        };
        let next = |last: &NamedPath| Cursor::Paths(last.position);
        self.page("paths", found, item, next, None)
    }

    pub(super) fn rows(&self, found: &Page<NamedRow>) -> String {
        let item = |row: &NamedRow| {
            let values = found.variables.iter().zip(&row.values);
            let mut item: Map<String, Value> = values
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            item.insert("triples".to_owned(), json!(row.triples));
            item.insert("confidence".to_owned(), json!(rounded(row.confidence)));
            Value::Object(item)
        };
        let next = |last: &NamedRow| Cursor::Rows(found.plan.after(last));
        let rest = found.has_more.then(|| Cursor::Rows(found.plan.clone()));
        self.page("bindings", found, item, next, rest)
    }

    /// `rest` continues after all items, `next` after one of them.
    fn page<T>(
        &self,
        key: &str,
        found: &Page<T>,
        item: impl Fn(&T) -> Value,
        next: impl Fn(&T) -> Cursor,
        rest: Option<Cursor>,
    ) -> String {
        let mut tail = String::new();
        let mut add = |key: &str, value: Value| tail.push_str(&format!(",\"{key}\":{value}"));
        if !found.resolved.is_empty() {
            let resolved: Map<String, Value> = found
                .resolved
                .iter()
                .map(|(written, key)| (written.clone(), json!(key)))
                .collect();
            add("resolved", Value::Object(resolved));
        }
        let stopped = found.is_budget_exhausted.then(|| {
            let read = limits::GRAPH_READ_TRIPLES_MAX;
            format!(
                "stopped after reading {read} triples; name a predicate or lower max_depth to \
                 see all of it"
            )
        });
        if let Some(degraded) = in_one_sentence(self.unknown.clone().into_iter().chain(stopped)) {
            add("degraded", json!(degraded));
        }
        let around = ENVELOPE_BYTES + PATTERN_BYTES * found.plan.order.len() + tail.len();
        let mut room = self.budget_bytes.saturating_sub(around);
        let mut items: Vec<String> = Vec::new();
        let mut needed = None;
        for each in &found.items {
            let text = item(each).to_string();
            if text.len() > room {
                needed = Some(text.len());
                break;
            }
            room = room.saturating_sub(text.len() + 1);
            items.push(text);
        }
        let cut = items.len() < found.items.len();
        let cursor = match items.len().checked_sub(1) {
            Some(last) if cut => Some(next(&found.items[last])),
            _ if cut => None,
            Some(last) if found.has_more => rest.or_else(|| Some(next(&found.items[last]))),
            _ => rest,
        };
        if let Some(needed) = needed.filter(|_| items.is_empty()) {
            let tokens = (needed + around).div_ceil(limits::TOKEN_BYTES);
            tail = format!(",\"degraded\":\"the first result needs max_tokens {tokens}\"");
        }
        if let Some(cursor) = cursor {
            let cursor = cursor.encode(self.fingerprint);
            tail.push_str(&format!(",\"next_cursor\":\"{cursor}\""));
        }
        let truncated = cut || found.has_more || found.is_budget_exhausted;
        let items = items.join(",");
        format!("{{\"{key}\":[{items}],\"truncated\":{truncated}{tail}}}")
    }
}

/// A confidence to four places.
pub(in crate::tools) fn rounded(confidence: f64) -> f64 {
    (confidence * 1e4).round() / 1e4
}
