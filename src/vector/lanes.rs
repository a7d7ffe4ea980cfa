//! The operations that kernels are written in: lanes of f32 and of i32, and the
//! four-byte product that int8 layers are made of. The files next to this
//! one implement it, one for each instruction set.

/// Numbers in the widest vector of any set: rows are a multiple of it, and tails
/// are brought to a whole vector in a buffer of this size.
pub(super) const WIDEST: usize = 16;

/// The operations of one instruction set. A value of an implementing type is
/// the proof that this processor has it, so the arithmetic is safe to call;
/// what touches memory by pointer is not.
pub(super) trait Lanes: Copy {
    /// f32 (or i32) numbers in one vector; divides 32.
    const WIDTH: usize;
    /// The offset that `dot4` subtracts from every activation byte before it
    /// multiplies.
    const ACTIVATION_OFFSET: i32;
    /// `WIDTH` numbers of f32.
    type F: Copy;
    /// `WIDTH` numbers of i32, or `4 * WIDTH` bytes.
    type I: Copy;
    /// Four activation bytes, repeated over all lanes, in the form `dot4` wants.
    type Four: Copy;

    /// The same number in every lane.
    fn splat(self, number: f32) -> Self::F;
    /// # Safety
    /// `WIDTH` f32 must be readable at `at`; any alignment will do.
    unsafe fn load(self, at: *const f32) -> Self::F;
    /// # Safety
    /// `WIDTH` f32 must be writable at `at`; any alignment will do.
    unsafe fn store(self, at: *mut f32, lanes: Self::F);
    /// a + b
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// a - b
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// a * b
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// a / b
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// a * b + c, rounded once where the processor can.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The greater of each pair; neither is a NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The lesser of each pair; neither is a NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The nearest whole number, ties to the even one.
    fn round(self, a: Self::F) -> Self::F;
    /// Two to the power of whole numbers from -126 to 127.
    fn power_of_two(self, whole: Self::F) -> Self::F;
    /// Writes numbers from 0 to 255 as `WIDTH` bytes, rounded to the nearest.
    ///
    /// # Safety
    /// `WIDTH` bytes must be writable at `at`.
    unsafe fn store_bytes(self, at: *mut u8, lanes: Self::F);

    /// The same whole number in every lane.
    fn splat_int(self, number: i32) -> Self::I;
    /// # Safety
    /// `4 * WIDTH` bytes must be readable at `at`; any alignment will do.
    unsafe fn load_int(self, at: *const u8) -> Self::I;
    /// a - b * c
    fn sub_product(self, a: Self::I, b: Self::I, c: Self::I) -> Self::I;
    /// Whole numbers as f32.
    fn to_float(self, a: Self::I) -> Self::F;
    /// # Safety
    /// Four bytes must be readable at `at`.
    unsafe fn splat_four(self, at: *const u8) -> Self::Four;
    /// Adds to lane i the sum over j < 4 of `(four[j] - ACTIVATION_OFFSET) * weights[4 * i + j]`,
    /// activations taken as u8 and weights as i8: exact, nothing saturates.
    fn dot4(self, sum: Self::I, four: Self::Four, weights: Self::I) -> Self::I;

    /// The lanes one by one, the rest 0.
    #[inline(always)]
    fn spread(self, lanes: Self::F) -> [f32; WIDEST] {
        let mut out = [0.0; WIDEST];
        // SAFETY: WIDTH is at most WIDEST.
        unsafe { self.store(out.as_mut_ptr(), lanes) };
        out
    }

    /// The sum of the lanes.
    #[inline(always)]
    fn total(self, lanes: Self::F) -> f32 {
        self.spread(lanes)[..Self::WIDTH].iter().sum()
    }

    /// The inner product of two int8 vectors.
    ///
    /// # Safety
    /// `length` bytes must be readable at `a` and at `b`.
    #[inline(always)]
    unsafe fn dot_i8(self, a: *const i8, b: *const i8, length: usize) -> i32 {
        // SAFETY: the caller's promise.
        let (a, b) = unsafe {
            (
                std::slice::from_raw_parts(a, length),
                std::slice::from_raw_parts(b, length),
            )
        };
        a.iter()
            .zip(b)
            .map(|(a, b)| i32::from(*a) * i32::from(*b))
            .sum()
    }

    /// Bits that differ between two codes.
    ///
    /// # Safety
    /// `length` bytes must be readable at `a` and at `b`.
    #[inline(always)]
    unsafe fn hamming(self, a: *const u8, b: *const u8, length: usize) -> u32 {
        let slice = std::slice::from_raw_parts;
        // SAFETY: the caller's promise.
        let (a, b) = unsafe { (slice(a, length), slice(b, length)) };
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
        let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
        let whole = a
            .iter()
            .zip(b)
            .map(|(a, b)| (word(a) ^ word(b)).count_ones());
        let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a ^ b).count_ones());
        whole.sum::<u32>() + rest.sum::<u32>()
    }

    /// Runs the int8 product in the tile that fits this set's registers.
    fn sweep(self, job: &super::dense::Job<'_>, out: &mut [f32]);

    /// Runs the f32 product in the tile that fits this set's registers.
    fn multiply(self, job: &super::attention::MatMul, out: *mut f32);
}

/// Runs `$body` for each `$at` below `$count` (a constant, at most 12), written
/// out: a tile's sums stay in registers only where no index is left to run time,
/// and compilers unroll a loop of twelve at their highest level or not at all.
macro_rules! each {
    ($at:ident < $count:ident, $body:block) => {
        each!(@ $at, $count, $body, 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    (@ $at:ident, $count:ident, $body:block, $($number:literal)*) => {
        const { assert!($count <= 12) };
        $(if $number < $count {
            let $at: usize = $number;
            $body
        })*
    };
}
pub(super) use each;
