//! Several clients at once, and what of the shell goes into an entry.

use serde_json::{Value, json};

use super::{Account, read};
use crate::home::{MIMO, ran};

#[test]
fn several_clients_are_set_up_at_once() {
    let account = Account::new();
    let done = account.json(&["claude-code", "cursor", "goose"]);
    assert_eq!(done["ok"], true, "{done}");
    let names = |done: &Value| -> Vec<String> {
        let clients = done["clients"].as_array().expect("clients").iter();
        clients
            .map(|each| each["client"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(&done), ["claude-code", "cursor", "goose"]);
    for file in [
        ".claude.json",
        ".cursor/mcp.json",
        ".config/goose/config.yaml",
    ] {
        assert!(read(&account.path().join(file)).contains(MIMO), "{file}");
    }
    // One that fails does not stop the others, and the exit code says that it failed.
    account.put(".codex/config.toml", "= 1\n");
    let tried = account.setup(&["codex", "zed", "--json"]);
    assert_eq!(tried.code, Some(1), "{tried:?}");
    let tried = tried.json();
    assert_eq!(tried["ok"], false);
    assert_eq!(tried["clients"][0]["ok"], false);
    assert_eq!(tried["clients"][1]["changed"], true);
    let shown = account.setup(&["codex", "zed"]);
    assert!(
        shown.out.contains("Mimo is not set up in Codex: "),
        "{}",
        shown.out
    );
    assert!(shown.out.contains("config.toml:1:1"), "{}", shown.out);
    assert!(shown.out.contains("set up in Zed already"), "{}", shown.out);
}

#[test]
fn all_means_the_clients_of_this_account() {
    let account = Account::new();
    let none = account.setup(&["--all"]);
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.err.contains("none of the clients"), "{}", none.err);
    account.put(".cursor/argv.json", "{}");
    account.put(".claude/settings.json", "{}");
    account.put(".continue/config.yaml", "name: a\nversion: 1.0.0\n");
    let done = account.json(&["--all"]);
    let clients = done["clients"].as_array().expect("clients").iter();
    let names: Vec<&str> = clients.filter_map(|each| each["client"].as_str()).collect();
    assert_eq!(names, ["claude-code", "cursor", "continue"]);
    // Only where Mimo is does anything change.
    account.put(".codex/config.toml", "model = 'x'\n");
    let removed = account.json(&["--all", "--remove"]);
    let clients = removed["clients"].as_array().expect("clients");
    assert_eq!(clients.len(), 3, "{removed}");
    assert!(
        clients.iter().all(|each| each["changed"] == true),
        "{removed}"
    );
    let none = account.setup(&["--all", "--remove"]);
    assert!(none.err.contains("in no client's settings"), "{}", none.err);
}

#[test]
fn what_the_shell_says_goes_into_the_entry() {
    let account = Account::new();
    for (client, file, key) in [
        ("cursor", ".cursor/mcp.json", "env"),
        ("opencode", ".config/opencode/opencode.json", "environment"),
        ("codex", ".codex/config.toml", "env"),
    ] {
        let mut command = account.command(MIMO.as_ref(), &[client, "--json"]);
        command
            .env("MIMO_DATA_DIR", "../data")
            .env("MIMO_PROJECT", "site");
        let done = ran(command, "").json();
        let said =
            json!({"MIMO_DATA_DIR": account.path().join("work/../data"), "MIMO_PROJECT": "site"});
        assert_eq!(done["entry"]["env"], said, "{done}");
        let text = read(&account.path().join(file));
        let written: Value = match client {
            "codex" => toml::from_str(&text).expect("TOML"),
            _ => serde_json::from_str(&text).expect("JSON"),
        };
        let servers = ["mcpServers", "mcp", "mcp_servers"];
        let entry = servers
            .iter()
            .find_map(|servers| written.get(servers)?.get("mimo"));
        assert_eq!(entry.expect("an entry")[key], said, "{text}");
    }
    // An option says it better, and a secret stays where it is.
    let mut command = account.command(MIMO.as_ref(), &["zed", "--data-dir", "/d", "--json"]);
    command
        .env("MIMO_DATA_DIR", "/other")
        .env("DB_PATH", "/other/mimo.db")
        .env("MIMO_DATABASE_URL", "postgres://me:hunter2@db.example/mimo");
    let done = ran(command, "").json();
    assert_eq!(
        done["entry"],
        json!({"command": MIMO, "args": ["--data-dir", "/d"]})
    );
    let warning = done["warning"].as_str().expect("a warning");
    assert!(
        warning.contains("MIMO_DATABASE_URL") && warning.contains("Zed"),
        "{warning}"
    );
    assert!(!done.to_string().contains("hunter2"), "{done}");
    let shown = account
        .command(MIMO.as_ref(), &["windsurf"])
        .env("MIMO_PROFILE", "core")
        .output();
    let shown = String::from_utf8(shown.expect("it runs").stdout).expect("UTF-8");
    assert!(
        shown.contains("with:   MIMO_PROFILE=core, from this shell"),
        "{shown}"
    );
}
