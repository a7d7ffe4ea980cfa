//! Synthesis of an answer: quotations first, then perhaps a model's text
//! from the same evidence.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Author, Budget};
use super::contradictions::mark_contradictions;
use super::service::Ask;
use super::{Evidence, Extent, checked, extract, prompt};
use crate::caller::Caller;
use crate::clock::Timestamp;
use crate::limits;

impl Ask {
    /// Gives `answer` the words of the first model that is available, finishes by
    /// `deadline` and passes the check; otherwise quotations. Why a model did not
    /// write the answer is added to its `degraded`.
    pub(super) async fn synthesize(
        &self,
        question: &str,
        answer: &mut Answer,
        budget: &Budget<'_>,
        caller: &Caller,
        cancel: &CancellationToken,
        deadline: Instant,
    ) {
        let now = self.memories.now();
        let evidence = answer.hits.iter().map(|hit| hit.evidence.clone());
        let mut evidence: Vec<Evidence> = evidence.collect();
        mark_contradictions(&mut evidence);
        quote(question, answer, &evidence, budget, now);
        let writers = self.writers.available(caller);
        let is_answered = !answer.synthesis.citations.is_empty();
        if !answer.decision.requires_synthesis || !is_answered || writers.is_empty() {
            return;
        }
        let quoted = answer.synthesis.clone();
        answer.clear_synthesis();
        let tokens = budget.remaining(answer) / limits::TOKEN_BYTES;
        let mark = self.memories.clock().new_id();
        let Some(prompt) = prompt(question, &evidence, now, &mark, tokens) else {
            answer.synthesis = quoted;
            return;
        };
        let degraded = answer.degraded.len();
        for writer in writers {
            let written = writer.write(&prompt, deadline, cancel).await;
            let fitted = written.and_then(|text| {
                let check = |bytes| checked(&text, &prompt.citations, bytes);
                Ok(budget.synthesize(answer, writer.author(), check)?)
            });
            match fitted {
                Ok(()) => return,
                Err(why) => answer.degraded.push(format!("{} {why}", writer.name())),
            }
        }
        quote(question, answer, &evidence, budget, now);
        if answer.synthesis.citations.is_empty() {
            // The answer matters more than the reasons: they yield to it.
            answer.degraded.truncate(degraded);
            answer.synthesis = quoted;
        }
    }
}

fn quote(
    question: &str,
    answer: &mut Answer,
    evidence: &[Evidence],
    budget: &Budget<'_>,
    now: Timestamp,
) {
    let searched = answer.answered_stores();
    let extract = |bytes: usize| {
        let extent = Extent {
            tokens: bytes.min(budget.quoted_bytes.unwrap_or(bytes)) / limits::TOKEN_BYTES,
            only_best: budget.quoted_bytes.is_some(),
        };
        Ok(extract(question, evidence, &searched, now, extent))
    };
    // Without room for any words, the hits alone are the answer.
    let _ = budget.synthesize(answer, Author::Extract, extract);
}
