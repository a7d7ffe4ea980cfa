//! Tables of YAML files and the exact bytes after each change.

use serde_json::{Value, json};

use crate::clients::{Client, Entry, Target};

fn target() -> Target {
    Target::Program(Entry {
        command: "/bin/mimo".into(),
        args: vec!["--project".into(), "web site".into()],
        env: vec![("MIMO_DATA_DIR".into(), json!("/data"))],
    })
}

/// An entry that was put is found, putting it again changes nothing, and removing it
/// gives `after`.
fn check(client: Client, before: &str, with: &str, after: &str) {
    let put = client.put(before, &target()).expect("understood");
    assert_eq!(put, with, "put into {before:?}");
    let found = client.find(&put).expect("understood").expect("there");
    let Some(entry) = found.entry else {
        panic!("no program in {put:?}");
    };
    assert_eq!(entry.command, "/bin/mimo");
    assert_eq!(entry.args, ["--project", "web site"]);
    assert_eq!(client.put(&put, &target()).as_deref(), Ok(with), "again");
    let out = client.remove_entry(&put).expect("understood");
    assert_eq!(out, after, "taken out of {put:?}");
    assert_eq!(client.find(&out), Ok(None));
    assert_eq!(client.remove_entry(&out).as_deref(), Ok(after), "again");
}

/// The lines of Goose's entry, indented.
const GOOSE: &str = "  mimo:\n    enabled: true\n    type: stdio\n    name: mimo\n    description: \
                     \"Memory for AI clients\"\n    cmd: \"/bin/mimo\"\n    args: [\"--project\", \
                     \"web site\"]\n    envs: {MIMO_DATA_DIR: \"/data\"}\n";

/// Those of Continue's.
const CONTINUE: &str = "  - name: mimo\n    command: \"/bin/mimo\"\n    args: [\"--project\", \"web \
                        site\"]\n    env: {MIMO_DATA_DIR: \"/data\"}\n";

#[test]
fn goose_gets_a_map_and_keeps_everything_else() {
    let new = format!("extensions:\n{GOOSE}");
    for before in ["", "\n"] {
        let with = format!("{before}{new}");
        let after = format!("{before}extensions: {{}}\n");
        check(Client::Goose, before, &with, &after);
    }
    let before = "# mine\nGOOSE_MODEL: 'x'   # the model\n\nextensions:\n  # built in\n  developer:\n    \
                  enabled: true\n    timeout: 300 # s\n\nGOOSE_MODE: auto\n# end\n";
    let with = before.replace("300 # s\n", &format!("300 # s\n{GOOSE}"));
    check(Client::Goose, before, &with, before);
    // Where nothing follows, and in the layout of the file.
    let before = "extensions:\n    developer: {enabled: true}";
    let with = format!(
        "{before}\n{}",
        GOOSE
            .replace("    ", "      ")
            .replace("  mimo", "    mimo")
    );
    let after = format!("{before}\n");
    check(Client::Goose, before, &with, &after);
    for (before, with) in [
        (
            "extensions: # none\nz: 1\n",
            format!("extensions: # none\n{GOOSE}z: 1\n"),
        ),
        (
            "extensions: {} # none\nz: 1\n",
            format!("extensions: # none\n{GOOSE}z: 1\n"),
        ),
    ] {
        check(
            Client::Goose,
            before,
            &with,
            "extensions: {} # none\nz: 1\n",
        );
    }
    let flow = "{enabled: true, type: stdio, name: mimo, description: \"Memory for AI clients\", cmd: \
                \"/bin/mimo\", args: [\"--project\", \"web site\"], envs: {MIMO_DATA_DIR: \"/data\"}}";
    let before = "{a: 1, extensions: {b: {c: 2}}}\n";
    let with = before.replace("2}}", &format!("2}}, mimo: {flow}}}"));
    check(Client::Goose, before, &with, before);
    let with = format!("{{a: 1, extensions: {{mimo: {flow}}}}}\n");
    check(Client::Goose, "{a: 1}\n", &with, "{a: 1, extensions: {}}\n");
}

#[test]
fn continue_gets_an_item_of_a_list() {
    let head = "name: Local Config\nversion: 1.0.0\nschema: v1\n";
    let with = format!("{head}mcpServers:\n{CONTINUE}");
    let after = format!("{head}mcpServers: []\n");
    check(Client::Continue, "", &with, &after);
    // An item begins at the dash, which need not be indented.
    let before = "name: x\nmcpServers:\n- name: a # first\n  command: b\n- uses: c/d\nmodels: []\n";
    let with = before.replace(
        "- uses: c/d\n",
        &format!("- uses: c/d\n{}", shifted(CONTINUE)),
    );
    check(Client::Continue, before, &with, before);
    let before =
        "name: x\r\nmcpServers:\r\n  - name: a\r\n    command: |\r\n      b\r\n\r\nversion: 1\r\n";
    let crlf = CONTINUE.replace('\n', "\r\n");
    let with = before.replace("      b\r\n\r\n", &format!("      b\r\n\r\n{crlf}"));
    check(Client::Continue, before, &with, before);
}

/// Two columns further left.
fn shifted(lines: &str) -> String {
    lines
        .lines()
        .map(|line| format!("{}\n", &line[2..]))
        .collect()
}

