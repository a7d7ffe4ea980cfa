//! `mimo skill update` against a registry on loopback, which gets a second version.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::registry::{self, Registry};
use crate::support::{fixture, server};

const PACKAGE: &str = "mimo-fixture";

#[test]
fn update_shows_which_tools_changed() {
    skip_unless!(registry::npm());
    let folder = fixture::trusted_dir();
    let registry = Registry::serve();
    let config = folder.path().join("config");
    fs::create_dir_all(&config).expect("made");
    let file = config.join("skills.json");
    let entry = json!({"command": "npx", "args": ["-y", PACKAGE]});
    fs::write(&file, json!({"skills": {"f": entry}}).to_string()).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    let update = || -> Value {
        let mut command = server::mimo(folder.path());
        command.args(["skill", "update", "--json"]);
        command.env("npm_config_registry", registry.address());
        let ran = command.output().expect("mimo starts");
        let printed: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
        printed["skills"][0].clone()
    };
    let publish = |version: &str, tools: &[(&str, &str)]| {
        let tool = |(name, about): &(&str, &str)| json!({"name": name, "description": about});
        let tools: Vec<Value> = tools.iter().map(tool).collect();
        let script = registry::server(&json!(tools).to_string());
        let source = folder.path().join("source");
        registry.publish(&source, PACKAGE, version, &[("x.js", &script)], json!({}));
    };
    publish("1.0.0", &[("same", "a"), ("other", "a"), ("gone", "a")]);
    let first = update();
    assert_eq!(first["version"], "1.0.0", "{first}");
    assert!(
        first["before"].is_null() && first["tools"].is_null(),
        "{first}"
    );
    assert!(update()["tools"].is_null(), "the same version");
    publish("2.0.0", &[("new", "a"), ("other", "b"), ("same", "a")]);
    let second = update();
    assert_eq!(
        (&second["before"], &second["version"]),
        (&json!("1.0.0"), &json!("2.0.0")),
        "{second}"
    );
    let expected = json!({"added": ["new"], "removed": ["gone"], "changed": ["other"]});
    assert_eq!(second["tools"], expected, "{second}");
}
