//! `mimo skill` through the real binary.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::fixture::Fixture;

#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs `mimo skill ..` in the fixture.
pub fn mimo(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(fixture, &[&["skill"], arguments].concat())
}

/// Runs `mimo ..` in the fixture, whose commands are trusted.
pub fn run(fixture: &Fixture, arguments: &[&str]) -> Ran {
    let bin = fixture.path("bin");
    let settings = format!(
        "[skills]\ncommands = [\"npx\", \"{0}/server\"]\npath = [\"{0}\"]\n",
        bin.display()
    );
    std::fs::write(fixture.path("config/config.toml"), settings).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_mimo"))
        .args(arguments)
        .current_dir(fixture.path("home/work"))
        .env_clear()
        .env("HOME", fixture.path("home"))
        .env("MIMO_CONFIG_DIR", fixture.path("config"))
        .env("MIMO_DATA_DIR", fixture.path("data"))
        .env("GITHUB_TOKEN", "hunter2")
        .stdin(Stdio::null())
        .output()
        .expect("mimo starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

pub fn server(fixture: &Fixture) -> String {
    fixture.path("bin/server").display().to_string()
}

#[test]
fn add_list_and_remove_keep_file_mode_and_formatting() {
    let fixture = Fixture::new();
    let manifest = fixture.path("config/skills.json");
    let server = server(&fixture);
    let listed = mimo(&fixture, &["list"]);
    assert!(
        listed.code == Some(0) && listed.out.contains("has no skills"),
        "{}",
        listed.out
    );

    let env = "KEY=Bearer ${GITHUB_TOKEN}";
    let added = mimo(
        &fixture,
        &[
            "add",
            "one",
            "--env",
            env,
            "--read",
            "~/work",
            "--network",
            "outbound",
            "--",
            &server,
            "-x",
        ],
    );
    assert_eq!((added.code, added.err.as_str()), (Some(0), ""));
    let text = std::fs::read_to_string(&manifest).expect("a file");
    assert!(
        text.contains("Bearer ${GITHUB_TOKEN}") && !text.contains("hunter2"),
        "{text}"
    );
    assert!(text.find("\"command\"") < text.find("\"args\""), "{text}");
    let mode = manifest.metadata().expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let listed = mimo(&fixture, &["list"]);
    for part in ["one", "outbound", "512 MB", "$KEY", "home/work"] {
        assert!(listed.out.contains(part), "{part}: {}", listed.out);
    }
    let as_json = mimo(&fixture, &["list", "--json"]);
    let document: Value = serde_json::from_str(&as_json.out).expect("JSON");
    assert_eq!(document["skills"][0]["network"], "outbound");
    assert!(!format!("{}{}", listed.out, as_json.out).contains("hunter2"));

    let again = mimo(&fixture, &["add", "one", "--", &server]);
    assert!(
        again.code == Some(1) && again.err.contains("already"),
        "{}",
        again.err
    );
    assert_eq!(
        std::fs::read_to_string(&manifest).expect("a file"),
        text,
        "unchanged"
    );

    let theirs = json!({"mcpServers": {"zeta": {"command": server}, "alpha": {"command": server}}});
    std::fs::write(&manifest, theirs.to_string()).expect("a file");
    assert_eq!(
        mimo(&fixture, &["add", "mid", "--eager", "--", &server]).code,
        Some(0)
    );
    assert_eq!(mimo(&fixture, &["remove", "alpha"]).code, Some(0));
    let text = std::fs::read_to_string(&manifest).expect("a file");
    let kept: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(kept["mcpServers"]["mid"]["start"], "eager");
    assert!(kept["mcpServers"].get("alpha").is_none() && kept.get("skills").is_none());
    assert!(
        text.find("zeta") < text.find("mid"),
        "in the person's order: {text}"
    );
    let gone = mimo(&fixture, &["remove", "alpha"]);
    assert!(
        gone.code == Some(1) && gone.err.contains("zeta, mid"),
        "{}",
        gone.err
    );
    let left: Vec<_> = std::fs::read_dir(fixture.path("config"))
        .expect("a folder")
        .collect();
    assert_eq!(left.len(), 2, "no half-written file stays: {left:?}");
}

#[test]
fn unrunnable_skill_is_not_added() {
    let fixture = Fixture::new();
    for (arguments, place) in [
        (
            &["add", "x", "--", "bash", "-c", "id"][..],
            "/skills/x/command",
        ),
        (&["add", "x", "--", "npx", "-c", "id"], "/skills/x/args/0"),
        (
            &["add", "x", "--env", "LD_PRELOAD=a", "--", "npx", "a"],
            "/skills/x/env/LD_PRELOAD",
        ),
        (
            &["add", "x", "--write", "/etc", "--", "npx", "a"],
            "/skills/x/sandbox/fs/write/0",
        ),
        (&["add", "__", "--", "npx", "a"], "/skills/__"),
    ] {
        let refused = mimo(&fixture, arguments);
        assert_eq!(refused.code, Some(1), "{arguments:?}: {}", refused.err);
        assert!(
            refused.err.contains(place),
            "{arguments:?}: {}",
            refused.err
        );
        assert!(refused.err.contains("  next: "), "{}", refused.err);
        assert!(!fixture.path("config/skills.json").exists());
    }
    assert_eq!(
        mimo(&fixture, &["add", "x", "--env", "A", "--", "npx"]).code,
        Some(2)
    );
    assert_eq!(mimo(&fixture, &["add", "x"]).code, Some(2));
}

#[test]
fn check_reports_every_mistake_at_once() {
    let fixture = Fixture::new();
    let file = fixture.path("home/mcp.json");
    let path = file.display().to_string();
    let entry =
        |command: &str| json!({"command": command, "args": ["-c", "${HOME}"], "arguments": "/"});
    let text = json!({"mcpServers": {"a": entry("npx"), "b": {"command": "bash"}}}).to_string();
    std::fs::write(&file, text).expect("a file");
    let checked = mimo(&fixture, &["check", &path]);
    assert_eq!((checked.code, checked.out.as_str()), (Some(1), ""));
    for part in [
        &path,
        "2 mistakes",
        "/mcpServers/a/arguments",
        "/mcpServers/b/command",
        "  next: ",
    ] {
        assert!(checked.err.contains(part), "{part}: {}", checked.err);
    }
    let checked = mimo(&fixture, &["check", "--json", &path]);
    let document: Value = serde_json::from_str(&checked.out).expect("JSON");
    assert_eq!((checked.code, checked.err.as_str()), (Some(1), ""));
    assert_eq!(document["ok"], false);
    assert_eq!(document["errors"][0]["path"], "/mcpServers/a/arguments");
    assert_eq!(document["errors"][1]["class"], "command");

    std::fs::write(
        &file,
        json!({"a": {"command": server(&fixture)}}).to_string(),
    )
    .expect("a file");
    let checked = mimo(&fixture, &["check", &path]);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
    assert!(checked.out.starts_with("skill "), "{}", checked.out);
    let none = mimo(&fixture, &["check", "/none.json"]);
    assert!(
        none.code == Some(1) && none.err.contains("no file"),
        "{}",
        none.err
    );
}
