//! An answer, and keeping it within its budget.

use std::collections::BTreeMap;

use super::skill_tools::SkillTool;
use super::{Decision, Evidence, StoreKind, Synthesis};
use crate::failure::Kind;
use crate::graph::about::NamedTriple;
use crate::limits;
use crate::store::memory::{Memory, MemoryId};
use crate::store::procedure::StoredDefinition;

/// A result of one store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hit {
    pub(crate) record: Record,
    pub(crate) evidence: Evidence,
    /// The entities it is about, the most prominent first.
    pub(crate) entities: Vec<String>,
}

/// A result in its store's form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    Memory(Box<Memory>, Option<f32>),
    Triple(Box<NamedTriple>),
    Procedure(StoredDefinition),
    Tool(SkillTool),
}

impl Hit {
    /// `None` unless it is a memory.
    pub(super) fn memory_id(&self) -> Option<MemoryId> {
        match &self.record {
            Record::Memory(memory, _) => Some(memory.id),
            _ => None,
        }
    }
}

pub(crate) struct Answer {
    /// Identifies the question in logs.
    pub(crate) query_id: String,
    /// Identifies the conversation.
    pub(crate) context_id: String,
    pub(crate) decision: Decision,
    /// The stores without results, and why.
    pub(crate) failed: BTreeMap<StoreKind, Kind>,
    /// Reasons why the answer may be worse than usual.
    pub(crate) degraded: Vec<String>,
    /// Best first.
    pub(crate) hits: Vec<Hit>,
    /// Whether hits were left out to keep the budget.
    pub(crate) is_truncated: bool,
    pub(crate) author: Author,
    pub(crate) synthesis: Synthesis,
}

/// Who wrote a synthesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// No model: quotations only.
    Extract,
    Client,
    Endpoint,
}

impl Author {
    /// The names are part of the contract.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Author::Extract => "extract",
            Author::Client => "client",
            Author::Endpoint => "endpoint",
        }
    }
}

impl Answer {
    /// The stores that were searched successfully.
    pub(super) fn answered_stores(&self) -> Vec<StoreKind> {
        let searched = self.decision.stores();
        searched
            .filter(|store| !self.failed.contains_key(store))
            .collect()
    }

    /// Entities the next question may refer to: those of the cited hits, or of
    /// all hits if none is cited.
    pub(super) fn entities(&self) -> Vec<String> {
        let cited = self.synthesis.citations.iter();
        let mut hits: Vec<&Hit> = cited
            .filter_map(|citation| {
                let mut hits = self.hits.iter();
                hits.find(|hit| hit.evidence.citation == *citation)
            })
            .collect();
        if hits.is_empty() {
            hits = self.hits.iter().collect();
        }
        let mut entities: Vec<String> = Vec::new();
        for entity in hits.into_iter().flat_map(|hit| &hit.entities) {
            if !entities.contains(entity) {
                entities.push(entity.clone());
            }
        }
        entities
    }

    pub(super) fn clear_synthesis(&mut self) {
        self.author = Author::Extract;
        self.synthesis = Synthesis::default();
    }
}

/// The form in which the caller receives an answer: the budget counts its bytes.
pub(crate) trait Format: Sync {
    fn hit_bytes(&self, hit: &Hit) -> usize;
    fn answer_bytes(&self, answer: &Answer) -> usize;
}

/// The bytes that a whole answer may take.
pub(super) struct Budget<'a> {
    pub(crate) bytes: usize,
    /// Those of its quotations, if only the best are wanted.
    pub(crate) quoted_bytes: Option<usize>,
    pub(crate) format: &'a dyn Format,
}

impl Budget<'_> {
    /// The bytes that `answer` leaves unused.
    pub(crate) fn remaining(&self, answer: &Answer) -> usize {
        let used = self.format.answer_bytes(answer);
        self.bytes.saturating_sub(used)
    }

    /// Gives `answer` the synthesis that `write` makes within a number of bytes.
    /// Without one, returns the reason.
    pub(crate) fn synthesize<'e>(
        &self,
        answer: &mut Answer,
        author: Author,
        write: impl Fn(usize) -> Result<Synthesis, &'e str>,
    ) -> Result<(), &'e str> {
        answer.clear_synthesis();
        let mut room = self.remaining(answer);
        // Escapes and citations take more in JSON than in the text.
        for _ in 0..limits::ASK_ATTEMPTS_MAX {
            let synthesis = write(room)?;
            (answer.author, answer.synthesis) = (author, synthesis);
            let used = self.format.answer_bytes(answer);
            if used <= self.bytes {
                return Ok(());
            }
            answer.clear_synthesis();
            room = room.saturating_sub(used - self.bytes + limits::TOKEN_BYTES);
        }
        Err("wrote more than fits")
    }
}
