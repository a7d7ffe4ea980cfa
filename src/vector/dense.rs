//! Linear layers in int8: quantized rows times quantized weights, exact in
//! integers, with scale, bias and what follows applied once at the end. Independent of
//! the model.

use super::lanes::{Lanes, WIDEST, each};
use super::rows;

/// Outputs whose weights are stored together: each step of four inputs holds 32 x 4
/// bytes, two AVX-512 vectors or eight of NEON.
pub const PANEL: usize = 32;

/// A linear layer. Its weights stay where they are; the three numbers of each
/// output are its own.
pub struct Dense<'a> {
    inputs: usize,
    /// `[outputs / 32][inputs / 4][32][4]` of i8.
    weights: &'a [u8],
    /// Of each output: the value of one int8 step.
    scale: Vec<f32>,
    /// Of each output: the sum of its int8 weights.
    sums: Vec<i32>,
    bias: Vec<f32>,
}

impl<'a> Dense<'a> {
    /// A layer of `inputs` to as many outputs as there are scales; `None` when
    /// the parts do not fit together.
    pub fn new(
        inputs: usize,
        weights: &'a [u8],
        scale: Vec<f32>,
        sums: Vec<i32>,
        bias: Vec<f32>,
    ) -> Option<Self> {
        let outputs = scale.len();
        let fits = inputs.is_multiple_of(4)
            && outputs.is_multiple_of(PANEL)
            && weights.len() == inputs * outputs
            && sums.len() == outputs
            && bias.len() == outputs;
        fits.then_some(Dense {
            inputs,
            weights,
            scale,
            sums,
            bias,
        })
    }

    /// Numbers in a row of the result.
    pub(crate) fn outputs(&self) -> usize {
        self.scale.len()
    }
}

/// Rows of activations, each as bytes with a scale and a zero of its own:
/// `number = scale * (byte - zero)`.
#[derive(Default)]
pub struct Rows {
    inputs: usize,
    codes: Vec<u8>,
    scale: Vec<f32>,
    zero: Vec<i32>,
}

impl Rows {
    pub(crate) fn count(&self) -> usize {
        self.scale.len()
    }
}

/// The operation that a product applies to each result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    Write,
    /// Adds it to the output.
    Add,
    /// Applies GELU (the exact one, with the error function).
    Gelu,
}

/// One call of `dense`, its sizes checked.
pub(super) struct Job<'a> {
    rows: &'a Rows,
    layer: &'a Dense<'a>,
    epilogue: Epilogue,
}

/// Fills `into` with `numbers`, whose columns are multiplied by their `factors` and
/// whose rows are quantized one by one. Quantization is asymmetric, because GELU is
/// hardly ever below 0.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(lanes: L, numbers: &[f32], factors: &[f32], into: &mut Rows) {
    let inputs = factors.len();
    assert!(inputs > 0 && inputs.is_multiple_of(WIDEST) && numbers.len().is_multiple_of(inputs));
    into.inputs = inputs;
    into.codes.resize(numbers.len(), 0);
    into.scale.clear();
    into.zero.clear();
    for (row, codes) in numbers
        .chunks_exact(inputs)
        .zip(into.codes.chunks_exact_mut(inputs))
    {
        let (row, codes) = (row.as_ptr(), codes.as_mut_ptr());
        // SAFETY: WIDTH divides WIDEST, which divides the length of both.
        let part = |at: usize| unsafe {
            lanes.mul(
                lanes.load(row.add(at)),
                lanes.load(factors.as_ptr().add(at)),
            )
        };
        let mut low = lanes.splat(0.0);
        let mut high = lanes.splat(0.0);
        for at in (0..inputs).step_by(L::WIDTH) {
            low = lanes.min(low, part(at));
            high = lanes.max(high, part(at));
        }
        let low = lanes.spread(low).into_iter().fold(0.0, f32::min);
        let high = lanes.spread(high).into_iter().fold(0.0, f32::max);
        // A row of zeros keeps a scale that divides.
        let scale = ((high - low) / 255.0).max(1e-30);
        let zero = (-low / scale).round().clamp(0.0, 255.0);
        let (by, offset) = (lanes.splat(1.0 / scale), lanes.splat(zero));
        for at in (0..inputs).step_by(L::WIDTH) {
            let code = lanes.fma(part(at), by, offset);
            let code = lanes.min(lanes.max(code, lanes.splat(0.0)), lanes.splat(255.0));
            // SAFETY: as above; there are as many codes as numbers.
            unsafe { lanes.store_bytes(codes.add(at), code) };
        }
        into.scale.push(scale);
        into.zero.push(zero as i32);
    }
}

