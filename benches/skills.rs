//! The cost of skills: the time from the start of Mimo with five skills to the
//! full list of tools, cached and cold; the time from the start of a server on Node
//! to its first answer, through Mimo and directly, in turns; the memory of an idle skill, in Mimo and in
//! the processes of its sandbox; and the latency of a healthy skill alone and
//! beside four failing ones, in turns in one run. Each figure is one line of JSON.
//!
//! Memory is what the kernel counts as anonymous (`smaps_rollup`): pages of the
//! program file are shared with Mimo itself, and the skill's own are its own.
//!
//! Measured on two shared cores, load 2 (one run) and 8 (three): all tools known
//! 5 ms after the start from the cache, 55 to 80 ms cold under load; told by
//! `skill_find`, which embeds each description first, after 25 ms and 37 cold,
//! under load 35 to 200. An idle skill adds 295 KB in Mimo and 571 KB in the two
//! processes of its sandbox. The healthy skill alone and beside the failing ones:
//! greeting 3.3 and 4.1 ms (load: 6 and 11 to 22), calls 27 and 30 us p50, 110
//! and 190 us p99 (load: 28 to 73 and 60 to 72 us p50, up to 8 ms p99). Six
//! popular servers, installed and known, from their start to the first answer (release,
//! load 6.5, median of 5 in turns), ms through Mimo and directly: everything 668 and
//! 439, filesystem 756 and 493, memory 635 and 445, sequential-thinking 744 and 496,
//! playwright 472 and 387, context7 452 and 391. Mimo reads the list of tools before
//! it passes a call on, which the direct client does not; how much of the difference
//! that is, and how much the load, is not measured.

#![allow(clippy::print_stdout, reason = "the figures are its output")]
#![allow(missing_docs, reason = "a program, not an interface")]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
#[path = "skills/find.rs"]
mod find;
#[cfg(target_os = "linux")]
#[path = "../tests/support/machine.rs"]
mod machine;
#[cfg(target_os = "linux")]
#[path = "skills/pasted.rs"]
mod pasted;
#[cfg(target_os = "linux")]
#[path = "../tests/support/popular.rs"]
mod popular;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

