//! Text to vector: the encoder's port, and its implementations: compiled in, installed
//! as a file, and behind an HTTP endpoint.

mod cache;
mod encoder;
mod installed;
#[cfg_attr(not(unix), path = "unmapped.rs")]
mod mapped;
pub mod minilm;
mod model_file;
mod remote;
mod sections;
mod transformer;
mod unigram;
mod windows;
mod wordpiece;

use std::sync::Arc;

pub(crate) use cache::VectorCache;
pub(crate) use installed::{InstalledModel, InstalledModels};
pub use model_file::ModelFile;
pub(crate) use remote::{Prefixes, Remote};

use serde::Deserialize;

use crate::failure::{Failure, Kind};

/// An encoder of texts into one vector space. Calls block, so they must not run on
/// the event loop.
pub trait Embedder: Send + Sync {
    /// The vector space, for example `all-MiniLM-L6-v2/int8`. Vectors of different
    /// spaces are never compared.
    fn model_id(&self) -> &str;

    /// Whether it may be unavailable for a while, with a [`Kind::Unavailable`] failure.
    fn may_be_unavailable(&self) -> bool {
        false
    }

    /// The weights with which its vectors rank ordinary notes best.
    fn note_weights(&self) -> NoteWeights {
        NoteWeights::default()
    }

    /// A unit vector for each window of `text`: one if the text fits the model's
    /// window, at most `limits::EMBED_CHUNKS_MAX`.
    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure>;

    /// The unit vector of a query, of which only the first window counts.
    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure>;
}

/// The weights of the two sides of a search for an ordinary note. The defaults were
/// measured with the built-in encoder.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct NoteWeights {
    /// Factor of the keyword score, relative to its weight in conversations.
    pub(crate) keyword: f32,
    /// Factor of the cosine, likewise.
    pub(crate) semantic: f32,
    /// The keyword score is multiplied by the share of the question's words that the
    /// note has, to this power.
    pub(crate) share_power: f32,
}

impl Default for NoteWeights {
    fn default() -> Self {
        NoteWeights {
            keyword: 2.0 / 3.0,
            semantic: 1.5,
            share_power: 0.4,
        }
    }
}

/// Stands for a configured encoder that cannot be used: texts are stored without a
/// vector, and searches are by keyword only.
pub(crate) struct Unavailable {
    name: String,
    failure: Failure,
}

impl Unavailable {
    pub(crate) fn new(name: &str, failure: Failure) -> Unavailable {
        Unavailable {
            name: name.to_owned(),
            failure,
        }
    }

    fn failure(&self) -> Failure {
        let failure = Failure::new(Kind::Unavailable, self.failure.message.clone());
        failure.hint(self.failure.hint.clone().unwrap_or_default())
    }
}

impl Embedder for Unavailable {
    fn model_id(&self) -> &str {
        &self.name
    }

    fn may_be_unavailable(&self) -> bool {
        true
    }

    fn embed_document(&self, _: &str) -> Result<Vec<Vec<f32>>, Failure> {
        Err(self.failure())
    }

    fn embed_query(&self, _: &str) -> Result<Vec<f32>, Failure> {
        Err(self.failure())
    }
}

/// The compiled-in encoder.
pub fn builtin() -> Arc<dyn Embedder> {
    Arc::new(minilm::MiniLm::default())
}