/// Writes `rows` times `layer` into `out`, `[rows][outputs]`.
#[inline(always)]
pub(super) fn dense<L: Lanes>(
    lanes: L,
    rows: &Rows,
    layer: &Dense<'_>,
    epilogue: Epilogue,
    out: &mut [f32],
) {
    assert_eq!(rows.inputs, layer.inputs, "rows do not match the layer");
    assert_eq!(rows.codes.len(), rows.count() * rows.inputs);
    assert_eq!(
        out.len(),
        rows.count() * layer.outputs(),
        "an output of another size"
    );
    lanes.sweep(
        &Job {
            rows,
            layer,
            epilogue,
        },
        out,
    );
}

/// Goes through the panels, and within each (which stays in the cache) through
/// the rows: `BIG` at a time, then `MID`, then one, by `N` vectors of outputs.
#[inline(always)]
pub(super) fn sweep<L: Lanes, const BIG: usize, const MID: usize, const N: usize>(
    lanes: L,
    job: &Job<'_>,
    out: &mut [f32],
) {
    let rows = job.rows.count();
    for first in (0..job.layer.outputs()).step_by(N * L::WIDTH) {
        let mut row = 0;
        // SAFETY: `first` and `row` with their tile stay within the outputs
        // (whose number PANEL divides, which N * WIDTH divides) and the rows;
        // `dense` has checked the sizes of all parts.
        unsafe {
            while row + BIG <= rows {
                tile::<L, BIG, N>(lanes, job, row, first, out.as_mut_ptr());
                row += BIG;
            }
            while row + MID <= rows {
                tile::<L, MID, N>(lanes, job, row, first, out.as_mut_ptr());
                row += MID;
            }
            while row < rows {
                tile::<L, 1, N>(lanes, job, row, first, out.as_mut_ptr());
                row += 1;
            }
        }
    }
}

/// `T` rows by `N` vectors of outputs, all sums held in registers.
///
/// # Safety
/// Rows `row..row + T` and outputs `first..first + N * WIDTH`, all in one
/// panel, exist, and `out` has room for all rows and outputs.
#[inline(always)]
unsafe fn tile<L: Lanes, const T: usize, const N: usize>(
    lanes: L,
    job: &Job<'_>,
    row: usize,
    first: usize,
    out: *mut f32,
) {
    let (rows, layer) = (job.rows, job.layer);
    let inputs = layer.inputs;
    let panel = first / PANEL * PANEL * inputs + first % PANEL * 4;
    // SAFETY: the caller's promise; a panel's steps are 4 * PANEL bytes apart.
    unsafe {
        let mut weights = layer.weights.as_ptr().add(panel);
        let codes = rows.codes.as_ptr().add(row * inputs);
        // Pointers that move, and wrap where they could: indexes would be
        // multiplied and, in a build with checks, checked at each step.
        let mut fours: [*const u8; T] = std::array::from_fn(|t| codes.add(t * inputs));
        let mut sums = [[lanes.splat_int(0); N]; T];
        for _ in 0..inputs / 4 {
            let column: [L::I; N] =
                std::array::from_fn(|n| lanes.load_int(weights.wrapping_add(n * 4 * L::WIDTH)));
            weights = weights.wrapping_add(4 * PANEL);
            each!(t < T, {
                let four = lanes.splat_four(fours[t]);
                fours[t] = fours[t].wrapping_add(4);
                each!(n < N, {
                    sums[t][n] = lanes.dot4(sums[t][n], four, column[n]);
                });
            });
        }
        for (t, sums) in sums.iter().enumerate() {
            let to = out.add((row + t) * layer.outputs() + first);
            for (n, sum) in sums.iter().enumerate() {
                finish(
                    lanes,
                    job,
                    row + t,
                    first + n * L::WIDTH,
                    *sum,
                    to.add(n * L::WIDTH),
                );
            }
        }
    }
}

/// Turns integer sums into numbers and writes them.
///
/// # Safety
/// The row and `WIDTH` outputs from `first` exist; `to` has room for `WIDTH`.
#[inline(always)]
unsafe fn finish<L: Lanes>(
    lanes: L,
    job: &Job<'_>,
    row: usize,
    first: usize,
    sum: L::I,
    to: *mut f32,
) {
    let (rows, layer) = (job.rows, job.layer);
    // SAFETY: the caller's promise; all slices of a layer are `outputs` long.
    unsafe {
        let zero = lanes.splat_int(*rows.zero.get_unchecked(row) - L::ACTIVATION_OFFSET);
        let whole = lanes.sub_product(
            sum,
            zero,
            lanes.load_int(layer.sums.as_ptr().add(first).cast()),
        );
        let row_scale = lanes.splat(*rows.scale.get_unchecked(row));
        let scale = lanes.mul(row_scale, lanes.load(layer.scale.as_ptr().add(first)));
        let bias = lanes.load(layer.bias.as_ptr().add(first));
        let number = lanes.fma(lanes.to_float(whole), scale, bias);
        lanes.store(
            to,
            match job.epilogue {
                Epilogue::Write => number,
                Epilogue::Add => lanes.add(number, lanes.load(to)),
                Epilogue::Gelu => rows::gelu(lanes, number),
            },
        );
    }
}