#[cfg(target_os = "linux")]
fn main() {
    support::child::serve_or(linux::main);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::find::find;
    use super::pasted::pasted;
    use super::support::{Client, mimo, one_by_one, quantile};

    const STARTS: usize = 21;
    const ROUNDS: usize = 20;
    const CALLS: usize = 500;
    const FIVE: [(&str, &str); 5] = [
        ("one", "ok"),
        ("two", "ok"),
        ("three", "ok"),
        ("four", "ok"),
        ("five", "ok"),
    ];
    const SICK: [(&str, &str); 6] = [
        ("fast", "ok"),
        ("hung", "hang"),
        ("failing", "fail"),
        ("dying", "die"),
        ("flooding", "flood-out"),
        ("shouting", "flood-err"),
    ];

    pub fn main() {
        let parts: [(&str, fn()); 5] = [
            ("pasted", pasted),
            ("starts", starts),
            ("find", find),
            ("memory", memory),
            ("isolation", isolation),
        ];
        let chosen: Vec<String> = std::env::args()
            .skip(1)
            .filter(|each| each != "--bench")
            .collect();
        for (name, part) in parts {
            if chosen.is_empty() || chosen.iter().any(|each| each == name) {
                part();
            }
        }
    }

    fn print(figure: &Value) {
        println!("{figure}");
    }

    fn millis(mut times: Vec<Duration>) -> f64 {
        quantile(&mut times, 0.5).round() / 1000.0
    }

    /// From starting Mimo until it knows all tools of its skills, and until
    /// `skill_find` has returned them.
    fn starts() {
        let mut known = [Vec::new(), Vec::new()];
        let mut told = [Vec::new(), Vec::new()];
        // The first round is a warm-up.
        for round in 0..=STARTS {
            let folder = mimo::folder();
            // Cold, then from the cache of the first run.
            for kind in 0..2 {
                let mut command = mimo::command(folder.path(), &FIVE, false);
                let start = Instant::now();
                let mut client = Client::start(&mut command);
                client.initialize();
                while !knows_all_tools(&mut client) {}
                let knew = start.elapsed();
                all_tools(&mut client);
                if round > 0 {
                    known[kind].push(knew);
                    told[kind].push(start.elapsed());
                }
                drop(client);
                let kept = fs::read_to_string(folder.path().join("data/skill-tools.json"));
                let all = kept.unwrap_or_default().matches("test_echo1").count();
                assert_eq!(all, FIVE.len(), "kind {kind}: the lists are kept");
            }
        }
        let figures = [
            ("start_to_knowing_the_tools_of_5_skills_ms_p50", known),
            ("start_to_skill_find_of_all_ms_p50", told),
        ];
        for (figure, times) in figures {
            let [cold, cached] = times.map(millis);
            print(&json!({"bench": "skills", "figure": figure, "cached": cached, "cold": cold}));
        }
    }

    fn knows_all_tools(client: &mut Client) -> bool {
        client.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"mimo_status\",\"arguments\":{\"section\":\"skills\"}}}\n");
        let answer = client.answer();
        memchr::memmem::find_iter(answer, b"\\\"tools\\\":5").count() == FIVE.len()
    }

    fn all_tools(client: &mut Client) {
        client.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"skill_find\",\"arguments\":{\"query\":\"\",\"limit\":100}}}\n");
        let answer = client.answer();
        let tools = memchr::memmem::find_iter(answer, b"__test_echo").count();
        assert_eq!(tools, 25, "{}", String::from_utf8_lossy(answer));
    }

    /// The memory that five idle skills add.
    fn memory() {
        let with = |skills: &[(&str, &str)]| {
            let folder = mimo::folder();
            let mut client = Client::start(&mut mimo::command(folder.path(), skills, true));
            client.initialize();
            for (name, _) in skills {
                client.send(&mimo::call(name, 1));
                client.answer();
            }
            let root = client.pid();
            let below = supervisors(root);
            // Two processes of a sandbox share what the first one had at the
            // fork: each is given half of that.
            let sandboxes = below.iter().map(|pid| kilobytes(*pid, "Pss_Anon:"));
            (
                kilobytes(root, "Pss_Anon:"),
                sandboxes.sum::<u64>(),
                below.len(),
            )
        };
        let (mut alone, mut five) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            alone.push(with(&[]).0);
            five.push(with(&FIVE));
        }
        alone.sort_unstable();
        five.sort_unstable();
        let (gateway, sandboxes, processes) = five[five.len() / 2];
        let each = |kilobytes: u64| kilobytes / FIVE.len() as u64;
        print(&json!({"bench": "skills", "figure": "idle_skill_adds_kb",
            "gateway": each(gateway.saturating_sub(alone[alone.len() / 2])),
            "sandbox": each(sandboxes),
            "processes": processes / FIVE.len()}));
    }

    /// The processes below `root` that are Mimo too.
    fn supervisors(root: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut open = vec![root];
        while let Some(pid) = open.pop() {
            let tasks = fs::read_dir(format!("/proc/{pid}/task"))
                .into_iter()
                .flatten();
            for task in tasks.flatten() {
                let children = fs::read_to_string(task.path().join("children"));
                let children = children.unwrap_or_default();
                open.extend(
                    children
                        .split_whitespace()
                        .filter_map(|pid| pid.parse::<u32>().ok()),
                );
            }
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if memchr::memmem::find(&words, b"__sandbox").is_some() {
                found.push(pid);
            }
        }
        found
    }

    fn kilobytes(pid: u32, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
        let text = text.expect("the bench may look at its children");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or(0)
    }

    /// The healthy skill alone and beside the failing ones.
    fn isolation() {
        let folders = [mimo::folder(), mimo::folder()];
        let skills = [&SICK[..1], &SICK[..]];
        let command = |at: usize| mimo::command(folders[at].path(), skills[at], true);
        let mut greeted = [Vec::new(), Vec::new()];
        for _ in 0..STARTS {
            for (at, greeted) in greeted.iter_mut().enumerate() {
                greeted.push(greeting(&mut command(at)));
            }
        }
        let mut clients = [0, 1].map(|at| {
            let mut client = Client::start(&mut command(at));
            client.initialize();
            one_by_one(&mut client, fast, CALLS, &mut Vec::new());
            client
        });
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (client, times) in clients.iter_mut().zip(&mut times) {
                one_by_one(client, fast, CALLS, times);
            }
            // This kills it; it is restarted during the next round.
            clients[1].send(&mimo::call("dying", 0));
            clients[1].answer();
        }
        let rounded = |value: f64| (value * 10.0).round() / 10.0;
        for ((name, times), greeted) in ["alone", "beside_sick"].iter().zip(&mut times).zip(greeted)
        {
            print(
                &json!({"bench": "skills", "figure": "isolation", "healthy": name,
                "initialize_ms_p50": millis(greeted),
                "us_p50": rounded(quantile(times, 0.5)),
                "us_p99": rounded(quantile(times, 0.99))}),
            );
        }
    }

    fn fast(id: usize) -> String {
        mimo::call("fast", id)
    }

    /// From its start to its `initialize` result.
    fn greeting(command: &mut std::process::Command) -> Duration {
        let start = Instant::now();
        let mut client = Client::start(command);
        client.initialize();
        start.elapsed()
    }
}
