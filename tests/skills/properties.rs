//! Properties: no grammar lets a dangerous flag precede the package, and no
//! environment exceeds its allow-list.

use std::sync::OnceLock;

use mimo::skills::env;
use mimo::skills::manifest::{Manifest, check};
use proptest::prelude::*;
use serde_json::json;

use crate::support::fixture::Fixture;
use crate::support::random::property;

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(Fixture::new)
}

const STEERING: &[&str] = &[
    "-c",
    "-yc",
    "--call",
    "--cal=id",
    "--call=id",
    "--shell",
    "--script-shell=sh",
    "--node-options=-r",
    "-e",
    "-pe",
    "--eval",
    "-i",
    "-",
    "-v",
    "-iv/:/h",
    "--privileged=1",
    "--use-api-socket",
    "--mount=type=bind",
    "--entrypoint=sh",
    "--with",
    "--index-url=x",
    "-p",
    "--package=x",
    "--import=x",
    "-r",
    "--inspect",
    "-mtimeit",
    "--pid=host",
    "--prefix=x",
];

/// The arguments of each command, and the program it runs.
fn commands() -> Vec<(
    &'static str,
    Vec<&'static str>,
    Vec<&'static str>,
    &'static str,
)> {
    vec![
        ("npx", vec![], vec!["-y", "--yes", "-q", "--offline"], "a"),
        (
            "docker",
            vec!["run"],
            vec!["--rm", "-i", "--init", "--pull=never"],
            "a/b",
        ),
        ("uvx", vec![], vec!["-q", "--offline", "--isolated"], "a"),
        (
            "node",
            vec![],
            vec!["--no-warnings", "--enable-source-maps"],
            "/FIXTURE/home/server.js",
        ),
        (
            "python3",
            vec![],
            vec!["-u", "-B", "-I"],
            "/FIXTURE/home/server.js",
        ),
    ]
}

fn accepted(command: &str, arguments: &[String]) -> bool {
    let text = json!({"x": {"command": command, "args": arguments}}).to_string();
    check(fixture().fill(&text).as_bytes(), &fixture().generous())
        .and_then(Manifest::whole)
        .is_ok()
}

proptest! {
    #![proptest_config(property(300))]

    #[test]
    fn no_dangerous_option_precedes_the_package(
        which in 0..5_usize,
        picks in prop::collection::vec(0..8_usize, 0..5),
        flag in prop::sample::select(STEERING),
        at in 0..6_usize,
    ) {
        let (command, first, known, package) = commands().swap_remove(which);
        let mut argv: Vec<String> = first.iter().map(|each| (*each).to_owned()).collect();
        argv.extend(picks.iter().map(|pick| known[pick % known.len()].to_owned()));
        let mut healthy = argv.clone();
        healthy.push(package.to_owned());
        prop_assert!(accepted(command, &healthy), "{command} {healthy:?}");
        let mut steered = healthy.clone();
        steered.insert(first.len() + at.min(argv.len() - first.len()), flag.to_owned());
        // Docker accepts -i as its own option, and npx the package of a program.
        let own = [("docker", "-i"), ("npx", "--package=x")];
        if !own.contains(&(command, flag)) {
            prop_assert!(!accepted(command, &steered), "{command} {steered:?}");
        }
        // After the package, arguments belong to the server.
        healthy.push(flag.to_owned());
        prop_assert!(accepted(command, &healthy), "{command} {healthy:?}");
    }

    #[test]
    fn only_allowed_words_precede_the_package(
        which in 0..5_usize,
        flag in "-{1,2}[a-zA-Z][a-z-]{0,12}(=[a-z]{0,4})?",
    ) {
        let (command, first, known, package) = commands().swap_remove(which);
        let more = [
            "--quiet", "--prefer-offline", "--no-progress", "--interactive", "--no-deprecation",
            "-E", "-P", "-s",
        ];
        prop_assume!(!flag.starts_with("--package="));
        prop_assume!(!known.contains(&flag.as_str()) && !more.contains(&flag.as_str()));
        let mut argv: Vec<String> = first.iter().map(|each| (*each).to_owned()).collect();
        argv.extend([flag.clone(), package.to_owned()]);
        prop_assert!(!accepted(command, &argv), "{command} {argv:?}");
    }

    #[test]
    fn environment_is_a_subset_of_the_allow_list(
        entries in prop::collection::btree_map("[A-Za-z_0-9=-]{0,12}|LD_[A-Z]{1,6}|(?i)npm_config_[a-z]{1,8}", "[ -~]{0,20}", 0..6),
    ) {
        let text = json!({"x": {"command": "npx", "args": ["a"], "env": entries}}).to_string();
        let ours = ["PATH", "HOME", "TMPDIR", "TZ"];
        if let Ok(manifest) = check(text.as_bytes(), &fixture().strict()).and_then(Manifest::whole) {
            for (name, value) in &manifest.skills[0].spec.environment {
                let forced = name.starts_with("npm_config_");
                prop_assert!(
                    ours.contains(&name.as_str()) || forced || env::is_settable(name),
                    "{name}"
                );
                if !forced && !ours.contains(&name.as_str()) {
                    prop_assert_eq!(Some(value), entries.get(name));
                }
            }
            prop_assert!(entries.keys().all(|name| env::is_settable(name)));
        } else {
            let steers = entries.keys().any(|name| !env::is_settable(name));
            let secret = entries.values().any(|value| value.contains("${"));
            prop_assert!(steers || secret, "{entries:?}");
        }
    }
}
