//! Fuzzing on a stable toolchain: inputs made of seeds and mutations, two seconds
//! for each target within the ordinary tests. Each run starts with another seed
//! and says which. Longer, and from a seed that failed:
//!
//! ```text
//! MIMO_FUZZ_SECONDS=600 cargo test --test faults fuzz
//! MIMO_FUZZ_SEED=1234 cargo test --test faults fuzz::frames
//! ```

mod arguments;
mod frames;
mod manifests;
