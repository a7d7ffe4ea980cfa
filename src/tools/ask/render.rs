//! The document of an answer. Pure.

use serde_json::{Map, Value, json};

use crate::ask::{Answer, Author, Format, Hit, Record, StoreKind};
use crate::limits;
use crate::procedure::view;
use crate::text::beginning;
use crate::tools::graph::rounded;
use crate::tools::memory::{cut, row};

pub(super) struct Renderer<'a> {
    /// The caller's project: rows of other projects name theirs.
    pub(crate) project: &'a str,
    pub(crate) detail: Detail,
}

/// How much of an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// The cited passages with their sources.
    Cited,
    /// Routing and all results of all stores too.
    Full,
}

impl Format for Renderer<'_> {
    fn hit_bytes(&self, hit: &Hit) -> usize {
        self.hit(hit).to_string().len() + ",".len()
    }

    fn answer_bytes(&self, answer: &Answer) -> usize {
        self.document(answer).to_string().len()
    }
}

impl Renderer<'_> {
    pub(crate) fn document(&self, answer: &Answer) -> Value {
        let mut document = match self.detail {
            Detail::Cited => self.cited(answer),
            Detail::Full => self.full(answer),
        };
        if answer.is_truncated {
            document["truncated"] = json!(true);
        }
        if !answer.degraded.is_empty() {
            let whole = answer.degraded.join("; ");
            document["degraded"] = json!(beginning(&whole, limits::ASK_DEGRADED_BYTES_MAX));
        }
        document
    }

    /// The answer and its sources without repetition: results that the synthesis quotes
    /// are left out.
    fn cited(&self, answer: &Answer) -> Value {
        let mut document = json!({
            "synthesis": synthesis(answer),
            "context_id": answer.context_id,
        });
        if answer.author != Author::Extract {
            let cited = &answer.synthesis.citations;
            let is_cited = |hit: &Hit| cited.contains(&hit.evidence.citation);
            let mut results = self.results(answer, is_cited);
            results.retain(|_, hits| *hits != json!([]));
            document["results"] = json!(results);
        }
        if !answer.failed.is_empty() {
            document["failed"] = failed(answer);
        }
        document
    }

    fn full(&self, answer: &Answer) -> Value {
        let decision = &answer.decision;
        let secondary = decision.secondary.iter();
        let secondary: Vec<&str> = secondary.map(|store| store.name()).collect();
        json!({
            "query_id": answer.query_id,
            "router_decision": {
                "primary_store": decision.primary.name(),
                "secondary_stores": secondary,
                "confidence": (f64::from(decision.confidence) * 1e4).round() / 1e4,
                "reasoning": decision.reasoning,
                "requires_synthesis": decision.requires_synthesis,
            },
            "results": self.results(answer, |_| true),
            "failed": failed(answer),
            "synthesis": synthesis(answer),
            "context_id": answer.context_id,
        })
    }

    fn results(&self, answer: &Answer, is_shown: impl Fn(&Hit) -> bool) -> Map<String, Value> {
        let of_store = |store: StoreKind| {
            let hits = answer.hits.iter();
            let hits = hits.filter(|hit| hit.evidence.store == store && is_shown(hit));
            hits.map(|hit| self.hit(hit)).collect::<Vec<_>>()
        };
        StoreKind::ALL
            .into_iter()
            .map(|store| (store.name().to_owned(), json!(of_store(store))))
            .collect()
    }

    fn hit(&self, hit: &Hit) -> Value {
        match &hit.record {
            Record::Memory(memory, score) => {
                let snippet = cut(&memory.content, limits::SNIPPET_BYTES_MAX);
                row(memory, *score, snippet, 0, self.project)
            }
            Record::Triple(triple) => {
                let mut row = json!({
                    "id": triple.id,
                    "subject": triple.subject.key,
                    "predicate": triple.predicate,
                    "object": triple.object.key,
                    "since": triple.since.to_iso(),
                });
                if triple.confidence < 1.0 {
                    row["confidence"] = json!(rounded(triple.confidence));
                }
                if let Some(ended) = triple.ended {
                    row["until"] = json!(ended.to_iso());
                }
                row
            }
            Record::Procedure(stored) => view::listed(stored),
            Record::Tool(tool) => json!({
                "tool": tool.name,
                "server": tool.skill,
                "description": tool.description,
                "call_with": if tool.is_read_only { "skill_read" } else { "skill_call" },
            }),
        }
    }
}

fn synthesis(answer: &Answer) -> Value {
    json!({
        "text": answer.synthesis.text,
        "citations": answer.synthesis.citations,
        "by": answer.author.name(),
    })
}

/// The stores without results, and why.
fn failed(answer: &Answer) -> Value {
    let failed = answer.failed.iter();
    let failed: Map<String, Value> = failed
        .map(|(store, kind)| (store.name().to_owned(), json!(kind.name())))
        .collect();
    json!(failed)
}
