//! Entries that lead to a Mimo over HTTP.

use serde_json::json;

use super::{Account, read};
use crate::home::MIMO;

#[test]
fn url_leads_to_a_mimo_over_http_without_its_key() {
    let account = Account::new();
    let url = "https://mimo.example.org";
    let given = ["--url", url, "--key-variable", "TEAM_KEY"];
    for (client, file) in [
        ("claude-code", ".claude.json".to_owned()),
        ("cursor", ".cursor/mcp.json".to_owned()),
        ("vscode", account.settings("Code/User/mcp.json")),
        ("codex", ".codex/config.toml".to_owned()),
    ] {
        let tried = account.json(&[&[client][..], &given, &["--dry-run"]].concat());
        assert_eq!(tried["would_change"], true);
        assert!(!account.path().join(&file).exists());
        let done = account.json(&[&[client][..], &given].concat());
        let entry = json!({"url": format!("{url}/mcp"), "key_variable": "TEAM_KEY"});
        assert_eq!(done["entry"], entry, "{client}");
        let next = done["next"].as_str().expect("a next step");
        assert!(next.contains("set TEAM_KEY to a key"), "{next}");
        let text = read(&account.path().join(&file));
        assert!(text.contains("https://mimo.example.org/mcp"), "{text}");
        assert!(text.contains("TEAM_KEY"), "{text}");
        let again = account.json(&[&[client][..], &given].concat());
        assert_eq!(again["changed"], false, "{again}");
        let listed = account.json(&[]);
        let rows = listed["clients"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["client"] == client);
        assert_eq!(row.expect("a row")["state"], "remote");
        // One kind does not silently become the other.
        let refused = account.setup(&[client]);
        assert!(refused.err.contains("a remote server"), "{refused:?}");
        assert_eq!(account.json(&[client, "--remove"])["changed"], true);
        account.json(&[client]);
        let refused = account.setup(&[&[client][..], &given].concat());
        assert!(refused.err.contains("for a program"), "{refused:?}");
    }
}

#[test]
fn client_that_sends_no_key_starts_the_bridge() {
    let account = Account::new();
    let done = account.json(&["claude-desktop", "--url", "http://10.0.0.7:8420/mcp"]);
    let args = [
        "connect",
        "http://10.0.0.7:8420/mcp",
        "--key-variable",
        "MIMO_API_KEY",
    ];
    assert_eq!(done["entry"], json!({"command": MIMO, "args": args}));
    let warning = done["warning"].as_str().expect("a warning");
    assert!(warning.contains("without TLS"), "{warning}");
    for (arguments, reason) in [
        (&["--url", "ftp://mimo.example"][..], "http:// or https://"),
        (&["--url", "https://me:word@mimo.example"], "a password"),
        (&["--url", "https://mimo.example/mcp?k=1"], "before any ?"),
        (
            &["--url", "https://mimo.example", "--project", "a"],
            "the key decides",
        ),
        (
            &["--url", "https://mimo.example", "--adopt"],
            "cannot be used with",
        ),
        (&["--key-variable", "A"], "--url"),
        (
            &[
                "--url",
                "https://mimo.example",
                "--key-variable",
                "mimo_abc_d-e",
            ],
            "not a key",
        ),
    ] {
        let refused = account.setup(&[&["cursor"][..], arguments].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains(reason), "{reason}: {refused:?}");
        assert!(!refused.err.contains("mimo_abc"), "{refused:?}");
    }
    assert!(!account.path().join(".cursor").exists());
}
