//! Manifests: any input is judged without a panic and without work that grows
//! faster than the file, and every refusal has its fix.

use mimo::skills::manifest::{Manifest, check};
use mimo::skills::rules::Rules;

use crate::support::random::fuzz;

const SEEDS: &[&str] = &[
    include_str!("../../../skills.example.json"),
    include_str!("../../skills/manifests/valid/everything.json"),
    include_str!("../../skills/manifests/valid/docker.json"),
    include_str!("../../skills/manifests/valid/interpreters.json"),
    include_str!("../../skills/manifests/invalid/several.json"),
];
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\u0000",
    "\\ud800",
    "null",
    "-0",
    "1e999",
    "\"a\":",
    "\"command\":\"npx\",",
    "\"args\":[\"",
    "${",
    "${A}",
    "..",
    "~/",
    "@",
    "[[[[[[[[[[[[[[[[",
    "é",
];

#[test]
fn any_bytes_are_judged_without_a_panic() {
    let rules = Rules {
        commands: ["npx", "docker", "uvx", "node", "python3"]
            .map(str::to_owned)
            .to_vec(),
        path: vec!["/usr/bin".into()],
        home: Some("/home/nobody".into()),
        ..Rules::default()
    };
    fuzz(|random| {
        let bytes = random.mutated(SEEDS, PIECES);
        if let Err(refusals) = check(&bytes, &rules).and_then(Manifest::whole) {
            assert!(!refusals.is_empty(), "refused without a reason");
            assert!(refusals.iter().all(|each| !each.fix.is_empty()));
        }
    });
    // The worst that fits the file: one key many times, and lists in lists. Were
    // the reader quadratic, this would hang.
    for text in [
        format!("{{{}\"a\":1}}", "\"a\":1,".repeat(150_000)),
        "[".repeat(1024 * 1024),
        format!("{{\"skills\":{{\"a\":{{{}\"z\":1}}}}}}", {
            (0..60_000)
                .map(|at| format!("\"k{at}\":1,"))
                .collect::<String>()
        }),
    ] {
        assert!(
            check(text.as_bytes(), &rules)
                .and_then(Manifest::whole)
                .is_err()
        );
    }
}
