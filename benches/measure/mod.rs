//! How the benches measure: CPU time, so that a busy machine does not count,
//! and medians of runs that alternate between the two sides, so that both meet
//! the same moments.

use std::io::Write;

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

/// Seconds of CPU time that this process has used.
pub fn cpu_seconds() -> f64 {
    let used = getrusage(UsageWho::RUSAGE_SELF).expect("every system counts this");
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
    seconds(used.user_time()) + seconds(used.system_time())
}

/// The median.
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Calls of `run` that take about two milliseconds together.
fn batch(run: &mut dyn FnMut()) -> usize {
    let mut calls = 1;
    loop {
        let start = cpu_seconds();
        (0..calls).for_each(|_| run());
        if cpu_seconds() - start > 0.002 {
            return calls;
        }
        calls *= 2;
    }
}

/// Median CPU seconds of one call of each side, over `rounds` alternating batches.
pub fn side_by_side(rounds: usize, sides: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let calls: Vec<usize> = sides.iter_mut().map(|side| batch(side)).collect();
    let mut times = vec![Vec::new(); sides.len()];
    for _ in 0..rounds {
        for ((side, calls), times) in sides.iter_mut().zip(&calls).zip(&mut times) {
            let start = cpu_seconds();
            (0..*calls).for_each(|_| side());
            times.push((cpu_seconds() - start) / *calls as f64);
        }
    }
    times.into_iter().map(median).collect()
}

/// Prints one figure as a line of JSON.
pub fn print(figure: &Value) {
    writeln!(std::io::stdout(), "{figure}").expect("a bench has somewhere to print");
}
