//! The lanes of x86-64 with AVX2 and FMA, with or without the int8 dot product
//! that client processors have without AVX-512 (AVX-VNNI).

use std::arch::x86_64::*;

use super::attention::{self, MatMul};
use super::dense::{self, Job};
use super::lanes::Lanes;
use super::scalar::Scalar;

/// Proof that this processor has the features that `level.rs` enables for it;
/// `VNNI` says whether AVX-VNNI is among them.
#[derive(Clone, Copy)]
pub(super) struct Avx2<const VNNI: bool>(());

impl<const VNNI: bool> Avx2<VNNI> {
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("popcnt")
            && (!VNNI || is_x86_feature_detected!("avxvnni"));
        found.then_some(Avx2(()))
    }
}

// SAFETY of every block in this implementation: `self` exists only where
// `detect` found the features these instructions need; the pointers carry the
// promises that the trait asks of the caller, and no instruction here asks for
// alignment.
impl<const VNNI: bool> Lanes for Avx2<VNNI> {
    const WIDTH: usize = 8;
    // Without VNNI both sides are signed: see `dot4`.
    const ACTIVATION_OFFSET: i32 = if VNNI { 0 } else { 128 };
    type F = __m256;
    type I = __m256i;
    /// The bytes for VNNI; without it, their absolute values and the bytes.
    type Four = (__m256i, __m256i);

    #[inline(always)]
    fn splat(self, number: f32) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_set1_ps(number) }
    }
    #[inline(always)]
    unsafe fn load(self, at: *const f32) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_loadu_ps(at) }
    }
    #[inline(always)]
    unsafe fn store(self, at: *mut f32, lanes: __m256) {
        // SAFETY: see the implementation.
        unsafe { _mm256_storeu_ps(at, lanes) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn power_of_two(self, whole: __m256) -> __m256 {
        // SAFETY: see the implementation.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, at: *mut u8, lanes: __m256) {
        // SAFETY: see the implementation.
        unsafe {
            let whole = _mm256_cvtps_epi32(lanes);
            let (low, high) = (
                _mm256_castsi256_si128(whole),
                _mm256_extracti128_si256::<1>(whole),
            );
            let words = _mm_packus_epi32(low, high);
            _mm_storel_epi64(at.cast(), _mm_packus_epi16(words, words));
        }
    }

    #[inline(always)]
    fn splat_int(self, number: i32) -> __m256i {
        // SAFETY: see the implementation.
        unsafe { _mm256_set1_epi32(number) }
    }
    #[inline(always)]
    unsafe fn load_int(self, at: *const u8) -> __m256i {
        // SAFETY: see the implementation.
        unsafe { _mm256_loadu_si256(at.cast()) }
    }
    #[inline(always)]
    fn sub_product(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        // SAFETY: see the implementation.
        unsafe { _mm256_sub_epi32(a, _mm256_mullo_epi32(b, c)) }
    }
    #[inline(always)]
    fn to_float(self, a: __m256i) -> __m256 {
        // SAFETY: see the implementation.
        unsafe { _mm256_cvtepi32_ps(a) }
    }
    #[inline(always)]
    unsafe fn splat_four(self, at: *const u8) -> (__m256i, __m256i) {
        // SAFETY: see the implementation.
        unsafe {
            let bytes = _mm256_set1_epi32(at.cast::<i32>().read_unaligned());
            if VNNI {
                return (bytes, bytes);
            }
            let signed = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
            (_mm256_abs_epi8(signed), signed)
        }
    }
    /// The older instruction saturates at i16 when two products of u8 and i8
    /// meet. Taking 128 off the activations and moving their signs over to the
    /// weights bounds a pair by 2 * 128 * 127 = 32,512, so it never does.
    #[inline(always)]
    fn dot4(self, sum: __m256i, four: (__m256i, __m256i), weights: __m256i) -> __m256i {
        // SAFETY: see the implementation.
        unsafe {
            if VNNI {
                return _mm256_dpbusd_avx_epi32(sum, four.0, weights);
            }
            let pairs = _mm256_maddubs_epi16(four.0, _mm256_sign_epi8(weights, four.1));
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    unsafe fn dot_i8(self, a: *const i8, b: *const i8, length: usize) -> i32 {
        // SAFETY: see the implementation; whole vectors end before `length`.
        unsafe {
            let wide = |at: *const i8| _mm256_cvtepi8_epi16(_mm_loadu_si128(at.cast()));
            let (mut even, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
            let mut done = 0;
            while done + 32 <= length {
                let next = done + 16;
                even = _mm256_add_epi32(
                    even,
                    _mm256_madd_epi16(wide(a.add(done)), wide(b.add(done))),
                );
                odd =
                    _mm256_add_epi32(odd, _mm256_madd_epi16(wide(a.add(next)), wide(b.add(next))));
                done += 32;
            }
            let mut lanes = [0i32; 8];
            _mm256_storeu_si256(lanes.as_mut_ptr().cast(), _mm256_add_epi32(even, odd));
            let tail = (done..length).map(|at| i32::from(*a.add(at)) * i32::from(*b.add(at)));
            lanes.iter().sum::<i32>() + tail.sum::<i32>()
        }
    }

    /// Counts the bits of both halves of each byte with a table of sixteen; the rest
    /// that does not fill a vector is counted in scalar code.
    #[inline(always)]
    unsafe fn hamming(self, a: *const u8, b: *const u8, length: usize) -> u32 {
        // SAFETY: see the implementation; whole vectors end before `length`.
        unsafe {
            let bits = _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
            let bits = _mm256_broadcastsi128_si256(bits);
            let low = _mm256_set1_epi8(15);
            let mut sum = _mm256_setzero_si256();
            let mut done = 0;
            while done + 32 <= length {
                let x = _mm256_loadu_si256(a.add(done).cast());
                let x = _mm256_xor_si256(x, _mm256_loadu_si256(b.add(done).cast()));
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(x), low);
                let counts = _mm256_add_epi8(
                    _mm256_shuffle_epi8(bits, _mm256_and_si256(x, low)),
                    _mm256_shuffle_epi8(bits, high),
                );
                let counts = _mm256_sad_epu8(counts, _mm256_setzero_si256());
                sum = _mm256_add_epi64(sum, counts);
                done += 32;
            }
            let half = _mm_add_epi64(
                _mm256_castsi256_si128(sum),
                _mm256_extracti128_si256::<1>(sum),
            );
            let whole = _mm_add_epi64(half, _mm_unpackhi_epi64(half, half));
            let rest = Scalar.hamming(a.add(done), b.add(done), length - done);
            _mm_cvtsi128_si32(whole) as u32 + rest
        }
    }

    #[inline(always)]
    fn sweep(self, job: &Job<'_>, out: &mut [f32]) {
        if VNNI {
            dense::sweep::<Self, 6, 2, 2>(self, job, out);
        } else {
            dense::sweep::<Self, 2, 1, 4>(self, job, out);
        }
    }
    #[inline(always)]
    fn multiply(self, job: &MatMul, out: *mut f32) {
        attention::multiply::<Self, 6, 2>(self, job, out);
    }
}
