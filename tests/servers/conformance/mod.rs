//! The official conformance suite, on both lifecycles: what each revision
//! requires of a server. The suite speaks HTTP alone, so a bridge stands
//! between it and Mimo's pipes (`conformance/bridge.mjs`). The tools, prompts
//! and resources that it wants to find are a skill's (`conformance/skill.mjs`),
//! in its sandbox, so it tries the way through Mimo too. Each scenario also
//! holds every message that Mimo sends to the revision's own JSON schema; that
//! has to be clean in all of them.

mod expected;
mod suite;

use std::collections::BTreeSet;

use expected::{CHECKS_LEFT_OUT, CHECKS_WITH_SKILL, LEFT_OUT, Revision, SESSIONS, STATELESS};
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

/// Every scenario that the revision requires passes, but for those left out.
fn with_skill(revision: &Revision) {
    let mut passing = suite::required(revision.name);
    let required = passing.len();
    passing.retain(|name| LEFT_OUT.iter().all(|(left_out, _)| left_out != name));
    assert_eq!((required, passing.len()), revision.counts);
    let left_out: Vec<&str> = CHECKS_LEFT_OUT.iter().map(|(id, _)| *id).collect();
    conforms(revision, true, &passing, &left_out);
}

/// So do those that need nothing of the skill's, without it.
fn alone(revision: &Revision) {
    let passing = revision.alone.iter().map(|name| (*name).to_owned());
    let left_out = CHECKS_LEFT_OUT.iter().map(|(id, _)| *id);
    let left_out: Vec<&str> = left_out.chain(CHECKS_WITH_SKILL.iter().copied()).collect();
    conforms(revision, false, &passing.collect(), &left_out);
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
    // The schemas hold for what is said in the others too.
    let spoken = run.iter().flat_map(|scenario| &scenario.checks);
    let spoken = spoken.filter(|check| check.id.starts_with("wire-schema"));
    wrong.extend(spoken.filter_map(fault));
    assert!(wrong.is_empty(), "{}:\n{}", revision.name, wrong.join("\n"));
}

/// Whether anything beside its wire was looked at: the suite passes what it
/// could not try.
fn tried(scenario: &Scenario) -> bool {
    let own = |check: &&Check| !check.id.starts_with("wire-schema");
    let mut own = scenario.checks.iter().filter(own);
    own.any(|check| check.status == "SUCCESS")
}
