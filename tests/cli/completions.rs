//! Completion in shells, by the program that the script asks for each word.

use serde_json::json;

use crate::home::{Home, ran};

/// What bash would offer for the last of these words.
fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let mut command = home.command(&["--", "mimo"]);
    command
        .args(words)
        .env("HOME", home.path())
        .env("MIMO_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    let done = ran(command, "");
    assert_eq!(
        (done.code, &*done.err),
        (Some(0), ""),
        "{words:?}: {done:?}"
    );
    // Options are offered where a value may be left out.
    let values = done.out.lines().filter(|line| !line.starts_with('-'));
    values.map(str::to_owned).collect()
}

#[test]
fn names_and_ids_are_completed() {
    let home = Home::new();
    assert!(offered(&home, &["comp"]).contains(&"completions".to_owned()));
    assert!(offered(&home, &["setup", "claude-"]).contains(&"claude-code".to_owned()));
    // Completing makes nothing.
    assert_eq!(offered(&home, &["memory", "show", ""]), [""; 0]);
    assert!(!home.data().exists());

    let store = [
        "--project",
        "website",
        "memory_store",
        "content=The launch is in March",
    ];
    home.call(&store);
    let definition = json!({
        "name": "release", "version": "1", "initial_state": "done", "states": {"done": {"end": true}},
    });
    let file = home.file("release.json", &definition.to_string());
    let added = home.run(&["procedure", "add", &file.to_string_lossy()]);
    assert_eq!(added.code, Some(0), "{added:?}");
    assert_eq!(offered(&home, &["procedure", "run", "r"]), ["release"]);
    assert_eq!(offered(&home, &["memory", "show", ""]), ["1"]);
    assert_eq!(offered(&home, &["--project", "w"]), ["website"]);
    let generate = ["keys", "generate", "--name", "ci", "--projects"];
    let listed = |typed| offered(&home, &[&generate[..], &[typed]].concat());
    assert_eq!(listed("w"), ["website"]);
    assert_eq!(listed("global,w"), ["global,website"]);
    // A project that has not been used for long.
    let newer: Vec<_> = (0..60)
        .map(|n| json!({"content": format!("note {n}")}))
        .collect();
    let newer = format!("memories={}", json!(newer));
    home.call(&["memory_store", &newer]);
    assert_eq!(offered(&home, &["--project", "w"]), ["website"]);
    let tools = offered(&home, &["call", "memory_"]);
    assert!(tools.contains(&"memory_store".to_owned()), "{tools:?}");
    std::fs::create_dir_all(home.path().join("config")).expect("made");
    let skills = home.path().join("config/skills.json");
    std::fs::write(&skills, r#"{"mcpServers": {"files": {"command": "npx"}}}"#).expect("written");
    std::fs::set_permissions(&skills, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("a mode");
    assert_eq!(offered(&home, &["skill", "test", "f"]), ["files"]);
    // The folder that the words name, not the shell's.
    let other = home.path().join("other");
    let other = other.to_str().expect("UTF-8");
    assert_eq!(
        offered(&home, &["--data-dir", other, "memory", "show", ""]),
        [""; 0]
    );
}
