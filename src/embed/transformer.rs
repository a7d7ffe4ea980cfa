//! A BERT-style transformer: from the token ids of one window to a unit vector.

use crate::vector::{AttentionBuffers, Dense, Epilogue, Level, Rows};

/// Length of a token's vector.
pub(crate) const WIDTH: usize = 384;
/// Width of the hidden layer of the feed-forward part.
pub(crate) const INNER: usize = 1536;
/// Tokens of a window, including the special ones.
pub(crate) const WINDOW: usize = 256;

/// Tokens that go through the feed-forward part together: many, so that its weights
/// are read rarely, but few enough that the values between its halves stay cached.
const FEED_TOKENS: usize = 64;
/// The factors for quantizing columns without smoothing.
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

pub(crate) struct Transformer {
    pub(crate) words: WordVectors,
    pub(crate) positions: &'static [[[u8; 4]; WIDTH]],
    /// Factors of the state's columns before quantization (SmoothQuant). A few
    /// columns may be far larger than the rest, which would lose its precision; the
    /// weights contain the inverse factors.
    pub(crate) smoothing: Vec<f32>,
    /// Normalizes the sum of a word vector and a position vector.
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<Layer>,
    /// The mean of the unit vectors of all texts, which is subtracted: then unrelated
    /// texts have a cosine near 0, and the signs of a vector's numbers are informative.
    pub(crate) common: Option<Vec<f32>>,
}

/// The vectors of all pieces of a vocabulary.
pub(crate) enum WordVectors {
    /// Int8, with a scale for each vector.
    Bytes {
        codes: &'static [[u8; WIDTH]],
        scales: &'static [[u8; 4]],
    },
    /// Int4 (-8..=7), two in a byte: in each block of 32, the first half is in the low
    /// nibbles, the second in the high ones. The scale of a block is a bfloat16.
    Nibbles {
        codes: &'static [[u8; WIDTH / 2]],
        scales: &'static [[[u8; 2]; WordVectors::BLOCKS]],
    },
}

/// Numbers of a word vector that share a scale.
const BLOCK: usize = 32;

impl WordVectors {
    pub(crate) const BLOCKS: usize = WIDTH / BLOCK;

    fn write(&self, id: u32, out: &mut [f32]) {
        let id = id as usize;
        match self {
            WordVectors::Bytes { codes, scales } => {
                let scale = f32::from_le_bytes(scales[id]);
                for (out, code) in out.iter_mut().zip(&codes[id]) {
                    *out = f32::from(*code as i8) * scale;
                }
            }
            WordVectors::Nibbles { codes, scales } => {
                let blocks = codes[id].chunks_exact(BLOCK / 2).zip(&scales[id]);
                for (out, (codes, scale)) in out.chunks_exact_mut(BLOCK).zip(blocks) {
                    let scale = f32::from_bits(u32::from(u16::from_le_bytes(*scale)) << 16);
                    let (low, high) = out.split_at_mut(BLOCK / 2);
                    for ((low, high), code) in low.iter_mut().zip(high).zip(codes) {
                        *low = f32::from((code & 15) as i8 - 8) * scale;
                        *high = f32::from((code >> 4) as i8 - 8) * scale;
                    }
                }
            }
        }
    }
}

/// The parameters of a layer normalization.
pub(crate) struct Norm {
    pub(crate) gain: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// One layer: attention, then the feed-forward part.
pub(crate) struct Layer {
    /// Queries (divided by the root of a head's width), keys, values.
    pub(crate) qkv: Dense<'static>,
    /// From the heads back to the state.
    pub(crate) mix: Dense<'static>,
    pub(crate) mix_norm: Norm,
    pub(crate) up: Dense<'static>,
    pub(crate) down: Dense<'static>,
    pub(crate) down_norm: Norm,
}

/// The unit vector of a window of 1 to `WINDOW` tokens.
pub(crate) fn forward(
    model: &Transformer,
    level: Level,
    ids: &[u32],
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
        model.words.write(*id, out);
        for (out, position) in out.iter_mut().zip(&model.positions[position]) {
            *out += f32::from_le_bytes(*position);
        }
    }
    level.normalize(&mut workspace.state, &model.norm.gain, &model.norm.shift);
    for layer in &model.layers {
        level.quantize(&workspace.state, &model.smoothing, &mut workspace.rows);
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
            level.quantize(state, &model.smoothing, &mut workspace.rows);
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
    let mut out = vec![0.0; WIDTH];
    for row in workspace.state.chunks_exact(WIDTH) {
        add(&mut out, row, 1.0);
    }
    to_unit(level, &mut out);
    if let Some(common) = &model.common {
        add(&mut out, common, -1.0);
        to_unit(level, &mut out);
    }
    out
}

fn add(to: &mut [f32], numbers: &[f32], factor: f32) {
    for (to, number) in to.iter_mut().zip(numbers) {
        *to += factor * number;
    }
}

fn to_unit(level: Level, vector: &mut [f32]) {
    // The shifts of the last normalization keep it away from 0.
    let length = level.dot(vector, vector).sqrt().max(f32::MIN_POSITIVE);
    for number in vector {
        *number /= length;
    }
}
