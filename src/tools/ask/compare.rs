//! How near results are to the question, where their store keeps no vectors.

use tokio::time::{Instant, timeout_at};

use super::Ask;
use crate::ask::{Gathered, Hit, beginning};
use crate::limits;
use crate::vector::dot;

/// Compares the best of each store with the question. Those that are not encoded
/// in time are compared by their words.
pub async fn compare(ask: &Ask, gathered: &mut Gathered, question: &[f32], deadline: Instant) {
    let mut hits: Vec<(usize, &mut Hit)> = Vec::new();
    for list in gathered.found.values_mut() {
        for (rank, hit) in list.iter_mut().enumerate() {
            if hit.item.likeness.is_some() {
                continue;
            }
            match ask.vectors.of(encoded(hit)) {
                Some(vector) => hit.item.likeness = Some(dot(&vector, question)),
                None => hits.push((rank, hit)),
            }
        }
    }
    hits.sort_by_key(|(rank, _)| *rank);
    hits.truncate(limits::ASK_VECTORS_MAX);
    let texts = hits.iter().map(|(_, hit)| encoded(hit).to_owned());
    let why = match timeout_at(deadline, ask.memories.encode(texts.collect())).await {
        Ok(Ok(vectors)) => {
            for ((_, hit), vector) in hits.into_iter().zip(vectors) {
                hit.item.likeness = Some(dot(&vector, question));
                ask.vectors.keep(encoded(hit), vector.into());
            }
            return;
        }
        Ok(Err(failure)) => failure.message,
        Err(_) => "there was no time".to_owned(),
    };
    let why = format!("compared by words only: the results could not be encoded ({why})");
    gathered.degraded.push(why);
}

/// What of a result is encoded.
fn encoded(hit: &Hit) -> &str {
    beginning(&hit.item.text, limits::ASK_VECTOR_BYTES_MAX)
}
