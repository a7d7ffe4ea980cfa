//! The document of `ask_mimo`, within its budget. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::ask::{Decision, Hit, Item, Store, Synthesis, Turn, beginning, dispute, extract};
use crate::clock::Timestamp;
use crate::failure::Kind;
use crate::limits;

/// What an answer says beside what was found.
pub struct Answer<'a> {
    /// Names the question in logs and for a person.
    pub query_id: String,
    /// Carries the conversation on.
    pub context_id: &'a str,
    /// Where was looked.
    pub decision: &'a Decision,
    /// The stores that gave nothing.
    pub failed: &'a BTreeMap<Store, Kind>,
    /// What could not be used, in words.
    pub degraded: Vec<String>,
    /// Tells how old things are.
    pub now: Timestamp,
    /// What the whole document may have.
    pub budget_bytes: usize,
}

/// What was found and has room.
pub struct Shown<'a> {
    /// Most worth first.
    pub hits: Vec<&'a Hit>,
    /// Whether there was more.
    pub truncated: bool,
}

/// Who put an answer into words. The names are the public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Nobody: it is quotations.
    Extract,
    /// The client's model.
    Client,
    /// The endpoint's model.
    Endpoint,
}

/// The document, and what it says in words.
pub struct Said {
    /// The whole.
    pub document: Value,
    /// Its answer.
    pub synthesis: Synthesis,
}

impl Shown<'_> {
    /// As data, with what says otherwise.
    pub fn items(&self) -> Vec<Item> {
        let mut items: Vec<Item> = self.hits.iter().map(|hit| hit.item.clone()).collect();
        dispute(&mut items);
        items
    }
}

impl By {
    fn name(self) -> &'static str {
        match self {
            By::Extract => "extract",
            By::Client => "client",
            By::Endpoint => "endpoint",
        }
    }
}

impl Answer<'_> {
    /// What is left for results and the answer in words, in bytes.
    pub fn room(&self) -> usize {
        let nothing = Shown {
            hits: Vec::new(),
            truncated: true,
        };
        self.spare(&nothing)
    }

    /// What is left for the answer in words beside `shown`, in bytes.
    pub fn spare(&self, shown: &Shown<'_>) -> usize {
        let without = self.render(shown, By::Extract, &Synthesis::default());
        self.budget_bytes.saturating_sub(without.to_string().len())
    }

    /// The whole, with quotations for an answer.
    pub fn quoted(&self, question: &str, shown: &Shown<'_>) -> Said {
        let items = shown.items();
        let answered: Vec<Store> = self.answered().collect();
        let quote = |most: usize| -> Result<Synthesis, &str> {
            let tokens = most / limits::TOKEN_BYTES;
            Ok(extract(question, &items, &answered, self.now, tokens))
        };
        self.written(By::Extract, shown, quote).unwrap_or_else(|_| {
            let synthesis = Synthesis::default();
            Said {
                document: self.render(shown, By::Extract, &synthesis),
                synthesis,
            }
        })
    }

    /// The whole, with what `write` gives for at most so many bytes; its reason
    /// where it gives nothing.
    pub fn written<'e>(
        &self,
        by: By,
        shown: &Shown<'_>,
        write: impl Fn(usize) -> Result<Synthesis, &'e str>,
    ) -> Result<Said, &'e str> {
        let mut room = self.spare(shown);
        // Quotation marks and citations take more in JSON than in the text.
        for _ in 0..limits::ASK_ATTEMPTS_MAX {
            let synthesis = write(room)?;
            let document = self.render(shown, by, &synthesis);
            let over = document.to_string().len().saturating_sub(self.budget_bytes);
            if over == 0 {
                return Ok(Said {
                    document,
                    synthesis,
                });
            }
            room = room.saturating_sub(over + limits::TOKEN_BYTES);
        }
        Err("wrote more than fits")
    }

    /// The stores whose results are known.
    fn answered(&self) -> impl Iterator<Item = Store> {
        searched(self.decision).filter(|store| !self.failed.contains_key(store))
    }

    fn render(&self, shown: &Shown<'_>, by: By, synthesis: &Synthesis) -> Value {
        let rows = |store: Store| -> Vec<Value> {
            let of_it = shown.hits.iter().filter(|hit| hit.item.store == store);
            of_it.map(|hit| hit.row.clone()).collect()
        };
        let results: Map<String, Value> = Store::ALL
            .into_iter()
            .map(|store| (store.name().to_owned(), json!(rows(store))))
            .collect();
        let failed: Map<String, Value> = self
            .failed
            .iter()
            .map(|(store, kind)| (store.name().to_owned(), json!(kind.name())))
            .collect();
        let secondary: Vec<&str> = self.decision.secondary.iter().map(|s| s.name()).collect();
        let mut document = json!({
            "query_id": self.query_id,
            "router_decision": {
                "primary_store": self.decision.primary.name(),
                "secondary_stores": secondary,
                "confidence": (f64::from(self.decision.confidence) * 1e4).round() / 1e4,
                "reasoning": self.decision.reasoning,
                "requires_synthesis": self.decision.requires_synthesis,
            },
            "results": results,
            "failed": failed,
            "synthesis": {
                "text": synthesis.text,
                "citations": synthesis.citations,
                "by": by.name(),
            },
            "context_id": self.context_id,
        });
        if shown.truncated {
            document["truncated"] = json!(true);
        }
        if !self.degraded.is_empty() {
            let whole = self.degraded.join("; ");
            document["degraded"] = json!(beginning(&whole, limits::ASK_DEGRADED_BYTES_MAX));
        }
        document
    }
}

/// The stores that are searched, the likeliest first.
pub fn searched(decision: &Decision) -> impl Iterator<Item = Store> + '_ {
    std::iter::once(decision.primary).chain(decision.secondary.iter().copied())
}

/// What the next question may lean on: entities of what was quoted, or where
/// nothing was, of what was found.
pub fn turn(query: String, synthesis: &Synthesis, shown: &[&Hit]) -> Turn {
    let cited = synthesis.citations.iter();
    let cited: Vec<&Hit> = cited
        .filter_map(|citation| shown.iter().find(|hit| hit.item.citation == *citation))
        .copied()
        .collect();
    let about = match cited.is_empty() {
        true => shown,
        false => &cited,
    };
    let mut entities: Vec<String> = Vec::new();
    for entity in about.iter().flat_map(|hit| &hit.entities) {
        if !entities.contains(entity) {
            entities.push(entity.clone());
        }
    }
    Turn {
        query,
        entities,
        items: synthesis.citations.clone(),
    }
}
