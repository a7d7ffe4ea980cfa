//! Installs of npx entries that are disturbed: by another Mimo, by SIGKILL, by a
//! registry that is away, and by a package that does not exist.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::machine::{self, Found};
use crate::support::server::{self, ask};
use crate::support::{Server, fixture};

const PACKAGE: &str = "@modelcontextprotocol/server-memory";
/// Nobody listens on this port.
const CLOSED: &str = "http://127.0.0.1:9/";
/// A watchdog: with a cold cache and two cores an install takes a minute.
const BOUND: Duration = Duration::from_secs(300);

fn npm() -> Found<()> {
    machine::node()?;
    machine::program("npm")
}

struct World(TempDir);

impl World {
    /// With an entry for each name and package.
    fn new(entries: &[(&str, &str)]) -> World {
        let world = World(fixture::trusted_dir());
        world.manifest(entries, &json!({}));
        world
    }

    fn manifest(&self, entries: &[(&str, &str)], sandbox: &Value) {
        let entry = |package: &str| json!({"command": "npx", "args": ["-y", package], "sandbox": sandbox, "start": "eager"});
        let skills = entries
            .iter()
            .map(|(name, package)| (*name, entry(package)));
        let skills: std::collections::BTreeMap<_, _> = skills.collect();
        let config = self.0.path().join("config");
        fs::create_dir_all(&config).expect("made");
        let file = config.join("skills.json");
        fs::write(&file, json!({ "skills": skills }).to_string()).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    }

    /// A Mimo with the registry of this machine, or with another one.
    fn serve(&self, registry: Option<&str>) -> Server {
        let mut command = server::mimo(self.0.path());
        command
            .envs(machine::fetching())
            .envs(registry.map(|registry| ("npm_config_registry", registry)));
        let mut mimo = Server::of(&mut command);
        server::initialize(&mut mimo);
        mimo
    }

    /// The folders of trees and of installs under way, below the packages' own.
    fn trees(&self) -> Vec<PathBuf> {
        let inside = |folder: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let paths = entries.map(|entry| entry.path());
            paths.filter(|path| path.is_dir()).collect()
        };
        let packages = inside(&self.0.path().join("data/packages"));
        packages.iter().flat_map(|folder| inside(folder)).collect()
    }

    /// The one tree that is installed; nothing else is left beside it.
    fn tree(&self) -> PathBuf {
        let trees = self.trees();
        assert!(trees.len() == 1 && !is_partial(&trees[0]), "{trees:?}");
        trees[0].clone()
    }
}

fn is_partial(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("partial-"))
}

fn until(mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < BOUND, "it does not come to that");
        // The interval of polling, not a bound.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn skill(mimo: &mut Server, name: &str) -> Value {
    let status = ask(mimo, "mimo_status", json!({})).good();
    let skills = status["skills"].as_array().expect("skills").iter();
    let mut found = skills.filter(|skill| skill["name"] == name);
    found.next().expect("the skill").clone()
}

/// Waits until the skill runs, and calls it.
fn serves(mimo: &mut Server) {
    let mut last = Value::Null;
    until(|| {
        last = skill(mimo, "graph");
        assert!(last["ended"].is_null(), "{last}");
        last["tools"].as_u64() > Some(0)
    });
    let call = json!({"tool": "graph__read_graph", "arguments": {}});
    mimo.call("graph", "skill_call", call);
    let answer = mimo.message();
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str();
    assert!(text.expect("a text").contains("entities"), "{answer}");
}

/// Waits until the skill has ended with these words, which a call repeats.
fn fails(mimo: &mut Server, name: &str, words: &str) {
    let mut ended = String::new();
    until(|| {
        let skill = skill(mimo, name);
        ended = skill["ended"].as_str().unwrap_or_default().to_owned();
        !ended.is_empty()
    });
    assert!(ended.contains(words), "{ended}");
    let call = json!({"tool": format!("{name}__any"), "arguments": {}});
    let error = ask(mimo, "skill_call", call).bad();
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(words), "{error}");
}

#[test]
fn one_of_two_mimos_installs_and_both_serve() {
    skip_unless!(npm());
    let world = World::new(&[("graph", PACKAGE)]);
    let mut both = [world.serve(None), world.serve(None)];
    both.iter_mut().for_each(serves);
    world.tree();
    for mimo in both {
        assert!(mimo.exit().success());
    }
}

/// A client that leaves while another Mimo installs is not kept waiting.
#[test]
fn mimo_that_waits_for_the_install_of_another_ends() {
    skip_unless!(npm());
    let world = World::new(&[("graph", PACKAGE)]);
    let mut first = world.serve(None);
    until(|| world.trees().iter().any(|tree| is_partial(tree)));
    first.signal(Signal::SIGSTOP);
    let mut second = world.serve(None);
    until(|| skill(&mut second, "graph")["installing"].is_string());
    assert!(second.exit().success());
    assert!(world.trees().iter().all(|tree| is_partial(tree)));
    first.signal(Signal::SIGCONT);
    serves(&mut first);
    assert!(first.exit().success());
}

#[test]
fn install_that_was_killed_is_made_anew_and_then_needs_no_network() {
    skip_unless!(npm());
    let world = World::new(&[("graph", PACKAGE)]);
    let mut mimo = world.serve(None);
    until(|| world.trees().iter().any(|tree| is_partial(tree)));
    mimo.signal(Signal::SIGKILL);
    mimo.exit_by_itself();
    // What is not named by `current.json` is never run.
    assert!(world.trees().iter().all(|tree| is_partial(tree)));
    let mut mimo = world.serve(None);
    serves(&mut mimo);
    assert!(mimo.exit().success());
    let tree = world.tree();

    world.manifest(&[("graph", PACKAGE)], &json!({"network": "none"}));
    let mut mimo = world.serve(Some(CLOSED));
    serves(&mut mimo);
    assert!(mimo.exit().success());
    assert_eq!(world.tree(), tree, "it runs what is on disk");
}

#[test]
fn failed_install_says_why() {
    skip_unless!(npm());
    let version = format!("{PACKAGE}@0.0.1-none");
    let entries = [
        ("name", "@modelcontextprotocol/server-memory-of-no-one"),
        ("version", version.as_str()),
    ];
    let world = World::new(&entries);
    let mut mimo = world.serve(None);
    fails(
        &mut mimo,
        "name",
        "is not in the registry, or something that it needs is not",
    );
    fails(&mut mimo, "version", "has no such version");
    assert!(mimo.exit().success());

    let world = World::new(&[("graph", PACKAGE)]);
    let mut mimo = world.serve(Some(CLOSED));
    let words = "cannot be fetched: there is no network to its registry";
    fails(&mut mimo, "graph", words);
    assert!(mimo.exit().success());
}
