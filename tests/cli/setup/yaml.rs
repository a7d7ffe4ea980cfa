//! Clients whose settings are YAML, and Jan's folder, which may be moved.

use super::{Account, read};
use crate::home::MIMO;

#[test]
fn yaml_clients_keep_comments_and_layout() {
    let account = Account::new();
    for (client, file, before) in [
        (
            "goose",
            ".config/goose/config.yaml",
            "# mine\nextensions:\n  developer:\n    enabled: true # always\nGOOSE_MODE: auto\n",
        ),
        (
            "continue",
            ".continue/config.yaml",
            "name: Mine # the name\nversion: 1.0.0\nmcpServers:\n  - name: other\n    command: x\n\nmodels: []\n",
        ),
    ] {
        let file = account.put(file, before);
        let tried = account.setup(&[client, "--dry-run"]);
        assert!(tried.out.contains("+     args: []"), "{}", tried.out);
        assert_eq!(read(&file), before);
        assert_eq!(account.json(&[client])["changed"], true);
        let text = read(&file);
        assert!(text.contains(MIMO) && text.contains("# "), "{text}");
        assert!(before.lines().all(|line| text.contains(line)), "{text}");
        let listed = account.json(&[]);
        let mut rows = listed["clients"].as_array().expect("rows").iter();
        let row = rows.find(|row| row["client"] == client).expect("a row");
        assert_eq!(row["state"], "set up", "{row}");
        assert_eq!(account.json(&[client])["changed"], false);
        account.json(&[client, "--remove"]);
        assert_eq!(read(&file), before);
    }
    account.put(".config/goose/config.yaml", "extensions:\n  a: [\n");
    let refused = account.setup(&["goose"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("config.yaml:"), "{}", refused.err);
}

#[test]
fn moved_data_folder_of_jan_is_found() {
    let account = Account::new();
    let moved = account.path().join("moved");
    let settings = serde_json::json!({ "data_folder": moved }).to_string();
    account.put(".local/share/Jan/settings.json", &settings);
    let done = account.json(&["jan"]);
    assert_eq!(done["entry"]["command"], MIMO);
    let text = read(&moved.join("mcp_config.json"));
    assert!(text.contains("\"active\": true"), "{text}");
    // A server that a person switched off stays so.
    let file = account.put("moved/mcp_config.json", &text.replace("true", "false"));
    let done = account.json(&["jan", "--project", "site"]);
    assert!(
        done["next"]
            .as_str()
            .expect("a next step")
            .contains("switched off"),
        "{done}"
    );
    assert!(read(&file).contains("\"active\": false"));
}
