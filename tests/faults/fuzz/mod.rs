//! Fuzzing on a stable toolchain: inputs made from seeds and mutations, a few
//! seconds within the ordinary tests. `MIMO_FUZZ_SECONDS` makes it longer,
//! `MIMO_FUZZ_SEED` starts it elsewhere; a failure names its seed.

mod arguments;
mod frames;
mod manifests;
mod random;
