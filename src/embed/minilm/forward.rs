//! The forward pass: the token ids of one window to a unit vector.

use super::asset::{Asset, INNER, WIDTH, WINDOW};
use crate::vector::{AttentionBuffers, Epilogue, Level, Rows};

/// Tokens that go through the feed-forward part together: many, so that its weights
/// are read rarely, but few enough that the values between its halves stay cached.
const FEED_TOKENS: usize = 64;
/// Factors of columns that are quantized unscaled.
static ONES: [f32; INNER] = [1.0; INNER];

/// Buffers for one window. They grow to the size of the longest window, at most
/// about 2.5 MB, and are reused.
#[derive(Default)]
pub(crate) struct Workspace {
    /// `[tokens][WIDTH]`: the state to which every layer adds.
    state: Vec<f32>,
    /// `[tokens][3 * WIDTH]`
    qkv: Vec<f32>,
    /// `[tokens][WIDTH]`
    mixed: Vec<f32>,
    /// `[FEED_TOKENS][INNER]`
    inner: Vec<f32>,
    rows: Rows,
    attention: AttentionBuffers,
}

/// The unit vector of a window of 1 to `WINDOW` tokens, including special ones.
pub(crate) fn forward(
    asset: &Asset,
    level: Level,
    ids: &[u16],
    workspace: &mut Workspace,
) -> Vec<f32> {
    assert!(
        (1..=WINDOW).contains(&ids.len()),
        "a window of {} tokens",
        ids.len()
    );
    workspace.state.resize(ids.len() * WIDTH, 0.0);
    workspace.qkv.resize(ids.len() * 3 * WIDTH, 0.0);
    workspace.mixed.resize(ids.len() * WIDTH, 0.0);
    for (position, (id, out)) in ids
        .iter()
        .zip(workspace.state.chunks_exact_mut(WIDTH))
        .enumerate()
    {
        asset.embed(*id, position, out);
    }
    level.normalize(&mut workspace.state, &asset.norm.gain, &asset.norm.shift);
    for layer in &asset.layers {
        level.quantize(&workspace.state, &asset.smoothing, &mut workspace.rows);
        level.dense(
            &workspace.rows,
            &layer.qkv,
            Epilogue::Write,
            &mut workspace.qkv,
        );
        level.attend(
            &workspace.qkv,
            ids.len(),
            &mut workspace.attention,
            &mut workspace.mixed,
        );
        level.quantize(&workspace.mixed, &ONES[..WIDTH], &mut workspace.rows);
        level.dense(
            &workspace.rows,
            &layer.mix,
            Epilogue::Add,
            &mut workspace.state,
        );
        level.normalize(
            &mut workspace.state,
            &layer.mix_norm.gain,
            &layer.mix_norm.shift,
        );
        for state in workspace.state.chunks_mut(FEED_TOKENS * WIDTH) {
            workspace.inner.resize(state.len() / WIDTH * INNER, 0.0);
            level.quantize(state, &asset.smoothing, &mut workspace.rows);
            level.dense(
                &workspace.rows,
                &layer.up,
                Epilogue::Gelu,
                &mut workspace.inner,
            );
            level.quantize(&workspace.inner, &ONES, &mut workspace.rows);
            level.dense(&workspace.rows, &layer.down, Epilogue::Add, state);
        }
        level.normalize(
            &mut workspace.state,
            &layer.down_norm.gain,
            &layer.down_norm.shift,
        );
    }
    pool(level, &workspace.state)
}

/// The unit vector of the mean of all tokens.
fn pool(level: Level, state: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; WIDTH];
    for row in state.chunks_exact(WIDTH) {
        for (sum, number) in out.iter_mut().zip(row) {
            *sum += number;
        }
    }
    // The shifts of the last normalization keep the sum away from 0.
    let length = level.dot(&out, &out).sqrt().max(f32::MIN_POSITIVE);
    for number in &mut out {
        *number /= length;
    }
    out
}
