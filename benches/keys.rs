//! Dudect: Welch's t of the times of two texts in random order, without the slowest
//! tenth (nothing is seen below 4.5). Then the cost of learning that no key changed.
#![allow(clippy::print_stdout, reason = "the figures are its output")]

#[allow(dead_code, reason = "the other benches use the rest")]
mod measure;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use mimo::clock::{Clock, SystemClock};
use mimo::keys::{Grant, Key, KeyHash, KeyRing};
use mimo::store::{KeyStore, keys::refresh, sqlite::SqliteStore};

const ROUNDS: usize = 200_000;

/// Both texts come in one buffer, because the time of a read depends on its address.
fn compare(name: &str, texts: [&[u8]; 2], work: impl Fn(&[u8])) {
    let (mut coins, mut text) = (vec![0; ROUNDS], texts[0].to_vec());
    SystemClock.fill_random(&mut coins);
    let mut samples = [Vec::new(), Vec::new()];
    for coin in coins {
        let class = usize::from(coin & 1);
        text.copy_from_slice(black_box(texts[class]));
        let start = Instant::now();
        work(black_box(&text));
        samples[class].push(start.elapsed().as_nanos() as f64);
    }
    let [a, b] = samples.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.truncate(times.len() * 9 / 10);
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        (mean, squares / (count - 1.0) / count)
    });
    let (apart, t) = (a.0 - b.0, (a.0 - b.0) / (a.1 + b.1).sqrt());
    println!("{name:<34} t = {t:>7.2}, {apart:>6.2} ns apart");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let made = || Key::generate(&SystemClock, "bench", Grant::default(), None).expect("a key");
    let ((key, text), (_, unknown)) = (made(), made());
    let right = text.reveal().as_bytes();
    let flipped = |at: usize| {
        let mut bytes = right.to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bytes
    };
    let (same, first, last) = (right.to_vec(), flipped(14), flipped(right.len() - 1));
    let equals = |text: &[u8]| _ = black_box(KeyHash::of(text).equals(&key.hash));
    compare("right / the same elsewhere", [right, &same], equals);
    compare("right / wrong at the first byte", [right, &first], equals);
    compare("right / wrong at the last byte", [right, &last], equals);
    let ring = KeyRing::new(Arc::new(SystemClock));
    ring.replace(1, vec![key.clone()]);
    let unknown = unknown.reveal().as_bytes();
    compare(
        "wrong text of known / unknown id",
        [&last, unknown],
        |text| {
            let _refused = black_box(ring.check(text));
        },
    );

    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::start(folder.path().join("mimo.db")).expect("a store");
    store.add_key(key).await.expect("added");
    refresh(&store, &ring).await.expect("read");
    let start = measure::cpu_seconds();
    for _ in 0..ROUNDS {
        refresh(&store, &ring).await.expect("unchanged");
    }
    let each = (measure::cpu_seconds() - start) * 1e6 / ROUNDS as f64;
    println!("refresh without a change: {each:.2} us of CPU");
}
