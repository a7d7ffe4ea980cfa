//! The list of clients.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::Account;
use crate::home::MIMO;

#[test]
fn list_shows_the_state_of_each_client() {
    let account = Account::new();
    account.json(&["cursor"]);
    account.put(".claude.json", "{\"mcpServers\": {}}");
    account.put(
        ".codeium/windsurf/mcp_config.json",
        "{\"mcpServers\": {\"mimo\": {\"command\": \"/no/mimo\"}}}",
    );
    account.put(".codex/config.toml", "= 1\n");
    account.put(
        ".config/zed/settings.json",
        "{\"context_servers\": {\"mimo\": {\"command\": \"mimo\"}}}",
    );
    // Also through a symlink, as installers create.
    let link = account.path().join("mimo");
    symlink(MIMO, &link).expect("a link");
    let desktop = account.settings("Claude/claude_desktop_config.json");
    let entry = json!({"mcpServers": {"mimo": {"command": link}}});
    account.put(&desktop, &entry.to_string());
    let listed = account.json(&[]);
    let states: Vec<(&str, &str)> = listed["clients"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            (
                row["client"].as_str().expect("a name"),
                row["state"].as_str().expect("a state"),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("claude-desktop", "set up"),
            ("claude-code", "not set up"),
            ("cursor", "set up"),
            ("vscode", "no file"),
            ("windsurf", "gone"),
            ("zed", "other"),
            ("codex", "broken"),
            ("gemini", "no file"),
            ("opencode", "no file"),
            ("vscode-insiders", "no file"),
            ("cline", "no file"),
            ("lm-studio", "no file"),
            ("continue", "no file"),
            ("goose", "no file"),
            ("jan", "no file"),
        ]
    );
    let shown = account.setup(&[]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.out.contains("config.toml:1:1"), "{}", shown.out);
    assert!(
        shown.out.contains("/no/mimo, which does not exist"),
        "{}",
        shown.out
    );
}