#[test]
fn older_entry_keeps_what_a_person_added() {
    let before = "extensions:\n  mimo:\n    # mine\n    enabled: false # for now\n    type: stdio\n    \
                  name: mimo\n    description: |\n      Words\n    cmd: old # here\n    args:\n    - \
                  --profile\n    - core\n    timeout: 9\n    envs:\n      KEY: a\n  b: {}\n";
    let put = Client::Goose.put(before, &target()).expect("understood");
    let expected = "extensions:\n  mimo:\n    # mine\n    enabled: false # for now\n    type: stdio\n    \
                    name: mimo\n    description: \"Memory for AI clients\"\n    cmd: \"/bin/mimo\" # here\n    \
                    args: [\"--project\", \"web site\"]\n    timeout: 9\n    envs:\n      KEY: a\n      \
                    MIMO_DATA_DIR: \"/data\"\n  b: {}\n";
    assert_eq!(put, expected);
    let found = Client::Goose.find(&put).expect("understood");
    assert!(found.expect("there").is_off);
}

#[test]
fn servers_leave_and_come_back() {
    let text = "extensions:\n  developer:\n    type: builtin\n  github:\n    type: stdio\n    cmd: npx\n    \
                args: [-y, x]\n    envs: {A: 'b'}\n# end\n";
    let client = Client::Goose;
    let servers = client.servers(text, &[]).expect("understood");
    let github = json!({"type": "stdio", "cmd": "npx", "args": ["-y", "x"], "envs": {"A": "b"}});
    assert_eq!(servers, [("github".to_owned(), github)]);
    let put = client.put(text, &target()).expect("understood");
    let without = client.remove_servers(&put, &[], &["github".into()]);
    let without = without.expect("understood");
    assert!(
        !without.contains("npx") && without.contains("developer"),
        "{without}"
    );
    assert_eq!(client.restored(&without, text).as_deref(), Ok(text));
    // A change since then is kept.
    let changed = without.replace("# end", "GOOSE_MODE: auto");
    let back = client.restored(&changed, text).expect("understood");
    assert!(
        back.contains("GOOSE_MODE: auto") && !back.contains("mimo"),
        "{back}"
    );
    assert_eq!(client.servers(&back, &[]), client.servers(text, &[]));
    let list = "mcpServers:\n  - name: a\n    command: b\n  - name: c\n    url: https://d\n";
    let client = Client::Continue;
    let names = ["a".to_owned(), "c".to_owned()];
    let emptied = client.remove_servers(list, &[], &names);
    assert_eq!(emptied.as_deref(), Ok("mcpServers: []\n"));
    assert_eq!(
        client.restored("mcpServers: []\n", list).as_deref(),
        Ok(list)
    );
}

#[test]
fn a_list_on_one_line_gets_the_entry_and_loses_it() {
    let client = Client::Continue;
    for text in [
        "mcpServers: [{name: a, command: b}]\n",
        "name: x\nmcpServers: [{name: a, command: b}, {name: c, command: d}] # kept\nother: 1\n",
    ] {
        let put = client.put(text, &target()).expect("understood");
        let servers = client.servers(&put, &[]).expect("understood");
        assert_eq!(servers, client.servers(text, &[]).expect("understood"));
        assert!(client.find(&put).expect("understood").is_some(), "{put}");
        assert_eq!(client.remove_entry(&put).as_deref(), Ok(text));
    }
}

#[test]
fn what_cannot_be_edited_is_refused() {
    for (client, text, reason) in [
        (Client::Goose, "a: [1\n", ""),
        (Client::Goose, "extensions: [1]\n", "not a map of servers"),
        (
            Client::Continue,
            "mcpServers: {a: {}}\n",
            "not a list of servers",
        ),
        (Client::Goose, "- a\n", "not a map"),
        (Client::Goose, "a: 1\n---\nb: 2\n", "more than one document"),
        (
            Client::Goose,
            "extensions:\n  mimo: 1\n  mimo: 2\n",
            "occurs twice",
        ),
        (Client::Goose, "extensions: &all\n  a: {}\nb: *all\n", ""),
        // A comment would swallow what is put after it.
        (
            Client::Goose,
            "extensions: {a: {} # b\n }\n",
            "without changing its other lines",
        ),
    ] {
        match client.put(text, &target()) {
            Err(mistake) => assert!(mistake.reason.contains(reason), "{text}: {mistake}"),
            // An anchor's copies get the entry too, or it is refused.
            Ok(put) => assert!(text.contains('&'), "{text} became {put}"),
        }
    }
    let deep = format!("a: {}{}\n", "[".repeat(200), "]".repeat(200));
    assert!(Client::Goose.put(&deep, &target()).is_err());
}

#[test]
fn every_layout_means_the_same_afterwards() {
    let others: Value = json!({"b": {"cmd": "x", "args": ["y: z", "#", "'", "é"]}});
    for text in [
        "extensions:\n  b:\n    cmd: x\n    args:\n      - \"y: z\"\n      - '#'\n      - \"'\"\n      - é\n",
        "extensions:\n  b:\n    cmd: x\n    args: [\"y: z\", '#', \"'\", é]\n\n\n",
        "extensions: {b: {cmd: x, args: ['y: z', '#', '''', é]}}",
        "---\nextensions:\n    \"b\":\n        cmd: >-\n            x\n        args:\n        - 'y: z'\n        - '#'\n        - \"'\"\n        - é\n...\n",
        "{\"extensions\": {\"b\": {\"cmd\": \"x\", \"args\": [\"y: z\", \"#\", \"'\", \"é\",],}},}\n",
    ] {
        let put = Client::Goose.put(text, &target()).expect("understood");
        let servers = Client::Goose.servers(&put, &[]).expect("understood");
        assert_eq!(servers, [("b".to_owned(), others["b"].clone())], "{put}");
        assert!(
            Client::Goose.find(&put).expect("understood").is_some(),
            "{put}"
        );
        let out = Client::Goose.remove_entry(&put).expect("understood");
        assert_eq!(out.trim_end(), text.trim_end());
    }
}
