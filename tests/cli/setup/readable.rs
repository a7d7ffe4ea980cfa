//! Files that Mimo can read and their client cannot.

use super::{Account, read};

#[test]
fn comments_are_refused_where_the_client_has_none() {
    let account = Account::new();
    let comment = "{\n  // mine\n  \"mcpServers\": {}\n}\n";
    let comma = "{\n  \"mcpServers\": {},\n}\n";
    for (client, file, text, place) in [
        ("claude-code", ".claude.json", comment, ".claude.json:2:3"),
        ("claude-code", ".claude.json", comma, ".claude.json:2:19"),
        (
            "gemini",
            ".gemini/settings.json",
            comma,
            "settings.json:2:19",
        ),
        (
            "jan",
            ".local/share/Jan/data/mcp_config.json",
            comment,
            "mcp_config.json:2:3",
        ),
        (
            "cline",
            ".cline/data/settings/cline_mcp_settings.json",
            comment,
            ":2:3",
        ),
    ] {
        let file = account.put(file, text);
        let refused = account.setup(&[client]);
        assert_eq!(refused.code, Some(1), "{client}: {refused:?}");
        assert!(refused.err.contains(place), "{}", refused.err);
        assert!(
            refused.err.contains("reads no file with"),
            "{}",
            refused.err
        );
        assert_eq!(read(&file), text);
        let listed = account.json(&[]);
        let rows = listed["clients"].as_array().expect("rows").iter();
        let row = rows.into_iter().find(|row| row["client"] == client);
        assert_eq!(row.expect("a row")["state"], "broken", "{client}");
    }
    // These clients strip comments.
    for (client, file) in [
        ("gemini", ".gemini/settings.json"),
        ("zed", ".config/zed/settings.json"),
    ] {
        let text = comment.replace("mcpServers", "other");
        let file = account.put(file, &text);
        account.json(&[client]);
        assert!(read(&file).contains("// mine"), "{client}");
    }
}

/// Continue reads its older file only while there is no newer one.
#[test]
fn settings_that_a_new_file_would_hide_are_left_alone() {
    let account = Account::new();
    let older = account.put(".continue/config.json", "{\"models\": []}\n");
    let refused = account.setup(&["continue"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("no longer read it"), "{}", refused.err);
    assert!(!older.with_extension("yaml").exists());
    account.put(".continue/config.yaml", "name: a\nversion: 1.0.0\n");
    assert_eq!(account.json(&["continue"])["changed"], true);
}
