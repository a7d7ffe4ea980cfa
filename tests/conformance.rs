//! The official conformance suite, on both lifecycles: what each revision
//! requires of a server. The suite speaks HTTP alone, so a bridge stands
//! between it and Mimo's pipes (`conformance/bridge.mjs`). Each scenario also
//! holds every message that Mimo sends to the revision's own JSON schema; that
//! has to be clean in all of them.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start servers and the suite as processes"
)]

mod support;

#[path = "conformance/expected.rs"]
mod expected;
#[path = "e2e/installed.rs"]
#[allow(dead_code, reason = "the clients are the other test's")]
mod installed;
#[path = "conformance/suite.rs"]
mod suite;

use std::collections::BTreeSet;

use expected::{CHECKS_LEFT_OUT, REVISIONS, Revision, SCENARIOS_LEFT_OUT};
use suite::{Check, Scenario};

#[test]
fn sessions_conform() {
    conforms(&REVISIONS[0]);
}

#[test]
fn stateless_requests_conform() {
    conforms(&REVISIONS[1]);
}

/// Every scenario that the revision requires passes, or is named with why it
/// is not Mimo's to pass.
fn conforms(revision: &Revision) {
    let required = suite::required(revision.name);
    let passing: BTreeSet<&str> = revision.passing.iter().copied().collect();
    let left_out: BTreeSet<&str> = SCENARIOS_LEFT_OUT.iter().map(|(name, _)| *name).collect();
    let unplaced: Vec<_> = required
        .iter()
        .map(String::as_str)
        .filter(|name| !passing.contains(name) && !left_out.contains(name))
        .collect();
    assert!(
        unplaced.is_empty(),
        "nobody says what becomes of {unplaced:?}"
    );

    let run = suite::run(revision.name);
    let mut wrong = Vec::new();
    for name in &passing {
        match run.iter().find(|scenario| scenario.name == *name) {
            Some(scenario) => wrong.extend(faults(scenario)),
            None => wrong.push(format!("{name} was not run")),
        }
    }
    // The schemas hold for what is said in the others too.
    let others = run
        .iter()
        .filter(|scenario| !passing.contains(&*scenario.name));
    let spoken = others.flat_map(|scenario| &scenario.checks);
    wrong.extend(
        spoken
            .filter(|check| check.id.starts_with("wire-schema"))
            .filter_map(fault),
    );
    assert!(wrong.is_empty(), "{}:\n{}", revision.name, wrong.join("\n"));
}

/// What is wrong with a scenario that has to pass. A check that says nothing is
/// one too: the suite passes what it could not try.
fn faults(scenario: &Scenario) -> Vec<String> {
    let tried = |check: &&Check| matches!(&*check.status, "SUCCESS" | "INFO");
    let mut faults: Vec<String> = scenario.checks.iter().filter_map(fault).collect();
    if scenario.checks.iter().filter(tried).count() == 0 {
        faults.push("nothing was tried".to_owned());
    }
    let named = |fault| format!("{}: {fault}", scenario.name);
    faults.into_iter().map(named).collect()
}

fn fault(check: &Check) -> Option<String> {
    let left_out = CHECKS_LEFT_OUT.iter().any(|(id, _)| *id == check.id);
    let good = matches!(&*check.status, "SUCCESS" | "INFO");
    (!good && !left_out).then(|| format!("{} {}: {}", check.id, check.status, check.why))
}
