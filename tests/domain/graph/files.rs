//! Graph export and import through the command line.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs `mimo` on the folders in `home`; its stdout.
fn run(home: &Path, arguments: &[&str], stdin: Option<&str>) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
    crate::support::server::on(&mut command, home);
    command.args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("its input");
    std::io::Write::write_all(&mut input, stdin.unwrap_or_default().as_bytes()).expect("it reads");
    drop(input);
    let done = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match done.status.success() {
        true => Ok(text(&done.stdout)),
        false => Err(text(&done.stderr)),
    }
}

fn update(home: &Path, arguments: Value) -> Value {
    let out = run(
        home,
        &["call", "graph_update", &arguments.to_string()],
        None,
    );
    serde_json::from_str(&out.expect("updated")).expect("JSON")
}

/// History, aliases, confidences, sources, ends, awkward names.
fn filled() -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    let triple = |s: &str, p: &str, o: &str| json!({"subject": s, "predicate": p, "object": o});
    let triples = [
        json!({"subject": "person:O'Brien \"the <b>\"", "predicate": "works_at", "object": "company:acme", "confidence": 0.75}),
        triple("company:acme", "located_in", "city:東京"),
        triple("company:acme", "alias", "Acme & Sons"),
        json!({"subject": "company:acme", "predicate": "owns", "object": "patent 12", "valid_from": "2020-01-01", "valid_until": "2021-06-30"}),
    ];
    update(
        home.path(),
        json!({"assert": triples, "source": "the handbook"}),
    );
    update(
        home.path(),
        json!({"assert": [triple("here", "is", "there")], "project": "site"}),
    );
    update(home.path(), json!({"retract": [2]}));
    update(
        home.path(),
        json!({"assert": [triple("company:acme", "located_in", "city:東京")]}),
    );
    home
}

fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn export_imports_completely_and_only_once() {
    let home = filled();
    let exported = run(home.path(), &["graph", "export", "--all"], None).expect("exported");
    assert_eq!(
        exported
            .lines()
            .filter(|line| line.contains("\"triple\""))
            .count(),
        5
    );
    let other = tempfile::tempdir().expect("a folder");
    let import = |text: &str| {
        let out = run(
            other.path(),
            &["--json", "graph", "import", "-"],
            Some(text),
        );
        serde_json::from_str::<Value>(&out.expect("imported")).expect("JSON")
    };
    let first = import(&exported);
    assert_eq!(
        (&first["created"], &first["unchanged"]),
        (&json!(5), &json!(0)),
        "{first}"
    );
    let second = import(&exported);
    assert_eq!(
        (&second["created"], &second["unchanged"]),
        (&json!(0), &json!(5)),
        "{second}"
    );
    let again = run(other.path(), &["graph", "export", "--all"], None).expect("exported");
    assert_eq!(sorted(&again), sorted(&exported));
    // Without --all other projects' triples are not exported.
    let own = run(home.path(), &["graph", "export"], None).expect("exported");
    assert!(!own.contains("thing:there") && own.contains("company:acme"));
}

#[test]
fn both_forms_of_the_official_servers_file_import() {
    let lines = [
        json!({"type": "entity", "name": "Ada: the first", "entityType": "Person", "observations": ["wrote notes", "liked maths"]}),
        json!({"type": "entity", "name": "Analytical Engine", "entityType": "machine part", "observations": []}),
        json!({"type": "entity", "name": "alone", "entityType": "concept", "observations": []}),
        json!({"type": "relation", "from": "Ada: the first", "to": "Analytical Engine", "relationType": "programmed"}),
    ];
    let as_lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let whole = format!(
        "{:#}",
        json!({"entities": lines[..3], "relations": lines[3..]})
    );
    for text in [as_lines, whole] {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("memory.jsonl");
        std::fs::write(&file, text).expect("a file");
        let file = file.to_string_lossy();
        let out = run(home.path(), &["--json", "graph", "import", &file], None).expect("imported");
        let out: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(
            (&out["created"], &out["observations"]),
            (&json!(1), &json!(2)),
            "{out}"
        );
        let asked = json!({"start": "ada the first"}).to_string();
        let found = run(home.path(), &["call", "graph_query", &asked], None).expect("found");
        let found: Value = serde_json::from_str(&found).expect("JSON");
        let path = &found["paths"][0];
        let ends = ["person:ada:_the_first", "machine_part:analytical_engine"];
        assert_eq!(path["entities"], json!(ends), "{found}");
        let alone = json!({"start": "concept:alone"}).to_string();
        run(home.path(), &["call", "graph_query", &alone], None).expect("it is known");
    }
}

#[test]
fn bad_line_is_named_and_the_others_come_in() {
    let home = tempfile::tempdir().expect("a folder");
    let good = r#"{"type":"relation","from":"a1","to":"b1","relationType":"r"}"#;
    for (bad, says) in [
        ("{", "line 2: this is not JSON"),
        (
            r#"{"type":"nonsense"}"#,
            "line 2: this is not a line of a graph",
        ),
        (
            r#"{"type":"relation","from":"a","relationType":"r"}"#,
            "line 2: the relation has no to",
        ),
    ] {
        let file = home.path().join("graph.jsonl");
        std::fs::write(&file, format!("{good}\n{bad}\n{good}\n")).expect("a file");
        let file = file.to_string_lossy();
        let strict = ["graph", "import", "--strict", &file];
        let failed = run(home.path(), &strict, None).expect_err(bad);
        assert!(failed.contains(says), "{failed}");
        let come = run(home.path(), &["--json", "graph", "import", &file], None).expect("the rest");
        let come: Value = serde_json::from_str(&come).expect("JSON");
        assert_eq!(
            (&come["lines"], &come["skipped"]),
            (&json!(2), &json!(1)),
            "{come}"
        );
    }
    let failed = run(home.path(), &["graph", "import", "/nowhere/at.all"], None).expect_err("none");
    assert!(failed.contains("cannot be read"), "{failed}");
}

#[test]
fn diagrams_show_current_facts() {
    let home = filled();
    let export = |format: &str| {
        run(home.path(), &["graph", "export", "--format", format], None).expect("exported")
    };
    let mermaid = export("mermaid");
    assert!(mermaid.starts_with("flowchart LR\n"), "{mermaid}");
    assert!(
        mermaid.contains("-->|\"works_at\"|") && !mermaid.contains("owns"),
        "{mermaid}"
    );
    let graphml = export("graphml");
    assert_eq!(graphml.matches("<edge ").count(), 2, "{graphml}");
    assert!(
        graphml.contains("O'Brien &quot;the &lt;b&gt;&quot;"),
        "{graphml}"
    );

    let file = home.path().join("graph.html");
    let shown = file.to_string_lossy().into_owned();
    let told = run(
        home.path(),
        &["graph", "export", "--format", "html", "-o", &shown],
        None,
    );
    assert!(told.expect("exported").starts_with("2 triples in "));
    let page = std::fs::read_to_string(&file).expect("the page");
    let data = page
        .split("id=\"data\">")
        .nth(1)
        .and_then(|rest| rest.split("</script>").next());
    let data: Value = serde_json::from_str(data.expect("data")).expect("JSON");
    assert_eq!(data["arrows"].as_array().map(Vec::len), Some(2));
    assert_eq!(data["names"]["city:東京"], "東京");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&file)
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
