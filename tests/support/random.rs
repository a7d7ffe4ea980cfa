//! Repeatable random inputs. Each run draws and prints a new seed; `MIMO_FUZZ_SEED`
//! sets it, and `MIMO_FUZZ_SECONDS` makes fuzzing longer.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngSeed};

const SEED: &str = "MIMO_FUZZ_SEED";
const SECONDS: &str = "MIMO_FUZZ_SECONDS";

/// A small generator: fast, and the same for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

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

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One of `seeds` with a few parts removed, repeated, or replaced: by one of `pieces`,
    /// by a part of another seed, or by other bytes.
    pub fn mutated(&mut self, seeds: &[&str], pieces: &[&str]) -> Vec<u8> {
        let mut bytes = self.pick(seeds).as_bytes().to_vec();
        for _ in 0..self.below(9) {
            let at = self.below(bytes.len() + 1);
            let to = (at + self.below(20)).min(bytes.len());
            match self.below(8) {
                0 => bytes.insert(at, self.next() as u8),
                1 => drop(bytes.drain(at..to)),
                2 => drop(bytes.splice(at..at, self.pick(pieces).bytes())),
                3 => drop(bytes.splice(at..to, self.pick(pieces).bytes())),
                4 => {
                    let part = bytes[at..to].to_vec();
                    let times = self.below(200);
                    bytes.splice(at..at, part.repeat(times));
                }
                5 => {
                    let other = self.pick(seeds).as_bytes();
                    let from = self.below(other.len());
                    bytes.splice(at.., other[from..].iter().copied());
                }
                6 => bytes.truncate(at),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        bytes
    }
}

/// Runs `trial` with one seed after another until the time is up.
pub fn fuzz(trial: impl Fn(&mut Random)) {
    let end = Instant::now() + Duration::from_secs(number(SECONDS).unwrap_or(2));
    let first = announced_seed();
    for seed in first.. {
        run(seed, &trial);
        if seed % 64 == 0 && Instant::now() > end {
            return;
        }
    }
}

/// `usual`, or `long` where fuzzing is made longer.
pub fn cases(usual: u64, long: u64) -> u64 {
    match number(SECONDS) {
        None => usual,
        Some(_) => long,
    }
}

/// Runs `trial` with `count` seeds.
pub fn repeat(count: u64, mut trial: impl FnMut(&mut Random)) {
    let first = announced_seed();
    for seed in first..first + count {
        run(seed, &mut trial);
    }
}

/// The configuration of a property test. A failure shows its seed.
pub fn property(cases: u32) -> Config {
    let seed = seed();
    // Captured, so that only a failing property shows it.
    #[allow(clippy::print_stderr, reason = "a failing test shows what it printed")]
    {
        eprintln!("repeat this with {SEED}={seed}");
    }
    Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    }
}

fn run(seed: u64, trial: impl FnOnce(&mut Random)) {
    let outcome = catch_unwind(AssertUnwindSafe(|| trial(&mut Random::new(seed))));
    assert!(outcome.is_ok(), "repeat this with {SEED}={seed}");
}

/// The first seed. Printed at once, in case the test hangs or is killed.
fn announced_seed() -> u64 {
    let seed = seed();
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not `eprintln!`, whose output is captured in passing tests.
    let _ = writeln!(std::io::stderr(), "{test}: {SEED}={seed}");
    seed
}

fn seed() -> u64 {
    // Short enough to type.
    number(SEED).unwrap_or_else(|| RandomState::new().hash_one(SEED) % 1_000_000_000)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is a whole number, not {text:?}")))
}
