//! The round trip of a trivial tool call through the real binary, compared with
//! the same tool on rmcp's own stdio transport, in turns in one run. Each figure is
//! one line of JSON on standard output.
//!
//! Measured on two shared, busy cores (load 3 to 8, five runs), stock rmcp on the
//! same kind of runtime, one thread: a call after the other 11 to 14 us against
//! 43 to 71 us (p50, 3.9 to 6.3 times better), 32 in flight 135,000 to 198,000
//! calls a second against 12,000 to 22,000 (8 to 15 times), from start to the
//! answer to `initialize` 1.5 to 2.0 ms against 1.1 to 1.6 ms. The p99 is
//! dominated by the machine's load: 14 to 143 us against 108 us to 2.1 ms.

#![allow(clippy::print_stdout, reason = "the figures are its output")]
#![allow(missing_docs, reason = "a program, not an interface")]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use support::{Client, in_flight, one_by_one, quantile};

const ROUNDS: usize = 20;
const CALLS: usize = 1000;
const FLIGHT: usize = 32;
const STARTS: usize = 40;

fn main() {
    if std::env::args().any(|argument| argument == "stock-server") {
        return support::stock::serve();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mimo = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
        command
            .args(["serve", "--fixture-tools"])
            .env("MIMO_DATA_DIR", folder.path().join("data"))
            .env("MIMO_CONFIG_DIR", folder.path().join("config"));
        command
    };
    let stock = || {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("stock-server");
        command
    };
    round_trips(&mut mimo(), &mut stock());
    starts(mimo, stock);
}

fn round_trips(mimo: &mut Command, stock: &mut Command) {
    let mut clients = [Client::start(mimo), Client::start(stock)];
    let mut times = [Vec::new(), Vec::new()];
    let mut busy = [Vec::new(), Vec::new()];
    for client in &mut clients {
        client.initialize();
        one_by_one(client, support::call, CALLS, &mut Vec::new());
    }
    for _ in 0..ROUNDS {
        for (client, times) in clients.iter_mut().zip(&mut times) {
            one_by_one(client, support::call, CALLS, times);
        }
        for (client, busy) in clients.iter_mut().zip(&mut busy) {
            busy.push(in_flight(client, support::call, CALLS, FLIGHT));
        }
    }
    let [ours, stocks] = &mut times;
    for (what, share) in [("p50", 0.5), ("p99", 0.99)] {
        let (ours, stocks) = (quantile(ours, share), quantile(stocks, share));
        figure(&format!("roundtrip_us_{what}"), ours, stocks, stocks / ours);
    }
    let rate = |busy: &mut [Duration]| CALLS as f64 * 1e6 / quantile(busy, 0.5);
    let [ours, stocks] = &mut busy;
    let (ours, stocks) = (rate(ours), rate(stocks));
    figure("calls_per_second_32_in_flight", ours, stocks, ours / stocks);
}

/// From starting the process to its answer to `initialize`.
fn starts(mimo: impl Fn() -> Command, stock: impl Fn() -> Command) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..STARTS {
        for (command, times) in [mimo(), stock()].iter_mut().zip(&mut times) {
            let start = Instant::now();
            let mut client = Client::start(command);
            client.initialize();
            times.push(start.elapsed());
        }
    }
    let [ours, stocks] = &mut times;
    let (ours, stocks) = (quantile(ours, 0.5), quantile(stocks, 0.5));
    figure("start_to_initialize_us_p50", ours, stocks, stocks / ours);
}

fn figure(name: &str, mimo: f64, stock: f64, times_better: f64) {
    let round = |value: f64| (value * 100.0).round() / 100.0;
    let line = serde_json::json!({
        "bench": "roundtrip", "figure": name, "mimo": round(mimo), "stock": round(stock),
        "times_better": round(times_better),
    });
    println!("{line}");
}
