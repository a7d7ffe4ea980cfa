//! The latency of a call through Mimo to a server that answers at once, compared
//! with the same call without Mimo and through npm's `mcp-hub`, in turns in one
//! run. Each figure is one line of JSON on standard output.
//!
//! Mimo is spoken to over stdio, through `skill_call`, with its server in the
//! sandbox. mcp-hub speaks HTTP only: it is asked over connections that stay
//! open, one for each call in flight, by its own `POST /api/servers/tools`, on
//! the loopback interface. Where Node or npm is missing, a line says so.
//!
//! Measured: the same call directly, through Mimo, through mcp-hub (p50): 5 us,
//! 24 to 28 us, 217 to 280 us with all on one core (`taskset -c 0`) or on two
//! busy ones; with 32 in flight 24,000 to 88,000 calls a second through Mimo,
//! 2,700 to 5,800 through mcp-hub. Where two cores are idle, each of the four
//! hand-overs of a call wakes the other one, and it takes 50 to 71 us: that is
//! the machine's, since one core alone is faster. The p99 is the machine's as
//! well: 53 us to 4.2 ms.

#![allow(clippy::print_stdout, reason = "the figures are its output")]
#![allow(missing_docs, reason = "a program, not an interface")]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
#[path = "proxied/hub.rs"]
mod hub;
#[cfg(target_os = "linux")]
#[path = "../tests/support/machine.rs"]
mod machine;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

#[cfg(target_os = "linux")]
fn main() {
    support::child::serve_or(linux::main);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::Command;
    use std::time::Duration;

    use serde_json::json;

    use super::hub::Hub;
    use super::machine;
    use super::support::{self, Client, in_flight, mimo, one_by_one, quantile};

    const ROUNDS: usize = 20;
    const CALLS: usize = 1000;
    const FLIGHT: usize = 32;

    /// A path to the server.
    trait Side {
        fn one_by_one(&mut self, calls: usize, times: &mut Vec<Duration>);
        fn in_flight(&mut self, calls: usize, flight: usize) -> Duration;
        /// Fewer calls for mcp-hub, which is slow.
        fn calls(&self) -> usize {
            CALLS
        }
    }

    struct Pipes(Client, fn(usize) -> String);

    impl Side for Pipes {
        fn one_by_one(&mut self, calls: usize, times: &mut Vec<Duration>) {
            one_by_one(&mut self.0, self.1, calls, times);
        }

        fn in_flight(&mut self, calls: usize, flight: usize) -> Duration {
            in_flight(&mut self.0, self.1, calls, flight)
        }
    }

    impl Side for Hub {
        fn one_by_one(&mut self, calls: usize, times: &mut Vec<Duration>) {
            times.extend((0..calls).map(|_| Hub::in_flight(self, 1, 1)));
        }

        fn in_flight(&mut self, calls: usize, flight: usize) -> Duration {
            Hub::in_flight(self, calls, flight)
        }

        fn calls(&self) -> usize {
            CALLS / 10
        }
    }

    pub fn main() {
        let folder = mimo::folder();
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child.args(["child", "ok"]);
        let mut direct = Client::start(&mut child);
        direct.initialize();
        let mut through = Client::start(&mut mimo::command(folder.path(), &[("fast", "ok")], true));
        through.initialize();
        let mut sides: Vec<(&str, Box<dyn Side>)> = vec![
            ("direct", Box::new(Pipes(direct, support::call))),
            (
                "mimo",
                Box::new(Pipes(through, |id| mimo::call("fast", id))),
            ),
        ];
        if machine::node().is_ok() {
            let modules = machine::npm("hub", &["mcp-hub@4.2.1"])
                .expect("packages")
                .join("node_modules");
            let hub = Hub::start(
                &machine::node().expect("node"),
                &modules,
                folder.path(),
                FLIGHT,
            );
            sides.push(("mcp-hub", Box::new(hub)));
        } else {
            println!(
                "{}",
                json!({"bench": "proxied", "mcp-hub": "skipped: node and npm are not here"})
            );
        }
        let mut times = vec![Vec::new(); sides.len()];
        let mut rates = vec![Vec::new(); sides.len()];
        for (_, side) in &mut sides {
            side.one_by_one(side.calls(), &mut Vec::new());
        }
        for _ in 0..ROUNDS {
            for ((_, side), times) in sides.iter_mut().zip(&mut times) {
                side.one_by_one(side.calls(), times);
            }
            for ((_, side), rates) in sides.iter_mut().zip(&mut rates) {
                let calls = side.calls();
                let took = side.in_flight(calls, FLIGHT).as_secs_f64();
                rates.push(calls as f64 / took);
            }
        }
        let p50 = |times: &mut Vec<Duration>| quantile(times, 0.5);
        let least = p50(&mut times[0]);
        for (((name, _), mut times), mut rates) in sides.iter().zip(times).zip(rates) {
            rates.sort_by(f64::total_cmp);
            let middle = p50(&mut times);
            let figures = json!({
                "bench": "proxied", "side": name,
                "us_p50": rounded(middle), "us_p99": rounded(quantile(&mut times, 0.99)),
                "adds_us_p50": rounded(middle - least),
                "calls_per_second_32_in_flight": rates[rates.len() / 2].round(),
            });
            println!("{figures}");
        }
    }

    fn rounded(value: f64) -> f64 {
        (value * 10.0).round() / 10.0
    }
}
