//! Text to vector: the port every encoder stands behind, and the encoder that
//! is compiled in. Knows nothing of memories, stores or requests.

mod cache;
pub mod minilm;
pub mod wordpiece;

use std::sync::Arc;

pub(crate) use cache::VectorCache;

use crate::failure::Failure;

/// An encoder of texts into one vector space. Calls block and use the CPU (or
/// the network): run them off the event loop.
pub trait Embedder: Send + Sync {
    /// Names the space, for example `all-MiniLM-L6-v2/int8`: vectors of
    /// different ids are never compared.
    fn model_id(&self) -> &str;

    /// Length of every vector of this space.
    fn dimensions(&self) -> usize;

    /// One unit-length vector for each window of `text` (a text within the
    /// model's window gives one), at least one, at most
    /// `limits::EMBED_CHUNKS_MAX`.
    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure>;

    /// One unit-length vector of a query; what exceeds the window is left out.
    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure>;
}

/// The encoder that is compiled in: needs no file, no network and no key.
pub fn builtin() -> Arc<dyn Embedder> {
    Arc::new(minilm::MiniLm::default())
}
