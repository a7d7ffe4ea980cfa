//! Encodes tokens, window by window.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::transformer::{Transformer, WINDOW, Workspace, forward};
use super::windows::{Token, windows};
use crate::limits;
use crate::meter::calls as metrics;
use crate::vector::Level;

/// A transformer with its workspaces. Calls from several threads run in parallel.
pub(super) struct Encoder {
    level: Level,
    transformer: Transformer,
    workspaces: Mutex<Vec<Workspace>>,
}

/// The token ids that a model expects around the text of each window: special tokens,
/// and a prefix if it has one.
pub(super) struct WindowTemplate {
    pub(super) before: Vec<u32>,
    pub(super) after: u32,
}

impl WindowTemplate {
    /// The number of text tokens that fit a window.
    pub(super) fn text_tokens(&self) -> usize {
        WINDOW - self.before.len() - 1
    }
}

impl Encoder {
    pub(super) fn new(level: Level, transformer: Transformer) -> Encoder {
        Encoder {
            level,
            transformer,
            workspaces: Mutex::default(),
        }
    }

    /// A vector for each window, at most `limits::EMBED_CHUNKS_MAX`. A text with more
    /// windows (100 KB of English prose has fewer) is sampled: that many are spread
    /// evenly over it.
    pub(super) fn document(&self, tokens: &[Token], template: &WindowTemplate) -> Vec<Vec<f32>> {
        let started = Instant::now();
        let windows = windows(tokens, template.text_tokens(), limits::EMBED_CHUNKS_MAX).into_iter();
        let vectors: Vec<_> = windows
            .map(|window| self.window(&tokens[window], template))
            .collect();
        count(started, vectors.len());
        vectors
    }

    /// The vector of the first window.
    pub(super) fn query(&self, tokens: &[Token], template: &WindowTemplate) -> Vec<f32> {
        let started = Instant::now();
        let vector = self.window(
            &tokens[..tokens.len().min(template.text_tokens())],
            template,
        );
        count(started, 1);
        vector
    }

    fn window(&self, tokens: &[Token], template: &WindowTemplate) -> Vec<f32> {
        let before = template.before.iter().copied();
        let ids = before.chain(tokens.iter().map(|token| token.id));
        let ids: Vec<u32> = ids.chain([template.after]).collect();
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let mut workspace = lock().pop().unwrap_or_default();
        let vector = forward(&self.transformer, self.level, &ids, &mut workspace);
        let mut workspaces = lock();
        if workspaces.len() < limits::EMBED_WORKSPACES_MAX {
            workspaces.push(workspace);
        }
        vector
    }
}

fn count(started: Instant, windows: usize) {
    metrics::ENCODE_SECONDS.since((), started);
    metrics::ENCODE_WINDOWS.add((), windows as u64);
}
