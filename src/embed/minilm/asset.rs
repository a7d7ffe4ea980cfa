//! The model's bytes in the layout of `convert.py`, read in place. Only small parts
//! (scales, biases, gains) are copied.

use super::super::wordpiece::Vocabulary;
use crate::vector::Dense;

/// Length of a token's vector.
pub(crate) const WIDTH: usize = 384;
/// Length of the vector inside a layer's feed-forward part.
pub(crate) const INNER: usize = 1536;
/// Tokens of a window, including the two special ones.
pub(crate) const WINDOW: usize = 256;
const LAYERS: usize = 6;
const PIECES: usize = 30_522;
const TEXT_BYTES: usize = 1 << 18;
const MARK: &[u8] = b"mimo minilm int8 1";

/// Sections are aligned to a cache line, in the file and in memory.
const ALIGN: usize = 64;

#[repr(align(64))]
struct Aligned<T>(T);

/// Pages of the binary: they are in memory only after they are read, and the
/// kernels read them in place.
static BYTES: Aligned<[u8; include_bytes!("asset/minilm.bin").len()]> =
    Aligned(*include_bytes!("asset/minilm.bin"));

pub(crate) struct Asset {
    pub(crate) vocabulary: Vocabulary,
    words: &'static [[u8; WIDTH]],
    word_scale: &'static [[u8; 4]],
    positions: &'static [[[u8; 4]; WIDTH]],
    /// Factors of the state's columns before quantization (SmoothQuant). A few
    /// columns are far larger than the rest, which would lose its precision; the
    /// weights contain the inverse factors.
    pub(crate) smoothing: Vec<f32>,
    /// Of the sum of a word vector and a position vector.
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<Layer>,
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

impl Asset {
    /// Reads the compiled-in asset.
    ///
    /// # Panics
    /// If `convert.py` made it for another version; a test loads it.
    pub(crate) fn load() -> Asset {
        let mut from = AssetReader(&BYTES.0);
        assert_eq!(
            &from.bytes(64)[..MARK.len()],
            MARK,
            "the model's asset is of another version"
        );
        let slots = from.bytes(2 * Vocabulary::SLOTS).as_chunks().0;
        let ends = from.bytes(4 * PIECES).as_chunks().0;
        let vocabulary = Vocabulary::new(slots, ends, from.bytes(TEXT_BYTES));
        let asset = Asset {
            vocabulary,
            words: from.bytes(PIECES * WIDTH).as_chunks().0,
            word_scale: from.bytes(4 * PIECES).as_chunks().0,
            positions: from.bytes(4 * WINDOW * WIDTH).as_chunks().0.as_chunks().0,
            smoothing: from.floats(WIDTH),
            norm: from.norm(),
            layers: (0..LAYERS).map(|_| from.layer()).collect(),
        };
        assert!(
            from.0.is_empty(),
            "the model's asset is longer than its parts"
        );
        asset
    }

    /// Writes the vector of word `id` at `position` into `out`, not yet normalized.
    pub(crate) fn embed(&self, id: u16, position: usize, out: &mut [f32]) {
        let scale = f32::from_le_bytes(self.word_scale[usize::from(id)]);
        let word = &self.words[usize::from(id)];
        for ((out, word), position) in out.iter_mut().zip(word).zip(&self.positions[position]) {
            *out = f32::from(*word as i8) * scale + f32::from_le_bytes(*position);
        }
    }
}

/// Reads section after section.
struct AssetReader(&'static [u8]);

impl AssetReader {
    fn bytes(&mut self, length: usize) -> &'static [u8] {
        let (section, rest) = self.0.split_at(length.next_multiple_of(ALIGN));
        self.0 = rest;
        &section[..length]
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        self.bytes(4 * count)
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }

    fn norm(&mut self) -> Norm {
        Norm {
            gain: self.floats(WIDTH),
            shift: self.floats(WIDTH),
        }
    }

    fn dense(&mut self, inputs: usize, outputs: usize) -> Dense<'static> {
        let weights = self.bytes(inputs * outputs);
        let scale = self.floats(outputs);
        let sums = self
            .bytes(4 * outputs)
            .as_chunks()
            .0
            .iter()
            .map(|sum| i32::from_le_bytes(*sum))
            .collect();
        let bias = self.floats(outputs);
        Dense::new(inputs, weights, scale, sums, bias).expect("the sizes match")
    }

    fn layer(&mut self) -> Layer {
        Layer {
            qkv: self.dense(WIDTH, 3 * WIDTH),
            mix: self.dense(WIDTH, WIDTH),
            mix_norm: self.norm(),
            up: self.dense(WIDTH, INNER),
            down: self.dense(INNER, WIDTH),
            down_norm: self.norm(),
        }
    }
}
