//! The row operations of a transformer on f32: exp, GELU, softmax and layer
//! normalization, over the lanes of any instruction set.

use super::lanes::{Lanes, WIDEST};

/// e to the power of each lane, to about 2e-7 of itself; below -87 it is as
/// good as 0, above 88 it stays finite.
#[inline(always)]
pub(super) fn exp<L: Lanes>(lanes: L, x: L::F) -> L::F {
    // ln 2 in two parts: the first times a small whole number is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = lanes.min(lanes.max(x, lanes.splat(-87.0)), lanes.splat(88.0));
    let whole = lanes.round(lanes.mul(x, lanes.splat(std::f32::consts::LOG2_E)));
    let rest = lanes.fma(whole, lanes.splat(-LN_2_HIGH), x);
    let rest = lanes.fma(whole, lanes.splat(-LN_2_LOW), rest);
    // |rest| is at most ln 2 / 2, where six terms of the series are enough.
    let mut sum = lanes.splat(1.0 / 720.0);
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = lanes.fma(sum, rest, lanes.splat(factor));
    }
    lanes.mul(sum, lanes.power_of_two(whole))
}

/// `x * (1 + erf(x / sqrt 2)) / 2`, to about 2e-7 of the greater of 1 and |x|.
/// The error function is formula 7.1.26 of Abramowitz and Stegun; written with
/// `erfc(|x| / sqrt 2)` both signs of x share one expression.
#[inline(always)]
pub(super) fn gelu<L: Lanes>(lanes: L, x: L::F) -> L::F {
    const P: f32 = 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2;
    let size = lanes.max(x, lanes.sub(lanes.splat(0.0), x));
    let t = lanes.div(
        lanes.splat(1.0),
        lanes.fma(size, lanes.splat(P), lanes.splat(1.0)),
    );
    let mut sum = lanes.splat(1.061_405_4);
    for factor in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = lanes.fma(sum, t, lanes.splat(factor));
    }
    let falling = exp(lanes, lanes.mul(lanes.mul(x, x), lanes.splat(-0.5)));
    let erfc = lanes.mul(lanes.mul(sum, t), falling);
    let taken = lanes.mul(lanes.mul(size, lanes.splat(0.5)), erfc);
    lanes.sub(lanes.max(x, lanes.splat(0.0)), taken)
}

/// GELU of every number in place; the length is a multiple of 16.
#[inline(always)]
pub(super) fn gelu_all<L: Lanes>(lanes: L, numbers: &mut [f32]) {
    assert!(numbers.len().is_multiple_of(WIDEST));
    for at in (0..numbers.len()).step_by(L::WIDTH) {
        // SAFETY: WIDTH divides WIDEST, which divides the length.
        unsafe {
            let to = numbers.as_mut_ptr().add(at);
            lanes.store(to, gelu(lanes, lanes.load(to)));
        }
    }
}

/// Turns the first `valid` numbers of a row into weights that sum to 1. The rest of
/// the row, whose length is a multiple of 16, is left undefined.
#[inline(always)]
pub(super) fn softmax<L: Lanes>(lanes: L, row: &mut [f32], valid: usize) {
    assert!(row.len().is_multiple_of(WIDEST) && (1..=row.len()).contains(&valid));
    row[valid..].fill(f32::MIN);
    let start = row.as_mut_ptr();
    let parts = || (0..row.len()).step_by(L::WIDTH);
    // SAFETY of all three: WIDTH divides WIDEST, which divides the length.
    let mut greatest = lanes.splat(f32::MIN);
    for at in parts() {
        greatest = lanes.max(greatest, unsafe { lanes.load(start.add(at)) });
    }
    let greatest = lanes.splat(
        lanes.spread(greatest)[..L::WIDTH]
            .iter()
            .copied()
            .fold(f32::MIN, f32::max),
    );
    let mut sum = lanes.splat(0.0);
    for at in parts() {
        // SAFETY: as above.
        unsafe {
            let weight = exp(lanes, lanes.sub(lanes.load(start.add(at)), greatest));
            sum = lanes.add(sum, weight);
            lanes.store(start.add(at), weight);
        }
    }
    let share = lanes.splat(1.0 / lanes.total(sum));
    for at in parts() {
        // SAFETY: as above.
        unsafe { lanes.store(start.add(at), lanes.mul(lanes.load(start.add(at)), share)) }
    }
}

/// Layer normalization in place, a row of `gain.len()` numbers (a multiple of
/// 16) at a time: mean 0 and variance 1, then `gain` and `shift`.
#[inline(always)]
pub(super) fn normalize<L: Lanes>(lanes: L, numbers: &mut [f32], gain: &[f32], shift: &[f32]) {
    let width = gain.len();
    assert!(width > 0 && width.is_multiple_of(WIDEST) && shift.len() == width);
    assert!(numbers.len().is_multiple_of(width));
    for row in numbers.chunks_exact_mut(width) {
        let row = row.as_mut_ptr();
        let parts = || (0..width).step_by(L::WIDTH);
        // SAFETY of all three: WIDTH divides WIDEST, which divides the width of
        // the row, the gain and the shift.
        let mut sum = lanes.splat(0.0);
        for at in parts() {
            sum = lanes.add(sum, unsafe { lanes.load(row.add(at)) });
        }
        let mean = lanes.splat(lanes.total(sum) / width as f32);
        let mut squares = lanes.splat(0.0);
        for at in parts() {
            // SAFETY: as above.
            let off = lanes.sub(unsafe { lanes.load(row.add(at)) }, mean);
            squares = lanes.fma(off, off, squares);
        }
        // The model's epsilon, 1e-12, only keeps a constant row finite.
        let factor = lanes.splat(1.0 / (lanes.total(squares) / width as f32 + 1e-12).sqrt());
        for at in parts() {
            // SAFETY: as above.
            unsafe {
                let even = lanes.mul(lanes.sub(lanes.load(row.add(at)), mean), factor);
                let (gain, shift) = (
                    lanes.load(gain.as_ptr().add(at)),
                    lanes.load(shift.as_ptr().add(at)),
                );
                lanes.store(row.add(at), lanes.fma(even, gain, shift));
            }
        }
    }
}
