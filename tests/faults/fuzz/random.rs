//! Random numbers that repeat, and how long to go on.

#![allow(
    clippy::print_stdout,
    reason = "how many trials there were is a test's output"
)]

use std::time::{Duration, Instant};

/// A small generator: fast, and the same for the same seed.
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Runs `trial` with one seed after another until the time is up. A panic in
/// it is reported with the seed that leads to it.
pub fn trials(trial: impl Fn(&mut Random) + std::panic::RefUnwindSafe) {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let end = Instant::now() + Duration::from_secs(number("MIMO_FUZZ_SECONDS").unwrap_or(2));
    let start = number("MIMO_FUZZ_SEED").unwrap_or(0);
    for seed in start.. {
        let outcome = std::panic::catch_unwind(|| trial(&mut Random::new(seed)));
        assert!(outcome.is_ok(), "MIMO_FUZZ_SEED={seed} fails");
        if seed % 64 == 0 && Instant::now() > end {
            println!("{} trials", seed - start + 1);
            return;
        }
    }
}
