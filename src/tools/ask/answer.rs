//! The document of `ask_mimo`, within its budget. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::ask::{Decision, Hit, Item, Store, Synthesis, Turn, dispute, extract};
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
    /// What could not be used.
    pub degraded: Option<String>,
    /// The stores that were asked.
    pub searched: &'a [Store],
    /// Tells how old things are.
    pub now: Timestamp,
    /// What the whole document may have.
    pub budget_bytes: usize,
}

impl Answer<'_> {
    /// What is left for results and the answer in words, in bytes.
    pub fn room(&self) -> usize {
        let empty = self.render(&[], &Synthesis::default(), true).to_string();
        self.budget_bytes.saturating_sub(empty.len())
    }

    /// The whole, with `shown` (most worth first) as its results.
    pub fn document(&self, question: &str, shown: &[&Hit], truncated: bool) -> (Value, Synthesis) {
        let mut items: Vec<Item> = shown.iter().map(|hit| hit.item.clone()).collect();
        dispute(&mut items);
        let without = self.render(shown, &Synthesis::default(), truncated);
        let mut room = self.budget_bytes.saturating_sub(without.to_string().len());
        // Quotation marks and citations take more in JSON than in the text.
        for _ in 0..limits::ASK_ATTEMPTS_MAX {
            let tokens = room / limits::TOKEN_BYTES;
            let said = extract(question, &items, &self.answered(), self.now, tokens);
            let document = self.render(shown, &said, truncated);
            let over = document.to_string().len().saturating_sub(self.budget_bytes);
            if over == 0 {
                return (document, said);
            }
            room = room.saturating_sub(over + limits::TOKEN_BYTES);
        }
        (without, Synthesis::default())
    }

    /// The stores whose results are known.
    fn answered(&self) -> Vec<Store> {
        let searched = self.searched.iter().copied();
        searched
            .filter(|store| !self.failed.contains_key(store))
            .collect()
    }

    fn render(&self, shown: &[&Hit], synthesis: &Synthesis, truncated: bool) -> Value {
        let rows = |store: Store| -> Vec<Value> {
            let of_it = shown.iter().filter(|hit| hit.item.store == store);
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
                "by": "extract",
            },
            "context_id": self.context_id,
        });
        if truncated {
            document["truncated"] = json!(true);
        }
        if let Some(degraded) = &self.degraded {
            document["degraded"] = json!(degraded);
        }
        document
    }
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
