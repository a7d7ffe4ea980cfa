//! Ranks the tools of skills for a query by meaning and by words, combined as in a
//! memory search.

use std::sync::Arc;
use std::time::Duration;

use crate::embed::{Embedder, VectorCache};
use crate::failure::Failure;
use crate::limits;
use crate::memory::{Weights, fuse};
use crate::printable;
use crate::registry::OfferedTool;
use crate::store::memory::Hit;
use crate::text::{self, QueryWord};
use crate::vector::dot;

/// The usual constants of BM25.
const SATURATION: f32 = 1.2;
const LENGTH_SHARE: f32 = 0.75;

/// The least cosine of a description that is related to a query: without it, a
/// meaningless query would find every tool.
const MEANING_MIN: f32 = 0.1;

/// The least cosine of a description that counts as a match although few words are
/// shared.
const MEANING_CLOSE: f32 = 0.4;

/// The least share of a query's words in such a description.
const WORDS_CLOSE: f32 = 0.5;

/// The tools that match a query.
pub(crate) struct RankedTools {
    /// Their indices, best first.
    pub(crate) order: Vec<usize>,
    /// Whether one of them has enough of the query's words, or is close to its
    /// meaning. Otherwise a tool that is not known yet may be the one.
    pub(crate) is_close: bool,
}

/// Ranks tools, and keeps the vectors of descriptions.
pub(crate) struct Finder {
    embedder: Arc<dyn Embedder>,
    vectors: Arc<VectorCache>,
    /// Held while descriptions are encoded.
    encoding: Arc<tokio::sync::Mutex<()>>,
}

impl Finder {
    pub(crate) fn new(embedder: Arc<dyn Embedder>) -> Finder {
        Finder {
            embedder,
            vectors: Arc::new(VectorCache::new(limits::TOOL_VECTORS_KEPT_MAX)),
            encoding: Arc::default(),
        }
    }

    /// Encodes descriptions that are new. If that takes long, as on a slow machine, it
    /// goes on behind this search, which finds the rest of the tools by their words.
    pub(crate) async fn rank(
        &self,
        query: String,
        offers: &[OfferedTool],
    ) -> Result<RankedTools, Failure> {
        let most = Duration::from_millis(limits::TOOL_ENCODE_MILLIS_MAX);
        if let Ok(encoded) = tokio::time::timeout(most, self.encode(offers)).await {
            encoded?;
        }
        let texts: Vec<String> = offers.iter().map(described).collect();
        let (embedder, vectors) = (self.embedder.clone(), self.vectors.clone());
        tokio::task::spawn_blocking(move || {
            let (keyword, most) = by_words(&text::query_words(&query), &texts);
            let semantic = by_meaning(&*embedder, &vectors, &query, &texts)?;
            let is_close =
                most >= WORDS_CLOSE || semantic.iter().any(|hit| hit.score >= MEANING_CLOSE);
            let ranked = fuse(&keyword, &semantic, Weights::default());
            let order = ranked.into_iter().filter_map(|r| r.id.try_into().ok());
            let order = order.collect();
            Ok(RankedTools { order, is_close })
        })
        .await
        .unwrap_or_else(|error| Err(Failure::internal(error)))
    }

    /// Encodes the descriptions that have no vector yet. What has begun goes on if the
    /// future is dropped.
    pub(super) fn encode(
        &self,
        offers: &[OfferedTool],
    ) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        let texts: Vec<String> = offers.iter().map(described).collect();
        let (embedder, vectors) = (self.embedder.clone(), Arc::downgrade(&self.vectors));
        let encoding = self.encoding.clone();
        async move {
            // Searches at the same time do not encode the same ones.
            let turn = encoding.lock_owned().await;
            let encode = move || {
                let _turn = turn;
                for text in &texts {
                    // Mimo is shutting down.
                    let Some(vectors) = vectors.upgrade() else {
                        break;
                    };
                    if vectors.get(text).is_none() {
                        vectors.insert(text, embedder.embed_query(text)?.into());
                    }
                }
                Ok(())
            };
            // Encoding would block the event loop.
            let encoded = tokio::task::spawn_blocking(encode).await;
            encoded.unwrap_or_else(|error| Err(Failure::internal(error)))
        }
    }
}

/// The text of a tool: its names and its description.
fn described(offer: &OfferedTool) -> String {
    let name = offer.tool.name.replace(['_', '-', '.'], " ");
    let begin = printable::prefix(&offer.tool.description, limits::SNIPPET_BYTES_MAX);
    format!("{} {name}: {begin}", offer.skill)
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
    let score = |text: &String| vectors.get(text).map_or(0.0, |vector| dot(&query, &vector));
    let mut hits = hits(texts.iter().map(score));
    hits.retain(|hit| hit.score >= MEANING_MIN);
    Ok(hits)
}

/// BM25 over the descriptions. Two words are the same where one begins with the
/// other; the store's index stems words instead. Beside it the largest share of the
/// query's words that one description has.
fn by_words(query: &[QueryWord], texts: &[String]) -> (Vec<Hit>, f32) {
    let documents: Vec<String> = texts.iter().map(|text| text::index_words(text)).collect();
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
    let share = |document: &Vec<&str>| {
        let had = query.iter().filter(|asked| count(document, asked) > 0.0);
        had.count() as f32 / query.len().max(1) as f32
    };
    let most = documents.iter().map(share).fold(0.0, f32::max);
    let mut hits = hits(documents.iter().map(score));
    hits.retain(|hit| hit.score > 0.0);
    (hits, most)
}

fn same(word: &str, asked: &QueryWord) -> bool {
    const STEM_BYTES: usize = 4;
    let asked = asked.word.as_str();
    let long = word.len().min(asked.len()) >= STEM_BYTES;
    word == asked || long && (word.starts_with(asked) || asked.starts_with(word))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::value::RawValue;

    use super::*;
    use crate::registry::{ApprovalState, Expose, SkillName};
    use crate::skills::client::Tool;

    /// Counts the texts that it encodes.
    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Embedder for Counter {
        fn model_id(&self) -> &str {
            "counter"
        }

        fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure> {
            Ok(vec![self.embed_query(text)?])
        }

        fn embed_query(&self, _: &str) -> Result<Vec<f32>, Failure> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(vec![1.0])
        }
    }

    fn offers() -> Vec<OfferedTool> {
        let offer = |name: &str| {
            let raw = format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#);
            let raw = RawValue::from_string(raw).expect("JSON");
            OfferedTool {
                skill: SkillName::new("s").expect("a name"),
                tool: Tool::read(&raw).expect("a tool"),
                approval: ApprovalState::Approved,
                expose: Expose::Auto,
            }
        };
        ["read", "write", "delete"].map(offer).into()
    }

    #[tokio::test]
    async fn descriptions_are_encoded_once_and_ahead_of_searches() {
        let counter = Arc::new(Counter::default());
        let finder = Finder::new(counter.clone());
        finder.encode(&offers()).await.expect("encoded");
        assert_eq!(counter.0.load(Ordering::Relaxed), 3);
        for searches in 1..4 {
            let ranked = finder.rank("write".to_owned(), &offers()).await;
            assert_eq!(ranked.expect("ranked").order.len(), 3);
            assert_eq!(counter.0.load(Ordering::Relaxed), 3 + searches);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn search_goes_by_words_while_encoding_takes_long() {
        let finder = Finder::new(Arc::new(Counter::default()));
        let _slow = finder.encoding.clone().lock_owned().await;
        let ranked = finder.rank("write".to_owned(), &offers()).await;
        assert_eq!(ranked.expect("ranked").order, [1]);
    }
}
