//! Every kernel at every level of this machine against plain loops: integers
//! exactly, f32 within its rounding, at the sizes in use and at odd ones.

use mimo::vector::{self, AttentionBuffers, Dense, Epilogue, Level, PANEL, Rows};

const LENGTHS: [usize; 22] = [
    0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 255, 256, 384, 768, 1000, 1536,
];

/// Pseudorandom numbers, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }

    /// From -1 to 1.
    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0)
            .collect()
    }
}

fn near(found: f32, expected: f64, within: f64, what: &str) {
    assert!(
        (f64::from(found) - expected).abs() <= within,
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn f32_inner_product_matches_the_plain_sum_at_any_alignment() {
    let mut numbers = Numbers(1);
    for length in LENGTHS {
        let (a, b) = (numbers.floats(length), numbers.floats(length));
        let expected = a
            .iter()
            .zip(&b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum();
        for level in Level::available() {
            let what = format!("{} at {length}", level.name());
            near(level.dot(&a, &b), expected, 1e-4, &what);
            for shift in 0..5 {
                let mut bytes = vec![0; shift];
                bytes.extend(b.iter().flat_map(|b| b.to_le_bytes()));
                let found = level.dot_bytes(&a, &bytes[shift..]).unwrap();
                near(found, expected, 1e-4, &what);
                assert_eq!(
                    level
                        .dot_bytes(&a, &bytes[shift..][..(4 * length).saturating_sub(1)])
                        .is_some(),
                    length == 0
                );
            }
            assert_eq!(level.dot_bytes(&a, &vec![0; 4 * length + 1]), None);
            assert_eq!(level.dot_bytes(&a, &vec![0; 4 * length + 4]), None);
        }
    }
    assert_eq!(vector::cosine(&[3.0, 4.0], &[4.0, 3.0]), 0.96);
    assert_eq!(vector::cosine(&[0.0, 0.0], &[4.0, 3.0]), 0.0);
}

#[test]
fn integer_distances_are_exact() {
    let mut numbers = Numbers(2);
    for length in LENGTHS {
        let mut pairs = vec![(numbers.bytes(length), numbers.bytes(length))];
        // The limits of the range, where instructions saturate.
        for (a, b) in [(128, 128), (128, 127), (127, 127), (255, 128), (0, 255)] {
            pairs.push((vec![a; length], vec![b; length]));
        }
        for (a, b) in pairs {
            let bits = a
                .iter()
                .zip(&b)
                .map(|(a, b)| (a ^ b).count_ones())
                .sum::<u32>();
            let signed = |bytes: &[u8]| bytes.iter().map(|byte| *byte as i8).collect::<Vec<i8>>();
            let (x, y) = (signed(&a), signed(&b));
            let product = x
                .iter()
                .zip(&y)
                .map(|(x, y)| i32::from(*x) * i32::from(*y))
                .sum::<i32>();
            for level in Level::available() {
                assert_eq!(level.hamming(&a, &b), bits, "{} at {length}", level.name());
                assert_eq!(
                    level.dot_i8(&x, &y),
                    product,
                    "{} at {length}",
                    level.name()
                );
            }
        }
    }
}

#[test]
#[should_panic(expected = "different lengths")]
fn vectors_of_different_lengths_panic() {
    vector::dot(&[1.0; 3], &[1.0; 4]);
}

/// int8 weights `[outputs][inputs]` in the kernels' panels.
fn panels(weights: &[i8], inputs: usize) -> Vec<u8> {
    let at = |at: usize| {
        let (panel, rest) = (at / (PANEL * inputs), at % (PANEL * inputs));
        let (step, rest) = (rest / (4 * PANEL), rest % (4 * PANEL));
        weights[(panel * PANEL + rest / 4) * inputs + step * 4 + rest % 4] as u8
    };
    (0..weights.len()).map(at).collect()
}

#[test]
fn a_dense_layer_is_exact_in_integers() {
    let mut numbers = Numbers(3);
    for (inputs, outputs) in [(16, 32), (384, 64), (768, 32), (1536, 32), (256, 96)] {
        let mut weights: Vec<i8> = numbers
            .bytes(inputs * outputs)
            .into_iter()
            .map(|w| (w as i8).max(-127))
            .collect();
        // A row of maximal weights meets the maximal activations below.
        weights[..inputs].fill(127);
        weights[inputs..2 * inputs].fill(-127);
        let packed = panels(&weights, inputs);
        let sums: Vec<i32> = weights
            .chunks(inputs)
            .map(|row| row.iter().map(|w| i32::from(*w)).sum())
            .collect();
        // Sums up to 2^23 are exact as f32, and a bit of each is left for halves.
        let layer = Dense::new(
            inputs,
            &packed,
            vec![0.25; outputs],
            sums,
            vec![3.0; outputs],
        )
        .unwrap();
        for count in [1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 20, 29] {
            // Integers from -100 to 155 with both limits in each row: the scale
            // is 1 and the zero point 100, so quantization loses nothing.
            let mut rows: Vec<f32> = numbers
                .bytes(count * inputs)
                .into_iter()
                .map(|a| f32::from(a) - 100.0)
                .collect();
            for row in rows.chunks_mut(inputs) {
                (row[0], row[inputs - 1]) = (-100.0, 155.0);
            }
            rows[..inputs / 2].fill(155.0);
            rows[0] = -100.0;
            let dot = |row: &[f32], w: &[i8]| {
                row.iter()
                    .zip(w)
                    .map(|(a, w)| *a as i32 * i32::from(*w))
                    .sum::<i32>()
            };
            let plain = rows
                .chunks(inputs)
                .flat_map(|row| weights.chunks(inputs).map(move |w| dot(row, w)));
            let expected: Vec<f32> = plain.map(|sum| sum as f32 * 0.25 + 3.0).collect();
            for level in Level::available() {
                let what = format!("{} {inputs}x{outputs}, {count} rows", level.name());
                let mut quantized = Rows::default();
                level.quantize(&rows, &vec![1.0; inputs], &mut quantized);
                let mut out = vec![f32::NAN; count * outputs];
                level.dense(&quantized, &layer, Epilogue::Write, &mut out);
                assert_eq!(out, expected, "{what}");
                level.dense(&quantized, &layer, Epilogue::Add, &mut out);
                assert!(
                    out.iter()
                        .zip(&expected)
                        .all(|(found, once)| *found == 2.0 * once),
                    "{what}"
                );
                let mut all = expected.clone();
                level.gelu(&mut all);
                level.dense(&quantized, &layer, Epilogue::Gelu, &mut out);
                assert_eq!(out, all, "{what}");
            }
        }
    }
}

#[test]
fn mismatched_parts_make_no_layer() {
    let make = |inputs, weights: &'static [u8], outputs| {
        Dense::new(
            inputs,
            weights,
            vec![1.0; outputs],
            vec![0; outputs],
            vec![0.0; outputs],
        )
        .is_some()
    };
    assert!(make(4, &[0; 128], 32));
    assert!(!make(4, &[0; 127], 32) && !make(3, &[0; 96], 32) && !make(4, &[0; 64], 16));
    assert!(Dense::new(4, &[0; 128], vec![1.0; 32], vec![0; 31], vec![0.0; 32]).is_none());
    assert!(Dense::new(4, &[0; 128], vec![1.0; 32], vec![0; 32], vec![0.0; 33]).is_none());
}

/// The error function by its series and, beyond 3, its continued fraction.
fn erf(x: f64) -> f64 {
    if x.abs() > 3.0 {
        let size = x.abs();
        let tail = (1..60)
            .rev()
            .fold(size, |below, k| size + f64::from(k) / 2.0 / below);
        return x.signum() * (1.0 - (-x * x).exp() / tail / std::f64::consts::PI.sqrt());
    }
    let mut term = x;
    let mut sum = x;
    for n in 1..100 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn gelu_uses_the_error_function() {
    let inputs: Vec<f32> = (-1600..1600).map(|at| at as f32 / 160.0).collect();
    for level in Level::available() {
        let mut found = inputs.clone();
        level.gelu(&mut found);
        for (x, found) in inputs.iter().zip(found) {
            let x = f64::from(*x);
            let expected = x * (1.0 + erf(x / std::f64::consts::SQRT_2)) / 2.0;
            near(found, expected, 1e-6 * x.abs().max(1.0), level.name());
        }
        let mut far = [-1e30, -200.0, 0.0, -1e-30, 1e-30, 200.0, 1e30, 12.5].repeat(2);
        level.gelu(&mut far);
        assert!(
            far[..5].iter().all(|x| x.abs() < 1e-29),
            "{}: {far:?}",
            level.name()
        );
        assert_eq!(&far[5..8], [200.0, 1e30, 12.5], "{}", level.name());
    }
}

#[test]
fn softmax_and_normalization_match_plain_loops() {
    let mut numbers = Numbers(4);
    for length in [16, 32, 96, 256] {
        for valid in [1, 2, length / 2 + 3, length] {
            let row: Vec<f32> = numbers.floats(length).iter().map(|x| x * 30.0).collect();
            let exps: Vec<f64> = row[..valid].iter().map(|x| f64::from(*x).exp()).collect();
            let sum: f64 = exps.iter().sum();
            for level in Level::available() {
                let mut found = row.clone();
                level.softmax(&mut found, valid);
                for (found, exp) in found.iter().zip(&exps) {
                    near(*found, exp / sum, 1e-6, level.name());
                }
            }
        }
    }
    let (gain, shift) = (numbers.floats(384), numbers.floats(384));
    let rows: Vec<f32> = numbers
        .floats(3 * 384)
        .iter()
        .map(|x| x * 5.0 + 2.0)
        .collect();
    for level in Level::available() {
        let mut found = rows.clone();
        level.normalize(&mut found, &gain, &shift);
        for (found, row) in found.chunks(384).zip(rows.chunks(384)) {
            let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / 384.0;
            let spread = (row
                .iter()
                .map(|x| (f64::from(*x) - mean).powi(2))
                .sum::<f64>()
                / 384.0)
                .sqrt();
            for at in 0..384 {
                let even = (f64::from(row[at]) - mean) / spread;
                near(
                    found[at],
                    even * f64::from(gain[at]) + f64::from(shift[at]),
                    1e-5,
                    level.name(),
                );
            }
        }
    }
}

#[test]
fn attention_matches_plain_loops() {
    let mut numbers = Numbers(5);
    for (tokens, width) in [
        (1, 32),
        (2, 64),
        (7, 96),
        (24, 32),
        (33, 64),
        (61, 32),
        (256, 32),
    ] {
        let qkv: Vec<f32> = numbers
            .floats(tokens * 3 * width)
            .iter()
            .map(|x| x * 2.0)
            .collect();
        let at = |token: usize, part: usize, column: usize| {
            f64::from(qkv[(token * 3 + part) * width + column])
        };
        let mut expected = vec![0.0; tokens * width];
        for head in (0..width).step_by(32) {
            for query in 0..tokens {
                let score = |key| {
                    (head..head + 32)
                        .map(|d| at(query, 0, d) * at(key, 1, d))
                        .sum::<f64>()
                        .exp()
                };
                let scores: Vec<f64> = (0..tokens).map(score).collect();
                let sum: f64 = scores.iter().sum();
                for d in head..head + 32 {
                    expected[query * width + d] = (0..tokens)
                        .map(|key| scores[key] / sum * at(key, 2, d))
                        .sum();
                }
            }
        }
        let mut room = AttentionBuffers::default();
        for level in Level::available() {
            let mut found = vec![f32::NAN; tokens * width];
            // Twice: the second call finds the buffers as the first left them.
            for _ in 0..2 {
                level.attend(&qkv, tokens, &mut room, &mut found);
                for (found, expected) in found.iter().zip(&expected) {
                    near(
                        *found,
                        *expected,
                        2e-5,
                        &format!("{} with {tokens} tokens", level.name()),
                    );
                }
            }
        }
    }
}
