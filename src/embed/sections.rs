//! Reads the bytes of a model in place, one section after another. Every section begins
//! at a multiple of 64 bytes, and numbers are little-endian. Only small parts (scales,
//! biases, gains) are copied.

use super::transformer::{INNER, Layer, Norm, WIDTH};
use crate::vector::Dense;

/// Sections are aligned to a cache line, in the file and in memory.
pub(super) const ALIGN: usize = 64;

/// The bytes that are not read yet. Methods return `None` if too few are left.
pub(super) struct Sections(&'static [u8]);

impl Sections {
    pub(super) fn new(bytes: &'static [u8]) -> Sections {
        Sections(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<&'static [u8]> {
        let (section, rest) = self.0.split_at_checked(length.next_multiple_of(ALIGN))?;
        self.0 = rest;
        Some(&section[..length])
    }

    /// `count` parts of `N` bytes each.
    pub(super) fn chunks<const N: usize>(&mut self, count: usize) -> Option<&'static [[u8; N]]> {
        Some(self.bytes(N * count)?.as_chunks().0)
    }

    pub(super) fn floats(&mut self, count: usize) -> Option<Vec<f32>> {
        let numbers = self.chunks(count)?.iter();
        Some(numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    pub(super) fn norm(&mut self) -> Option<Norm> {
        Some(Norm {
            gain: self.floats(WIDTH)?,
            shift: self.floats(WIDTH)?,
        })
    }

    pub(super) fn layer(&mut self) -> Option<Layer> {
        Some(Layer {
            qkv: self.dense(WIDTH, 3 * WIDTH)?,
            mix: self.dense(WIDTH, WIDTH)?,
            mix_norm: self.norm()?,
            up: self.dense(WIDTH, INNER)?,
            down: self.dense(INNER, WIDTH)?,
            down_norm: self.norm()?,
        })
    }

    fn dense(&mut self, inputs: usize, outputs: usize) -> Option<Dense<'static>> {
        let weights = self.bytes(inputs * outputs)?;
        let scale = self.floats(outputs)?;
        let sums = self.chunks(outputs)?.iter();
        let sums = sums.map(|sum| i32::from_le_bytes(*sum)).collect();
        let bias = self.floats(outputs)?;
        Dense::new(inputs, weights, scale, sums, bias)
    }
}
