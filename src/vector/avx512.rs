//! The lanes of x86-64 with AVX-512 and its int8 dot product (VNNI).

use std::arch::x86_64::*;

use super::attention::{self, MatMul};
use super::dense::{self, Job};
use super::lanes::Lanes;

/// Proof that this processor has the features that `level.rs` enables for it.
#[derive(Clone, Copy)]
pub(super) struct Avx512 {
    /// Whether it also counts bits in vectors (VPOPCNTDQ).
    pub(super) counts_bits: bool,
    _proof: (),
}

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("popcnt");
        found.then(|| Avx512 {
            counts_bits: is_x86_feature_detected!("avx512vpopcntdq"),
            _proof: (),
        })
    }
}

// SAFETY of every block in this implementation: `self` exists only where
// `detect` found the features these instructions need; the pointers carry the
// promises that the trait asks of the caller, and no instruction here asks for
// alignment.
impl Lanes for Avx512 {
    const WIDTH: usize = 16;
    const ACTIVATION_OFFSET: i32 = 0;
    type F = __m512;
    type I = __m512i;
    type Four = __m512i;

    #[inline(always)]
    fn splat(self, number: f32) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_set1_ps(number) }
    }
    #[inline(always)]
    unsafe fn load(self, at: *const f32) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_loadu_ps(at) }
    }
    #[inline(always)]
    unsafe fn store(self, at: *mut f32, lanes: __m512) {
        // SAFETY: see the implementation.
        unsafe { _mm512_storeu_ps(at, lanes) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_roundscale_ps::<0>(a) }
    }
    #[inline(always)]
    fn power_of_two(self, whole: __m512) -> __m512 {
        // SAFETY: see the implementation.
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(whole), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, at: *mut u8, lanes: __m512) {
        // SAFETY: see the implementation.
        unsafe { _mm_storeu_si128(at.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(lanes))) }
    }

    #[inline(always)]
    fn splat_int(self, number: i32) -> __m512i {
        // SAFETY: see the implementation.
        unsafe { _mm512_set1_epi32(number) }
    }
    #[inline(always)]
    unsafe fn load_int(self, at: *const u8) -> __m512i {
        // SAFETY: see the implementation.
        unsafe { _mm512_loadu_si512(at.cast()) }
    }
    #[inline(always)]
    fn sub_product(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        // SAFETY: see the implementation.
        unsafe { _mm512_sub_epi32(a, _mm512_mullo_epi32(b, c)) }
    }
    #[inline(always)]
    fn to_float(self, a: __m512i) -> __m512 {
        // SAFETY: see the implementation.
        unsafe { _mm512_cvtepi32_ps(a) }
    }
    #[inline(always)]
    unsafe fn splat_four(self, at: *const u8) -> __m512i {
        // SAFETY: see the implementation.
        unsafe { _mm512_set1_epi32(at.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    fn dot4(self, sum: __m512i, four: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: see the implementation.
        unsafe { _mm512_dpbusd_epi32(sum, four, weights) }
    }
    #[inline(always)]
    fn total(self, lanes: __m512) -> f32 {
        // SAFETY: see the implementation.
        unsafe { _mm512_reduce_add_ps(lanes) }
    }

    /// The product wants one side unsigned: `a + 128` is `a` with its top bit
    /// turned, and 128 times the sum of `b` goes off again at the end.
    #[inline(always)]
    unsafe fn dot_i8(self, a: *const i8, b: *const i8, length: usize) -> i32 {
        // SAFETY: see the implementation; the mask of the last, partial vector
        // keeps its load within `length`.
        unsafe {
            let top = _mm512_set1_epi8(-128);
            let (mut sum, mut extra) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            let mut done = 0;
            while done + 64 <= length {
                let (x, y) = (
                    _mm512_loadu_si512(a.add(done).cast()),
                    _mm512_loadu_si512(b.add(done).cast()),
                );
                sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(x, top), y);
                extra = _mm512_dpbusd_epi32(extra, top, y);
                done += 64;
            }
            if done < length {
                let mask = (1u64 << (length - done)) - 1;
                let x = _mm512_maskz_loadu_epi8(mask, a.add(done));
                let y = _mm512_maskz_loadu_epi8(mask, b.add(done));
                sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(x, top), y);
                extra = _mm512_dpbusd_epi32(extra, top, y);
            }
            _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, extra))
        }
    }

    #[inline(always)]
    fn sweep(self, job: &Job<'_>, out: &mut [f32]) {
        dense::sweep::<Self, 12, 4, 2>(self, job, out);
    }
    #[inline(always)]
    fn multiply(self, job: &MatMul, out: *mut f32) {
        attention::multiply::<Self, 8, 2>(self, job, out);
    }
}

/// Bits that differ between `a` and `b`, both `length` bytes.
///
/// # Safety
/// The processor has AVX-512 F, BW, VL and VPOPCNTDQ; both are readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq")]
pub(super) unsafe fn hamming(a: *const u8, b: *const u8, length: usize) -> u32 {
    let mut sum = _mm512_setzero_si512();
    let mut done = 0;
    while done < length {
        let left = length - done;
        let mask = if left >= 64 {
            u64::MAX
        } else {
            (1 << left) - 1
        };
        // SAFETY: the mask keeps both loads within `length`.
        let (x, y) = unsafe {
            (
                _mm512_maskz_loadu_epi8(mask, a.add(done).cast()),
                _mm512_maskz_loadu_epi8(mask, b.add(done).cast()),
            )
        };
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
        done += 64;
    }
    _mm512_reduce_add_epi64(sum) as u32
}

/// Adds the distance of `query` to each of `codes`, which are stored one after the
/// other, to `distances`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq")]
pub(super) fn hamming_all(query: &[u8], codes: &[u8], distances: &mut Vec<u32>) {
    distances.reserve(codes.len() / query.len());
    for code in codes.chunks_exact(query.len()) {
        // SAFETY: each chunk is as long as the query.
        distances.push(unsafe { hamming(query.as_ptr(), code.as_ptr(), query.len()) });
    }
}
