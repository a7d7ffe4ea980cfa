//! The lanes of aarch64, with or without the int8 dot product (`sdot`) that
//! processors since about 2018 have.

use std::arch::aarch64::*;
use std::arch::asm;

use super::attention::{self, MatMul};
use super::dense::{self, Job};
use super::lanes::Lanes;

/// Proof that this processor has NEON; `DOT` says whether `sdot` too.
#[derive(Clone, Copy)]
pub(super) struct Neon<const DOT: bool>(());

impl<const DOT: bool> Neon<DOT> {
    pub(super) fn detect() -> Option<Self> {
        let found = std::arch::is_aarch64_feature_detected!("neon")
            && (!DOT || std::arch::is_aarch64_feature_detected!("dotprod"));
        found.then_some(Neon(()))
    }
}

/// Adds to each i32 lane the product of its four pairs of i8. Written as the
/// instruction: the intrinsic is younger than the oldest compiler we accept.
///
/// # Safety
/// The processor has `dotprod`.
#[inline(always)]
unsafe fn sdot(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut out = sum;
    // SAFETY: registers only; the caller's promise.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) out,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    out
}

// SAFETY of every block in this implementation: `self` exists only where
// `detect` found the features these instructions need; the pointers carry the
// promises that the trait asks of the caller, and no instruction here asks for
// more alignment than a byte's.
impl<const DOT: bool> Lanes for Neon<DOT> {
    const WIDTH: usize = 4;
    // Both sides of the product are signed: `splat_four` turns the top bit.
    const ACTIVATION_OFFSET: i32 = 128;
    type F = float32x4_t;
    type I = int32x4_t;
    type Four = int8x16_t;

    #[inline(always)]
    fn splat(self, number: f32) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vdupq_n_f32(number) }
    }
    #[inline(always)]
    unsafe fn load(self, at: *const f32) -> float32x4_t {
        // SAFETY: see the implementation; loaded as bytes, for the alignment.
        unsafe { vreinterpretq_f32_u8(vld1q_u8(at.cast())) }
    }
    #[inline(always)]
    unsafe fn store(self, at: *mut f32, lanes: float32x4_t) {
        // SAFETY: see the implementation.
        unsafe { vst1q_u8(at.cast(), vreinterpretq_u8_f32(lanes)) }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vminq_f32(a, b) }
    }
    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vrndnq_f32(a) }
    }
    #[inline(always)]
    fn power_of_two(self, whole: float32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe {
            let exponent = vaddq_s32(vcvtq_s32_f32(whole), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, at: *mut u8, lanes: float32x4_t) {
        // SAFETY: see the implementation.
        unsafe {
            let words = vqmovn_u32(vcvtnq_u32_f32(lanes));
            let bytes = vqmovn_u16(vcombine_u16(words, words));
            let four = vget_lane_u32::<0>(vreinterpret_u32_u8(bytes));
            at.cast::<u32>().write_unaligned(four);
        }
    }

    #[inline(always)]
    fn splat_int(self, number: i32) -> int32x4_t {
        // SAFETY: see the implementation.
        unsafe { vdupq_n_s32(number) }
    }
    #[inline(always)]
    unsafe fn load_int(self, at: *const u8) -> int32x4_t {
        // SAFETY: see the implementation.
        unsafe { vreinterpretq_s32_u8(vld1q_u8(at)) }
    }
    #[inline(always)]
    fn sub_product(self, a: int32x4_t, b: int32x4_t, c: int32x4_t) -> int32x4_t {
        // SAFETY: see the implementation.
        unsafe { vmlsq_s32(a, b, c) }
    }
    #[inline(always)]
    fn to_float(self, a: int32x4_t) -> float32x4_t {
        // SAFETY: see the implementation.
        unsafe { vcvtq_f32_s32(a) }
    }
    #[inline(always)]
    unsafe fn splat_four(self, at: *const u8) -> int8x16_t {
        // SAFETY: see the implementation.
        unsafe {
            let bytes = vdupq_n_u32(at.cast::<u32>().read_unaligned());
            vreinterpretq_s8_u32(veorq_u32(bytes, vdupq_n_u32(0x8080_8080)))
        }
    }
    #[inline(always)]
    fn dot4(self, sum: int32x4_t, four: int8x16_t, weights: int32x4_t) -> int32x4_t {
        // SAFETY: see the implementation.
        unsafe {
            let weights = vreinterpretq_s8_s32(weights);
            if DOT {
                return sdot(sum, four, weights);
            }
            // A product is at most 128 * 127, and pairs are added as i32.
            let low = vpaddlq_s16(vmull_s8(vget_low_s8(four), vget_low_s8(weights)));
            let high = vpaddlq_s16(vmull_high_s8(four, weights));
            vaddq_s32(sum, vpaddq_s32(low, high))
        }
    }
    #[inline(always)]
    fn total(self, lanes: float32x4_t) -> f32 {
        // SAFETY: see the implementation.
        unsafe { vaddvq_f32(lanes) }
    }

    #[inline(always)]
    unsafe fn dot_i8(self, a: *const i8, b: *const i8, length: usize) -> i32 {
        // SAFETY: see the implementation; whole vectors end before `length`.
        unsafe {
            let mut sum = vdupq_n_s32(0);
            let mut done = 0;
            while done + 16 <= length {
                let (x, y) = (vld1q_s8(a.add(done)), vld1q_s8(b.add(done)));
                if DOT {
                    sum = sdot(sum, x, y);
                } else {
                    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
                    sum = vpadalq_s16(sum, vmull_high_s8(x, y));
                }
                done += 16;
            }
            let tail = (done..length).map(|at| i32::from(*a.add(at)) * i32::from(*b.add(at)));
            vaddvq_s32(sum) + tail.sum::<i32>()
        }
    }

    #[inline(always)]
    fn sweep(self, job: &Job<'_>, out: &mut [f32]) {
        dense::sweep::<Self, 4, 1, 4>(self, job, out);
    }
    #[inline(always)]
    fn multiply(self, job: &MatMul, out: *mut f32) {
        attention::multiply::<Self, 4, 4>(self, job, out);
    }
}
