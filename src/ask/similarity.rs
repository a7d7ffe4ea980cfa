//! Similarity of hits to the question, for stores that keep no vectors.

use tokio::time::{Instant, timeout_at};

use super::answer::Hit;
use super::fan_out::Findings;
use super::service::Ask;
use crate::limits;
use crate::text::beginning;
use crate::vector::dot;

impl Ask {
    /// Compares the best hits of each store with the question. Hits that are not
    /// encoded by `deadline` are compared by their words.
    pub(super) async fn compare(
        &self,
        findings: &mut Findings,
        question: &[f32],
        deadline: Instant,
    ) {
        let mut unknown: Vec<(usize, &mut Hit)> = Vec::new();
        for hits in findings.hits.values_mut() {
            for (rank, hit) in hits.iter_mut().enumerate() {
                if hit.evidence.similarity.is_some() {
                    continue;
                }
                match self.vectors.get(encoded_text(hit)) {
                    Some(vector) => hit.evidence.similarity = Some(dot(&vector, question)),
                    None => unknown.push((rank, hit)),
                }
            }
        }
        unknown.sort_by_key(|(rank, _)| *rank);
        unknown.truncate(limits::ASK_VECTORS_MAX);
        let texts = unknown.iter().map(|(_, hit)| encoded_text(hit).to_owned());
        let encoding = self.memories.encode(texts.collect());
        let why = match timeout_at(deadline, encoding).await {
            Ok(Ok(vectors)) => {
                for ((_, hit), vector) in unknown.into_iter().zip(vectors) {
                    hit.evidence.similarity = Some(dot(&vector, question));
                    self.vectors.insert(encoded_text(hit), vector.into());
                }
                return;
            }
            Ok(Err(failure)) => failure.message,
            Err(_) => "there was no time".to_owned(),
        };
        let why = format!("compared by words only: the results could not be encoded ({why})");
        findings.degraded.push(why);
    }
}

fn encoded_text(hit: &Hit) -> &str {
    beginning(&hit.evidence.text, limits::ASK_VECTOR_BYTES_MAX)
}
