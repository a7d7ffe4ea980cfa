//! The files for operators against the metrics that exist: alert rules, dashboard,
//! and the guide's page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::{read, root, rust_files};

/// Name, type and help of each metric, in the order they are rendered.
fn metrics() -> Vec<(String, String, String)> {
    let text = mimo::meter::render();
    let split = |line: &str| {
        let (name, rest) = line.split_once(' ').expect("a name and more");
        (name.to_owned(), rest.to_owned())
    };
    let of = |kind: &str| {
        let prefix = format!("# {kind} ");
        let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        lines.map(split).collect::<Vec<_>>()
    };
    let types: BTreeMap<_, _> = of("TYPE").into_iter().collect();
    let helped = of("HELP").into_iter();
    helped
        .map(|(name, help)| (name.clone(), types[&name].clone(), help))
        .collect()
}

/// The words in `text` that begin with `mimo_`.
fn named(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_word(c))
        .filter(|word| word.starts_with("mimo_"))
        .map(str::to_owned)
        .collect()
}

/// Those of `names` that are no metric's, nor a part of a histogram's.
fn unknown(names: BTreeSet<String>) -> Vec<String> {
    let mut series = BTreeSet::new();
    for (name, kind, _) in metrics() {
        match kind.as_str() {
            "histogram" => {
                series.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
            }
            _ => drop(series.insert(name)),
        }
    }
    names.difference(&series).cloned().collect()
}

/// The expressions of the dashboard's panels.
fn expressions() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(&read("install/monitoring/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets
        .map(|target| target["expr"].as_str().expect("an expression").to_owned())
        .collect()
}

/// The alerts of the rules.
fn alerts() -> Vec<String> {
    let rules = read("install/monitoring/rules.yml");
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    alerts.map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboard_name_metrics_that_exist() {
    let rules = named(&read("install/monitoring/rules.yml"));
    assert!(!rules.is_empty());
    assert_eq!(unknown(rules), [""; 0]);
    let expressions = expressions();
    assert!(expressions.iter().all(|each| !named(each).is_empty()));
    assert_eq!(unknown(named(&expressions.join(" "))), [""; 0]);
}

#[test]
fn dashboard_shows_every_metric() {
    let shown = named(&expressions().join(" "));
    let is_shown = |name: &str| shown.iter().any(|each| each.starts_with(name));
    let missing: Vec<String> = metrics()
        .into_iter()
        .map(|(name, ..)| name)
        .filter(|name| !is_shown(name))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn each_alert_has_tests_of_both_outcomes_and_a_section_in_the_guide() {
    let (tests, page) = (
        read("install/monitoring/rules_test.yml"),
        read("install/guide/monitoring.md"),
    );
    for alert in alerts() {
        for outcome in ["fires", "does not fire"] {
            let test = format!("- name: {alert} {outcome}\n");
            assert!(tests.contains(&test), "no test: {alert} {outcome}");
        }
        let row = format!("\n| `{alert}` |");
        assert!(
            page.contains(&row),
            "install/guide/monitoring.md lacks {alert}"
        );
    }
}

/// A metric that no test names could stay at zero unnoticed.
#[test]
fn each_metric_is_named_by_a_test() {
    let files = ["src", "tests"].map(|folder| rust_files(&root().join(folder)));
    let is_test = |path: &&PathBuf| {
        let path = path.strip_prefix(root()).expect("below it");
        !path.starts_with("src/meter") && !path.starts_with("tests/tidy")
    };
    let texts = files.iter().flatten().filter(is_test).map(|path| {
        std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    });
    let tested = named(&texts.collect::<String>());
    let is_tested = |name: &String| tested.iter().any(|each| each.starts_with(name.as_str()));
    let names = metrics().into_iter().map(|(name, ..)| name);
    let missing: Vec<String> = names.filter(|name| !is_tested(name)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn monitoring_page_lists_the_metrics_as_they_are_rendered() {
    let mut table = String::from("| metric | type | what it is |\n| --- | --- | --- |\n");
    for (name, kind, help) in metrics() {
        table.push_str(&format!("| `{name}` | {kind} | {help} |\n"));
    }
    let page = read("install/guide/monitoring.md");
    let listed = page
        .split_once("<!-- metrics: begin -->\n")
        .and_then(|(_, after)| after.split_once("<!-- metrics: end -->"))
        .map(|(table, _)| table);
    assert!(
        listed == Some(table.as_str()),
        "put this between the markers of install/guide/monitoring.md:\n{table}"
    );
    assert!(root().join("install/monitoring/prometheus.yml").exists());
}
