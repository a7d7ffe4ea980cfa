//! The compiled-in bytes of the model, in the layout of `convert.py`.

use crate::embed::sections::Sections;
use crate::embed::transformer::{Transformer, WIDTH, WINDOW, WordVectors};
use crate::embed::wordpiece::Vocabulary;

const LAYERS: usize = 6;
const PIECES: usize = 30_522;
const TEXT_BYTES: usize = 1 << 18;
const MAGIC: &[u8] = b"mimo minilm int8 1";

#[repr(align(64))]
struct Aligned<T>(T);

/// Pages of the binary: they are in memory only after they are read, and the
/// kernels read them in place.
static BYTES: Aligned<[u8; include_bytes!("asset/minilm.bin").len()]> =
    Aligned(*include_bytes!("asset/minilm.bin"));

/// Reads the compiled-in asset.
///
/// # Panics
/// If `convert.py` made it for another version; a test loads it.
pub(super) fn load() -> (Vocabulary, Transformer) {
    read(Sections::new(&BYTES.0)).expect("the model's asset is of this version")
}

fn read(mut from: Sections) -> Option<(Vocabulary, Transformer)> {
    if !from.bytes(64)?.starts_with(MAGIC) {
        return None;
    }
    let slots = from.chunks(Vocabulary::SLOTS)?;
    let ends = from.chunks(PIECES)?;
    let vocabulary = Vocabulary::new(slots, ends, from.bytes(TEXT_BYTES)?);
    let transformer = Transformer {
        words: WordVectors::Bytes {
            codes: from.chunks(PIECES)?,
            scales: from.chunks(PIECES)?,
        },
        positions: from.chunks::<4>(WINDOW * WIDTH)?.as_chunks().0,
        smoothing: from.floats(WIDTH)?,
        norm: from.norm()?,
        layers: (0..LAYERS).map(|_| from.layer()).collect::<Option<_>>()?,
        common: None,
    };
    from.is_empty().then_some((vocabulary, transformer))
}
