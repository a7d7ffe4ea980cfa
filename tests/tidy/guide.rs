//! README and guide against the tree: their tables, settings, links and paths.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{read, root, tables};

/// The README introduces; the guide is the reference.
const README_LINES: usize = 160;

/// README, changelog and the pages of the guide.
fn pages() -> Vec<PathBuf> {
    let guide = std::fs::read_dir(root().join("install/guide")).expect("the guide");
    let guide = guide.map(|entry| entry.expect("an entry").path());
    let guide = guide.filter(|path| path.is_file());
    let others = ["README.md", "install/README.md", "install/CHANGELOG.md"];
    guide.chain(others.map(|page| root().join(page))).collect()
}

#[test]
fn readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(
        lines <= README_LINES,
        "README.md has {lines} lines: move the reference to install/guide"
    );
}

#[test]
fn protocol_page_lists_tools_and_profiles_as_in_their_schemas() {
    let page = read("install/guide/protocol.md");
    for (name, table) in [("tools", tables::tools()), ("profiles", tables::profiles())] {
        let begin = format!("<!-- {name}: begin -->\n");
        let listed = page
            .split_once(&begin)
            .and_then(|(_, after)| after.split_once(&format!("<!-- {name}: end -->")))
            .map(|(table, _)| table);
        assert!(
            listed == Some(table.as_str()),
            "put this between the markers of install/guide/protocol.md for the {name}:\n{table}"
        );
    }
}

/// The default and the path of each setting of the schema, as dotted keys.
fn defaults(prefix: &str, schema: &Value, found: &mut Vec<(String, Option<Value>)>) {
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}/{key}");
        match schema.get("properties") {
            Some(_) => defaults(&path, schema, found),
            None => found.push((path, schema.get("default").cloned())),
        }
    }
}

#[test]
fn settings_page_shows_every_key_with_its_default() {
    let schema = serde_json::from_str(&read("schemas/config.schema.json")).expect("JSON");
    let page = read("install/guide/settings.md");
    let block = page
        .split_once("```toml\n")
        .and_then(|(_, after)| after.split_once("```"))
        .expect("the settings");
    let shown: Value = toml::from_str(&block.0.replace("\n# ", "\n")).expect("TOML");
    let mut keys = Vec::new();
    defaults("", &schema, &mut keys);
    for (path, default) in keys {
        let shown = shown.pointer(&path);
        assert!(shown.is_some(), "settings.md does not show {path}");
        if let Some(default) = default {
            assert_eq!(shown, Some(&default), "the default of {path}");
        }
    }
}

#[test]
fn links_and_named_paths_exist() {
    let mut missing = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page");
        let folder = page.parent().expect("a folder");
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let links = links.filter(|link| !link.contains("://"));
        let links = links.filter_map(|link| link.split('#').next());
        let quoted = text.split('`').skip(1).step_by(2);
        let paths = quoted.filter(|text| {
            let tops = ["src/", "tests/", "schemas/", "install/", "benches/"];
            tops.iter().any(|top| text.starts_with(top)) && !text.contains([' ', '*'])
        });
        let targets = links
            .map(|link| folder.join(link))
            .chain(paths.map(|path| root().join(path)));
        let absent = targets.filter(|target| !Path::exists(target));
        missing.extend(absent.map(|target| format!("{}: {}", page.display(), target.display())));
    }
    assert!(missing.is_empty(), "no such file:\n{}", missing.join("\n"));
}
