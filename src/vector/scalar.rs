//! Lanes in plain Rust, for every processor; the other sets are tested against
//! them.

use super::attention::{self, MatMul};
use super::dense::{self, Job};
use super::lanes::Lanes;

#[derive(Clone, Copy)]
pub(super) struct Scalar;

#[inline(always)]
fn each<T: Copy, U: Copy + Default>(a: [T; 4], b: [T; 4], with: impl Fn(T, T) -> U) -> [U; 4] {
    std::array::from_fn(|lane| with(a[lane], b[lane]))
}

// SAFETY of every block in this implementation: the pointers carry the promises
// that the trait asks of the caller, and every access is an unaligned one.
impl Lanes for Scalar {
    const WIDTH: usize = 4;
    const ACTIVATION_OFFSET: i32 = 0;
    type F = [f32; 4];
    type I = [i32; 4];
    type Four = [u8; 4];

    #[inline(always)]
    fn splat(self, number: f32) -> [f32; 4] {
        [number; 4]
    }
    #[inline(always)]
    unsafe fn load(self, at: *const f32) -> [f32; 4] {
        // SAFETY: see the implementation.
        unsafe { at.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, at: *mut f32, lanes: [f32; 4]) {
        // SAFETY: see the implementation.
        unsafe { at.cast::<[f32; 4]>().write_unaligned(lanes) }
    }
    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        // Without the instruction, f32::mul_add is a slow library call.
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn max(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        each(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn round(self, a: [f32; 4]) -> [f32; 4] {
        // Adding 1.5 * 2^23 leaves no bits for a fraction: for |a| < 2^22 this
        // is the nearest whole number, in two additions.
        const NO_FRACTION: f32 = 12_582_912.0;
        a.map(|a| (a + NO_FRACTION) - NO_FRACTION)
    }
    #[inline(always)]
    fn power_of_two(self, whole: [f32; 4]) -> [f32; 4] {
        whole.map(|whole| f32::from_bits(((whole as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn store_bytes(self, at: *mut u8, lanes: [f32; 4]) {
        // SAFETY: see the implementation.
        unsafe {
            at.cast::<[u8; 4]>()
                .write_unaligned(self.round(lanes).map(|lane| lane as u8))
        }
    }

    #[inline(always)]
    fn splat_int(self, number: i32) -> [i32; 4] {
        [number; 4]
    }
    #[inline(always)]
    unsafe fn load_int(self, at: *const u8) -> [i32; 4] {
        // SAFETY: see the implementation.
        unsafe { at.cast::<[i32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    fn sub_product(self, a: [i32; 4], b: [i32; 4], c: [i32; 4]) -> [i32; 4] {
        std::array::from_fn(|lane| a[lane] - b[lane] * c[lane])
    }
    #[inline(always)]
    fn to_float(self, a: [i32; 4]) -> [f32; 4] {
        a.map(|a| a as f32)
    }
    #[inline(always)]
    unsafe fn splat_four(self, at: *const u8) -> [u8; 4] {
        // SAFETY: see the implementation.
        unsafe { at.cast::<[u8; 4]>().read_unaligned() }
    }
    #[inline(always)]
    fn dot4(self, sum: [i32; 4], four: [u8; 4], weights: [i32; 4]) -> [i32; 4] {
        std::array::from_fn(|lane| {
            let bytes = weights[lane].to_ne_bytes();
            let products = (0..4).map(|at| i32::from(four[at]) * i32::from(bytes[at] as i8));
            sum[lane] + products.sum::<i32>()
        })
    }

    #[inline(always)]
    fn sweep(self, job: &Job<'_>, out: &mut [f32]) {
        dense::sweep::<Self, 2, 1, 2>(self, job, out);
    }
    #[inline(always)]
    fn multiply(self, job: &MatMul, out: *mut f32) {
        attention::multiply::<Self, 2, 2>(self, job, out);
    }
}
