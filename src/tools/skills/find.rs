//! Ranks the tools of skills for a query by meaning and by words, combined as in a
//! memory search.

use std::sync::Arc;

use crate::embed::{Embedder, VectorCache};
use crate::failure::Failure;
use crate::limits;
use crate::memory::{Weights, rank};
use crate::registry::OfferedTool;
use crate::store::memory::{Candidates, Hit};
use crate::text::{self, QueryWord};
use crate::vector::dot;

/// The usual constants of BM25.
const SATURATION: f32 = 1.2;
const LENGTH_SHARE: f32 = 0.75;

/// The least cosine of a description that has to do with a query: without it a
/// query that means nothing would find every tool.
const MEANING_MIN: f32 = 0.1;

/// Ranks tools, and keeps the vectors of descriptions.
pub(crate) struct Finder {
    embedder: Arc<dyn Embedder>,
    vectors: Arc<VectorCache>,
}

impl Finder {
    pub(crate) fn new(embedder: Arc<dyn Embedder>) -> Finder {
        Finder {
            embedder,
            vectors: Arc::new(VectorCache::new(limits::TOOL_VECTORS_KEPT_MAX)),
        }
    }

    /// The indices of `offers`, best first.
    pub(crate) async fn rank(
        &self,
        query: String,
        offers: &[OfferedTool],
    ) -> Result<Vec<usize>, Failure> {
        let texts: Vec<String> = offers.iter().map(described).collect();
        let (embedder, vectors) = (self.embedder.clone(), self.vectors.clone());
        // Encoding would block the event loop.
        tokio::task::spawn_blocking(move || {
            let candidates = Candidates {
                keyword: by_words(&text::query_words(&query), &texts),
                semantic: by_meaning(&*embedder, &vectors, &query, &texts)?,
            };
            // Tools are in no thread, so neighbours do not count.
            let weights = Weights {
                neighbours: [0.0; 2],
                ..Weights::default()
            };
            let ranked = rank(&candidates, weights);
            Ok(ranked
                .into_iter()
                .filter_map(|r| r.id.try_into().ok())
                .collect())
        })
        .await
        .unwrap_or_else(|error| Err(Failure::internal(error)))
    }
}

/// The text of a tool: its names and its description.
fn described(offer: &OfferedTool) -> String {
    let name = offer.tool.name.replace(['_', '-', '.'], " ");
    let mut end = offer.tool.description.len().min(limits::SNIPPET_BYTES_MAX);
    while !offer.tool.description.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} {name}: {}", offer.skill, &offer.tool.description[..end])
}

fn hits(scores: impl Iterator<Item = f32>) -> Vec<Hit> {
    let hit = |(nth, score): (usize, f32)| Hit {
        id: i64::try_from(nth).unwrap_or(i64::MAX),
        score,
        thread: 0,
        position: i64::try_from(nth).unwrap_or(i64::MAX),
    };
    scores.enumerate().map(hit).collect()
}

fn by_meaning(
    embedder: &dyn Embedder,
    vectors: &VectorCache,
    query: &str,
    texts: &[String],
) -> Result<Vec<Hit>, Failure> {
    let query = embedder.embed_query(query)?;
    let mut scores = Vec::with_capacity(texts.len());
    for text in texts {
        let vector = match vectors.get(text) {
            Some(vector) => vector,
            None => {
                let vector: Arc<[f32]> = embedder.embed_query(text)?.into();
                vectors.insert(text, vector.clone());
                vector
            }
        };
        scores.push(dot(&query, &vector));
    }
    let mut hits = hits(scores.into_iter());
    hits.retain(|hit| hit.score >= MEANING_MIN);
    Ok(hits)
}

/// BM25 over the descriptions. Two words are the same where one begins with the
/// other; the store's index stems words instead.
fn by_words(query: &[QueryWord], texts: &[String]) -> Vec<Hit> {
    let documents: Vec<String> = texts.iter().map(|text| text::words(text)).collect();
    let documents: Vec<Vec<&str>> = documents
        .iter()
        .map(|words| words.split(' ').collect())
        .collect();
    let total: usize = documents.iter().map(Vec::len).sum();
    let usual = total as f32 / documents.len().max(1) as f32;
    let count = |document: &[&str], asked: &QueryWord| {
        document.iter().filter(|word| same(word, asked)).count() as f32
    };
    let rarity: Vec<f32> = query
        .iter()
        .map(|asked| {
            let having = documents.iter().filter(|d| count(d, asked) > 0.0).count() as f32;
            (1.0 + (documents.len() as f32 - having + 0.5) / (having + 0.5)).ln()
        })
        .collect();
    let score = |document: &Vec<&str>| -> f32 {
        let length = 1.0 - LENGTH_SHARE + LENGTH_SHARE * document.len() as f32 / usual;
        let part = |(asked, rarity): (&QueryWord, &f32)| {
            let often = count(document, asked);
            rarity * often * (SATURATION + 1.0) / (often + SATURATION * length)
        };
        query.iter().zip(&rarity).map(part).sum()
    };
    let mut hits = hits(documents.iter().map(score));
    hits.retain(|hit| hit.score > 0.0);
    hits
}

fn same(word: &str, asked: &QueryWord) -> bool {
    const STEM_BYTES: usize = 4;
    let asked = asked.word.as_str();
    let long = word.len().min(asked.len()) >= STEM_BYTES;
    word == asked || long && (word.starts_with(asked) || asked.starts_with(word))
}
