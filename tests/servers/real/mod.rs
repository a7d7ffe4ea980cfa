//! Real servers from npm and PyPI: every tool gives the same result through Mimo,
//! in its sandbox, as to a plain client.

mod calls;
mod clients;
mod isolation;
mod npx;
mod servers;

use std::path::Path;

use calls::Call;
use clients::{Direct, Mimo};
use servers::Real;

use crate::support::{fixture, machine};

/// Tools that need a client with task support, which neither side has.
const NEED_TASKS: &[&str] = &[
    "simulate-research-query",
    "trigger-elicitation-request-async",
    "trigger-sampling-request-async",
];

/// Calls all of `calls` directly and through Mimo, each side on a fresh copy of
/// the same folder, and compares what came.
fn same_on_both_sides(real: fn(&Path) -> Real, fill: fn(&Path), calls: fn(&Path) -> Vec<Call>) {
    let folder = fixture::trusted_dir();
    let work = folder.path().join("work");
    let fresh = || {
        if work.exists() {
            std::fs::remove_dir_all(&work).expect("the earlier one goes");
        }
        std::fs::create_dir(&work).expect("made");
        fill(&work);
    };
    let (real, calls) = (real(&work), calls(&work));

    fresh();
    let mut direct = Direct::start(&real, folder.path());
    let tools = direct.tools();
    let expected: Vec<_> = calls.iter().map(|call| direct.call(call)).collect();
    drop(direct);
    for tool in tools.keys() {
        let tried = calls.iter().any(|call| call.tool == tool);
        let known = tried || NEED_TASKS.contains(&tool.as_str());
        assert!(known, "{}: {tool} is not called", real.name);
    }

    fresh();
    let mut mimo = Mimo::start(folder.path(), &[&real]);
    mimo.initialize();
    let offered = mimo.tools(real.name);
    assert_eq!(
        offered.keys().collect::<Vec<_>>(),
        tools.keys().collect::<Vec<_>>()
    );
    for (call, expected) in calls.iter().zip(expected) {
        let (given, offered) = (&tools[call.tool], &offered[call.tool]);
        assert_eq!(
            offered["inputSchema"], given["inputSchema"],
            "{}",
            call.tool
        );
        if offered["call_with"] == "skill_read" {
            let named = mimo.call_direct(real.name, call);
            assert_eq!(named, expected, "{} {}", call.tool, call.arguments);
            let read = mimo.call("skill_read", real.name, call);
            assert_eq!(
                read, expected,
                "skill_read {} {}",
                call.tool, call.arguments
            );
        }
        let called = mimo.call("skill_call", real.name, call);
        assert_eq!(
            called, expected,
            "skill_call {} {}",
            call.tool, call.arguments
        );
    }
    mimo.end();
}

#[test]
fn everything() {
    skip_unless!(servers::modules());
    same_on_both_sides(servers::everything, |_| {}, calls::everything);
}

#[test]
fn filesystem() {
    skip_unless!(servers::modules());
    same_on_both_sides(servers::filesystem, calls::fill_files, calls::filesystem);
}

#[test]
fn memory() {
    skip_unless!(servers::modules());
    same_on_both_sides(servers::memory, |_| {}, calls::memory);
}

#[test]
fn time_by_its_console_script() {
    skip_unless!(servers::environment());
    same_on_both_sides(servers::time, |_| {}, calls::time);
}

#[test]
fn git_by_its_module() {
    skip_unless!(machine::program("git"));
    skip_unless!(servers::environment());
    same_on_both_sides(servers::git, calls::fill_repository, calls::git);
}
