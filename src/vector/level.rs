//! Which instruction set runs a kernel: found once, carried as a value, and
//! every kernel compiled once for each. The arithmetic itself stays outside.

use std::sync::OnceLock;

use super::attention::{self, AttentionBuffers};
use super::dense::{self, Dense, Epilogue, Rows};
use super::scalar::Scalar;
use super::{distance, rows};

#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512};

/// An instruction set that this processor has.
#[derive(Clone, Copy)]
pub struct Level(Set);

#[derive(Clone, Copy)]
enum Set {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2<false>),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(Avx2<true>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon<false>),
    #[cfg(target_arch = "aarch64")]
    NeonDot(Neon<true>),
}

/// Compiles the generic kernel `$kernel` once for each set, with the features
/// that the set's value proves, and calls the one of `$level`.
macro_rules! run {
    ($level:expr, $kernel:path, ($($arg:ident: $type:ty),*) $(-> $out:ty)?) => {
        match $level.0 {
            Set::Scalar(lanes) => $kernel(lanes, $($arg),*),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(lanes) => {
                #[target_feature(enable = "avx2,fma,popcnt")]
                fn go(lanes: Avx2<false>, $($arg: $type),*) $(-> $out)? {
                    $kernel(lanes, $($arg),*)
                }
                // SAFETY: `lanes` exists only where these features were found.
                unsafe { go(lanes, $($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni(lanes) => {
                #[target_feature(enable = "avx2,fma,popcnt,avxvnni")]
                fn go(lanes: Avx2<true>, $($arg: $type),*) $(-> $out)? {
                    $kernel(lanes, $($arg),*)
                }
                // SAFETY: `lanes` exists only where these features were found.
                unsafe { go(lanes, $($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(lanes) => {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,popcnt")]
                fn go(lanes: Avx512, $($arg: $type),*) $(-> $out)? {
                    $kernel(lanes, $($arg),*)
                }
                // SAFETY: `lanes` exists only where these features were found.
                unsafe { go(lanes, $($arg),*) }
            }
            #[cfg(target_arch = "aarch64")]
            Set::Neon(lanes) => {
                #[target_feature(enable = "neon")]
                fn go(lanes: Neon<false>, $($arg: $type),*) $(-> $out)? {
                    $kernel(lanes, $($arg),*)
                }
                // SAFETY: `lanes` exists only where these features were found.
                unsafe { go(lanes, $($arg),*) }
            }
            #[cfg(target_arch = "aarch64")]
            Set::NeonDot(lanes) => {
                #[target_feature(enable = "neon,dotprod")]
                fn go(lanes: Neon<true>, $($arg: $type),*) $(-> $out)? {
                    $kernel(lanes, $($arg),*)
                }
                // SAFETY: `lanes` exists only where these features were found.
                unsafe { go(lanes, $($arg),*) }
            }
        }
    };
}

impl Level {
    /// The fastest one, found on the first call.
    #[inline]
    pub fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| {
            Level::available()
                .pop()
                .expect("the scalar level is always there")
        })
    }

    /// All that this processor has, the slowest first.
    pub fn available() -> Vec<Level> {
        let mut sets = vec![Set::Scalar(Scalar)];
        #[cfg(target_arch = "x86_64")]
        {
            sets.extend(Avx2::detect().map(Set::Avx2));
            sets.extend(Avx2::detect().map(Set::AvxVnni));
            sets.extend(Avx512::detect().map(Set::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        {
            sets.extend(Neon::detect().map(Set::Neon));
            sets.extend(Neon::detect().map(Set::NeonDot));
        }
        sets.into_iter().map(Level).collect()
    }

    /// A name for logs and benchmarks.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni(_) => "avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(_) => "avx512-vnni",
            #[cfg(target_arch = "aarch64")]
            Set::Neon(_) => "neon",
            #[cfg(target_arch = "aarch64")]
            Set::NeonDot(_) => "neon-dotprod",
        }
    }

    /// See [`super::dot`].
    #[inline]
    pub fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        run!(self, distance::dot_slices, (a: &[f32], b: &[f32]) -> f32)
    }

    /// See [`super::dot_bytes`].
    #[inline]
    pub fn dot_bytes(self, a: &[f32], le_bytes: &[u8]) -> Option<f32> {
        if le_bytes.len() != 4 * a.len() {
            return None;
        }
        Some(run!(self, distance::dot_bytes, (a: &[f32], le_bytes: &[u8]) -> f32))
    }

    /// See [`super::dot_i8`].
    #[inline]
    pub fn dot_i8(self, a: &[i8], b: &[i8]) -> i32 {
        run!(self, distance::dot_i8, (a: &[i8], b: &[i8]) -> i32)
    }

    /// See [`super::hamming`].
    #[inline]
    pub fn hamming(self, a: &[u8], b: &[u8]) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if let Set::Avx512(Avx512 {
            counts_bits: true, ..
        }) = self.0
        {
            assert_eq!(a.len(), b.len(), "codes of different lengths");
            // SAFETY: the set was found with this feature; the assertion.
            return unsafe { super::avx512::hamming(a.as_ptr(), b.as_ptr(), a.len()) };
        }
        run!(self, distance::hamming, (a: &[u8], b: &[u8]) -> u32)
    }

    /// See [`super::hamming_all`].
    pub fn hamming_all(self, query: &[u8], codes: &[u8], distances: &mut Vec<u32>) {
        assert!(
            !query.is_empty() && codes.len().is_multiple_of(query.len()),
            "codes of different lengths"
        );
        #[cfg(target_arch = "x86_64")]
        if let Set::Avx512(Avx512 {
            counts_bits: true, ..
        }) = self.0
        {
            // SAFETY: the set was found with this feature.
            return unsafe { super::avx512::hamming_all(query, codes, distances) };
        }
        run!(self, distance::hamming_all, (query: &[u8], codes: &[u8], distances: &mut Vec<u32>));
    }

    /// Quantizes `numbers`, rows of `factors.len()` (a multiple of 16) each,
    /// every column multiplied by its factor first.
    ///
    /// # Panics
    /// When the sizes do not fit.
    pub fn quantize(self, numbers: &[f32], factors: &[f32], into: &mut Rows) {
        run!(self, dense::quantize, (numbers: &[f32], factors: &[f32], into: &mut Rows));
    }

    /// Writes `rows` times `layer`, after `epilogue`, into `out` (`[rows][outputs]`).
    ///
    /// # Panics
    /// When the sizes do not fit.
    pub fn dense(self, rows: &Rows, layer: &Dense<'_>, epilogue: Epilogue, out: &mut [f32]) {
        run!(self, dense::dense, (rows: &Rows, layer: &Dense<'_>, epilogue: Epilogue, out: &mut [f32]));
    }

    /// Attention of `tokens` over each other: `qkv` is
    /// `[tokens][query, key, value][width]`, `out` is `[tokens][width]`, heads
    /// are 32 wide, queries already divided by the root of 32.
    ///
    /// # Panics
    /// When the sizes do not fit.
    pub fn attend(
        self,
        qkv: &[f32],
        tokens: usize,
        buffers: &mut AttentionBuffers,
        out: &mut [f32],
    ) {
        run!(self, attention::attend, (qkv: &[f32], tokens: usize, buffers: &mut AttentionBuffers, out: &mut [f32]));
    }

    /// Layer normalization of every row of `gain.len()` numbers, in place.
    ///
    /// # Panics
    /// When the sizes do not fit, or the rows are not a multiple of 16 long.
    pub fn normalize(self, numbers: &mut [f32], gain: &[f32], shift: &[f32]) {
        run!(self, rows::normalize, (numbers: &mut [f32], gain: &[f32], shift: &[f32]));
    }

    /// GELU of every number in place; the length is a multiple of 16.
    pub fn gelu(self, numbers: &mut [f32]) {
        run!(self, rows::gelu_all, (numbers: &mut [f32]));
    }

    /// Softmax of the first `valid` numbers of a row that is a multiple of 16
    /// long; the rest of the row is overwritten.
    pub fn softmax(self, row: &mut [f32], valid: usize) {
        run!(self, rows::softmax, (row: &mut [f32], valid: usize));
    }
}
