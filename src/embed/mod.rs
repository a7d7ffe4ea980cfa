//! Text to vector: the port of encoders, the one that is compiled in, and those behind
//! an HTTP endpoint.

mod cache;
pub mod minilm;
mod remote;
pub(crate) mod wordpiece;

use std::sync::Arc;

pub(crate) use cache::VectorCache;
pub(crate) use remote::{Prefixes, Remote};

use crate::failure::Failure;

/// An encoder of texts into one vector space. Calls block, so they must not run on
/// the event loop.
pub trait Embedder: Send + Sync {
    /// The vector space, for example `all-MiniLM-L6-v2/int8`. Vectors of different
    /// spaces are never compared.
    fn model_id(&self) -> &str;

    /// Whether it may be unavailable for a while, with a [`Kind::Unavailable`] failure.
    ///
    /// [`Kind::Unavailable`]: crate::failure::Kind::Unavailable
    fn is_remote(&self) -> bool {
        false
    }

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
