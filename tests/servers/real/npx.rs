//! `npx -y PACKAGE` as in a server's README: fetched once into the skill's home,
//! and run again without a network.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::calls::{self, Call};
use super::clients::{Direct, Mimo};
use super::servers;
use super::servers::{Allowed, Real};
use crate::support::{fixture, machine};

const PACKAGE: &str = "@modelcontextprotocol/server-filesystem@2026.8.31";

fn skill(work: &Path, network: &str) -> Real {
    let work = work.to_str().expect("text");
    let npx = machine::node().expect("node").with_file_name("npx");
    let folder = npx.parent().expect("a folder").to_str().expect("text");
    Real {
        name: "files",
        command: Vec::new(),
        variables: Vec::new(),
        entry: json!({
            "command": "npx",
            "args": ["-y", PACKAGE, work],
            "sandbox": {"fs": {"write": [work]}, "network": network},
        }),
        allowed: Allowed {
            commands: vec!["npx".to_owned()],
            path: vec![folder.to_owned()],
            variables: machine::fetching(),
        },
    }
}

#[test]
fn npx_package_is_fetched_once_and_answers_as_without_mimo() {
    skip_unless!(servers::modules());
    let folder = fixture::trusted_dir();
    let work = folder.path().join("work");
    fs::create_dir(&work).expect("made");
    calls::fill_files(&work);
    let reads = |calls: Vec<Call>| -> Vec<Call> {
        let reads = calls
            .into_iter()
            .filter(|call| call.tool.starts_with("read_"));
        reads.collect()
    };
    let calls = reads(calls::filesystem(&work));
    let mut direct = Direct::start(&servers::filesystem(&work), folder.path());
    let expected: Vec<_> = calls.iter().map(|call| direct.call(call)).collect();
    drop(direct);
    // The first run fetches; the second has no network.
    for network in ["outbound", "none"] {
        let mut mimo = Mimo::start(folder.path(), &[&skill(&work, network)]);
        for (call, expected) in calls.iter().zip(&expected) {
            let answer = mimo.call("skill_call", "files", call);
            assert_eq!(
                &answer,
                expected,
                "{network} {}\n{}",
                call.tool,
                mimo.status()
            );
        }
        mimo.end();
    }
    let packages = fs::read_dir(folder.path().join("data/packages")).expect("a folder");
    let installed: Vec<_> = packages
        .map(|entry| entry.expect("a package").path().join("current.json"))
        .collect();
    assert!(
        installed.len() == 1 && installed[0].is_file(),
        "{installed:?}"
    );
}
