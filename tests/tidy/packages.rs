//! The files of packages agree with Cargo.toml and with each other.

use std::collections::BTreeSet;

use serde_json::Value;

use super::read;

fn json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_package_file_has_the_version_of_cargo() {
    let version = env!("CARGO_PKG_VERSION");
    for file in [
        ".claude-plugin/plugin.json",
        ".codex-plugin/plugin.json",
        "gemini-extension.json",
    ] {
        let file = format!("install/packages/plugin/{file}");
        assert_eq!(json(&file)["version"], version, "{file}");
    }
    // The others get it from the release script, so a version in them would be a second.
    for file in ["manifest.json", "server.json"] {
        let file = format!("install/packages/{file}");
        assert_eq!(json(&file)["version"], Value::Null, "{file}");
    }
    let changelog = read("install/CHANGELOG.md");
    let newest = changelog.lines().find(|line| line.starts_with("## ["));
    let newest = newest.expect("a section");
    let begin = format!("## [{version}]");
    assert!(newest.starts_with(&begin), "{newest} is not of {version}");
}

#[test]
fn clients_start_the_same_server() {
    let gemini = json("install/packages/plugin/gemini-extension.json");
    let others = json("install/packages/plugin/.mcp.json");
    assert_eq!(gemini["mcpServers"], others["mcpServers"]);
}

#[test]
fn workflow_builds_every_target_that_is_published() {
    let targets = |name: &str, begin: &str| -> BTreeSet<String> {
        let text = read(name);
        let lines = text.lines().map(str::trim_start);
        let rests = lines.filter_map(|line| line.strip_prefix(begin));
        let words = rests.filter_map(|rest| rest.split(['"', ',']).next());
        words.map(str::to_owned).collect()
    };
    let mut known = targets("install/packages/release.py", "\"");
    // Programs for glibc run on the machines that resemble the builder's.
    let published = ["-musl", "-darwin", "-windows-gnu"];
    known.retain(|target| published.iter().any(|end| target.ends_with(end)));
    let built = targets(".github/workflows/release.yml", "- { target: ");
    assert_eq!(built, known);
    assert_eq!(built.len(), 5);
}
