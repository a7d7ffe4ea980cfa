//! Attention over the tokens of one text, in f32: scores, softmax and weighted
//! sums, a head at a time. The projections before and after stay outside.

use super::lanes::{Lanes, each};
use super::rows;

/// Numbers in one head.
pub const HEAD: usize = 32;
/// Query rows whose scores exist at the same time; whole tiles of every set.
const BLOCK: usize = 24;

/// Room for one head's keys, values and scores, kept between calls.
#[derive(Default)]
pub struct AttentionBuffers {
    /// `[32][padded]`
    keys: Vec<f32>,
    /// `[tokens][32]`
    values: Vec<f32>,
    /// `[BLOCK][padded]`
    scores: Vec<f32>,
}

/// `out = a * b`: `[rows][depth]` times `[depth][columns]`, each matrix with
/// the distance of its rows; `columns` is a multiple of 32.
pub(super) struct MatMul {
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
    rows: usize,
    depth: usize,
    columns: usize,
    out_stride: usize,
}

/// Writes the attention of each token over all tokens into `out` (`[tokens][heads *
/// 32]`), from `qkv` (`[tokens][query, key, value][heads * 32]`); the queries are
/// already divided by the root of 32.
#[inline(always)]
pub(super) fn attend<L: Lanes>(
    lanes: L,
    qkv: &[f32],
    tokens: usize,
    buffers: &mut AttentionBuffers,
    out: &mut [f32],
) {
    assert!(tokens > 0 && out.len().is_multiple_of(tokens * HEAD) && qkv.len() == 3 * out.len());
    let width = out.len() / tokens;
    let padded = tokens.next_multiple_of(32);
    buffers.keys.clear();
    buffers.keys.resize(HEAD * padded, 0.0);
    buffers.values.resize(tokens * HEAD, 0.0);
    buffers.scores.resize(BLOCK * padded, 0.0);
    for head in (0..width).step_by(HEAD) {
        for (token, row) in qkv.chunks_exact(3 * width).enumerate() {
            for (at, key) in row[width + head..][..HEAD].iter().enumerate() {
                buffers.keys[at * padded + token] = *key;
            }
            buffers.values[token * HEAD..][..HEAD]
                .copy_from_slice(&row[2 * width + head..][..HEAD]);
        }
        for first in (0..tokens).step_by(BLOCK) {
            let rows = BLOCK.min(tokens - first);
            let scores = MatMul {
                a: qkv[first * 3 * width + head..].as_ptr(),
                a_stride: 3 * width,
                b: buffers.keys.as_ptr(),
                b_stride: padded,
                rows,
                depth: HEAD,
                columns: padded,
                out_stride: padded,
            };
            lanes.multiply(&scores, buffers.scores.as_mut_ptr());
            for row in buffers.scores.chunks_exact_mut(padded).take(rows) {
                rows::softmax(lanes, row, tokens);
            }
            let taken = MatMul {
                a: buffers.scores.as_ptr(),
                a_stride: padded,
                b: buffers.values.as_ptr(),
                b_stride: HEAD,
                rows,
                depth: tokens,
                columns: HEAD,
                out_stride: width,
            };
            lanes.multiply(&taken, out[first * width + head..].as_mut_ptr());
        }
    }
}

/// The product in tiles of `R` rows (then single ones) by `C` vectors.
#[inline(always)]
pub(super) fn multiply<L: Lanes, const R: usize, const C: usize>(
    lanes: L,
    job: &MatMul,
    out: *mut f32,
) {
    for column in (0..job.columns).step_by(C * L::WIDTH) {
        let mut row = 0;
        // SAFETY: `attend`, the only maker of products, gives matrices that
        // reach as far as their sizes say; C * WIDTH divides 32.
        unsafe {
            while row + R <= job.rows {
                tile::<L, R, C>(lanes, job, row, column, out);
                row += R;
            }
            while row < job.rows {
                tile::<L, 1, C>(lanes, job, row, column, out);
                row += 1;
            }
        }
    }
}

/// `R` rows by `C` vectors of the product, all sums held in registers.
///
/// # Safety
/// The matrices of `job` and `out` reach at least to these rows and columns.
#[inline(always)]
unsafe fn tile<L: Lanes, const R: usize, const C: usize>(
    lanes: L,
    job: &MatMul,
    row: usize,
    column: usize,
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let a = job.a.add(row * job.a_stride);
        let mut b = job.b.add(column);
        // Pointers that move, as in the int8 tile.
        let mut factors: [*const f32; R] = std::array::from_fn(|r| a.add(r * job.a_stride));
        let mut sums = [[lanes.splat(0.0); C]; R];
        for _ in 0..job.depth {
            let parts: [L::F; C] =
                std::array::from_fn(|c| lanes.load(b.wrapping_add(c * L::WIDTH)));
            b = b.wrapping_add(job.b_stride);
            each!(r < R, {
                let factor = lanes.splat(*factors[r]);
                factors[r] = factors[r].wrapping_add(1);
                each!(c < C, {
                    sums[r][c] = lanes.fma(factor, parts[c], sums[r][c]);
                });
            });
        }
        for (r, sums) in sums.iter().enumerate() {
            let to = out.add((row + r) * job.out_stride + column);
            for (c, sum) in sums.iter().enumerate() {
                lanes.store(to.add(c * L::WIDTH), *sum);
            }
        }
    }
}
