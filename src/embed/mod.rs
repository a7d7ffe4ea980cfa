//! Text to vector: the port of encoders, and the encoder that is compiled in.

mod cache;
pub mod minilm;
pub(crate) mod wordpiece;

use std::sync::Arc;

pub(crate) use cache::VectorCache;

use crate::failure::Failure;

/// An encoder of texts into one vector space. Calls block, so they must not run on
/// the event loop.
pub trait Embedder: Send + Sync {
    /// The vector space, for example `all-MiniLM-L6-v2/int8`. Vectors of different
    /// spaces are never compared.
    fn model_id(&self) -> &str;

    fn dimensions(&self) -> usize;

    /// A unit vector for each window of `text`: one if the text fits the model's
    /// window, at most `limits::EMBED_CHUNKS_MAX`.
    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure>;

    /// The unit vector of a query, of which only the first window counts.
    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure>;
}

/// The compiled-in encoder.
pub fn builtin() -> Arc<dyn Embedder> {
    Arc::new(minilm::MiniLm::default())
}
