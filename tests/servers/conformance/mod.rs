//! The official conformance suite on both lifecycles, over HTTP. `skill.mjs`, a
//! sandboxed skill, provides the tools, prompts and resources that the suite expects,
//! which also tests forwarding; `preload.mjs` gives the suite its key. Every message of Mimo must match the revision's JSON schema.

mod expected;
mod suite;

use std::collections::BTreeSet;

use expected::{CHECKS_WITH_SKILL, LEFT_OUT, Revision, SESSIONS, STATELESS};
use suite::{Check, Scenario};

#[test]
fn sessions_conform() {
    skip_unless!(suite::modules());
    with_skill(&SESSIONS);
}

#[test]
fn sessions_conform_without_a_skill() {
    skip_unless!(suite::modules());
    alone(&SESSIONS);
}

#[test]
fn stateless_requests_conform() {
    skip_unless!(suite::modules());
    with_skill(&STATELESS);
}

#[test]
fn stateless_requests_conform_without_a_skill() {
    skip_unless!(suite::modules());
    alone(&STATELESS);
}

/// Every scenario of the revision passes, except those left out.
fn with_skill(revision: &Revision) {
    let mut passing = suite::required(revision.name);
    let required = passing.len();
    passing.retain(|name| LEFT_OUT.iter().all(|(left_out, _)| left_out != name));
    assert_eq!((required, passing.len()), revision.counts);
    conforms(revision, true, &passing, &[]);
}

/// Without the skill, the scenarios that do not need it pass.
fn alone(revision: &Revision) {
    let passing = revision.alone.iter().map(|name| (*name).to_owned());
    conforms(revision, false, &passing.collect(), CHECKS_WITH_SKILL);
}

fn conforms(revision: &Revision, skill: bool, passing: &BTreeSet<String>, left_out: &[&str]) {
    let run = suite::run(revision.name, skill);
    let fault = |check: &Check| {
        let good = matches!(&*check.status, "SUCCESS" | "INFO");
        let told = || format!("{} {}: {}", check.id, check.status, check.why);
        (!good && !left_out.contains(&&*check.id)).then(told)
    };
    let mut wrong = Vec::new();
    for name in passing {
        let Some(scenario) = run.iter().find(|scenario| scenario.name == *name) else {
            wrong.push(format!("{name} was not run"));
            continue;
        };
        let faults = scenario.checks.iter().filter_map(fault);
        wrong.extend(faults.map(|fault| format!("{name}: {fault}")));
        if !tried(scenario) {
            wrong.push(format!("{name}: nothing was tried"));
        }
    }
    // The schemas also apply to messages of the other scenarios.
    let spoken = run.iter().flat_map(|scenario| &scenario.checks);
    let spoken = spoken.filter(|check| check.id.starts_with("wire-schema"));
    wrong.extend(spoken.filter_map(fault));
    assert!(wrong.is_empty(), "{}:\n{}", revision.name, wrong.join("\n"));
}

/// Whether a check beyond the message schemas ran, since the suite passes
/// scenarios that it could not try.
fn tried(scenario: &Scenario) -> bool {
    let own = |check: &&Check| !check.id.starts_with("wire-schema");
    let mut own = scenario.checks.iter().filter(own);
    own.any(|check| check.status == "SUCCESS")
}
