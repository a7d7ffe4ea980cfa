//! The compiled-in encoder: all-MiniLM-L6-v2 in int8, 384 dimensions, mainly for
//! English.

mod asset;

use std::sync::OnceLock;

use super::Embedder;
use super::encoder::{Encoder, WindowTemplate};
use super::windows::Token;
use super::wordpiece::{CLASSIFY, SEPARATE, Vocabulary};
use crate::failure::Failure;
use crate::vector::Level;

/// The built-in model. Its bytes are pages of the binary, and the few that must be
/// copied are copied on first use, so construction is free. Calls from several threads
/// run in parallel.
pub struct MiniLm {
    level: Level,
    model: OnceLock<Model>,
}

struct Model {
    vocabulary: Vocabulary,
    encoder: Encoder,
    template: WindowTemplate,
}

impl Default for MiniLm {
    fn default() -> Self {
        MiniLm::at(Level::best())
    }
}

impl MiniLm {
    /// The model with the kernels of one instruction set.
    pub fn at(level: Level) -> Self {
        MiniLm {
            level,
            model: OnceLock::new(),
        }
    }

    /// The ids of all tokens of `text`, without special ones.
    pub fn token_ids(&self, text: &str) -> Vec<u32> {
        let tokens = self.model().vocabulary.tokens(text, usize::MAX);
        tokens.into_iter().map(|token| token.id).collect()
    }

    fn model(&self) -> &Model {
        self.model.get_or_init(|| {
            let (vocabulary, transformer) = asset::load();
            Model {
                vocabulary,
                encoder: Encoder::new(self.level, transformer),
                template: WindowTemplate {
                    before: vec![CLASSIFY],
                    after: SEPARATE,
                },
            }
        })
    }
}

impl Embedder for MiniLm {
    fn model_id(&self) -> &str {
        "all-MiniLM-L6-v2/int8"
    }

    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure> {
        let model = self.model();
        let tokens: Vec<Token> = model.vocabulary.tokens(text, usize::MAX);
        Ok(model.encoder.document(&tokens, &model.template))
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure> {
        let model = self.model();
        let most = model.template.text_tokens();
        let tokens = model.vocabulary.tokens(text, most);
        Ok(model.encoder.query(&tokens, &model.template))
    }
}
