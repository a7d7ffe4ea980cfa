//! Tables of settings files and the exact bytes after each change.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn target() -> Target {
    Target::Program(entry())
}

fn entry() -> Entry {
    Entry {
        command: "/bin/mimo".into(),
        args: vec!["--project".into(), "web site".into()],
        env: Vec::new(),
    }
}

/// An entry that was put is found, putting it again changes nothing, and removing it
/// gives `after`.
fn check(client: Client, before: &str, with: &str, after: &str) {
    let put = client.put(before, &target()).expect("understood");
    assert_eq!(put, with, "put into {before:?}");
    let found = client.find(&put).expect("understood").expect("there");
    assert_eq!(found.entry, Some(entry()), "in {put:?}");
    assert_eq!(client.put(&put, &target()).as_deref(), Ok(with), "again");
    let out = client.remove_entry(&put).expect("understood");
    assert_eq!(out, after, "taken out of {put:?}");
    assert_eq!(client.find(&out), Ok(None));
    assert_eq!(client.remove_entry(&out).as_deref(), Ok(after), "again");
}

/// Like `check`, where removing it restores `before`.
fn check_both(client: Client, before: &str, with: &str) {
    check(client, before, with, before);
}

const NEW: &str = "{\n  \"mcpServers\": {\n    \"mimo\": {\n      \"command\": \"/bin/mimo\",\n      \
                   \"args\": [\"--project\", \"web site\"]\n    }\n  }\n}\n";
const EMPTY: &str = "{\n  \"mcpServers\": {}\n}\n";

#[test]
fn a_file_that_says_nothing_gets_the_entry() {
    for before in ["", "\n", "{}\n", "{\n}\n"] {
        check(Client::Cursor, before, NEW, EMPTY);
    }
    let commented = format!("// mine\n{NEW}");
    let emptied = format!("// mine\n{EMPTY}");
    check(Client::Cursor, "// mine\n", &commented, &emptied);
}

#[test]
fn each_client_has_its_own_form() {
    let typed = NEW.replace("mcpServers", "servers").replace(
        "{\n      \"command",
        "{\n      \"type\": \"stdio\",\n      \"command",
    );
    let emptied = EMPTY.replace("mcpServers", "servers");
    check(Client::VsCode, "", &typed, &emptied);
    let zed = |text: &str| text.replace("mcpServers", "context_servers");
    check(Client::Zed, "", &zed(NEW), &zed(EMPTY));
    let codex =
        "[mcp_servers.mimo]\ncommand = \"/bin/mimo\"\nargs = [\"--project\", \"web site\"]\n";
    check(Client::Codex, "", codex, "");
}

#[test]
fn program_of_opencode_is_one_list() {
    let with = "{\n  \"mcp\": {\n    \"mimo\": {\n      \"type\": \"local\",\n      \"command\": \
                [\"/bin/mimo\", \"--project\", \"web site\"]\n    }\n  }\n}\n";
    let emptied = EMPTY.replace("mcpServers", "mcp");
    check(Client::OpenCode, "", with, &emptied);
    check(Client::Gemini, "", NEW, EMPTY);
    // What a person set stays.
    let before = r#"{"mcp": {"mimo": {"type": "local", "command": ["old"], "timeout": 9}}}"#;
    let put = Client::OpenCode.put(before, &target()).expect("understood");
    let put: Value = serde_json::from_str(&put).expect("JSON");
    let entry =
        json!({"type": "local", "command": ["/bin/mimo", "--project", "web site"], "timeout": 9});
    assert_eq!(put["mcp"]["mimo"], entry);
}

#[test]
fn remote_entry_names_the_variable_and_keeps_other_headers() {
    let url = "https://mimo.example/mcp";
    let remote = Target::Remote(Remote {
        url: url.into(),
        key_variable: "TEAM_KEY".into(),
    });
    let bearer = |variable: &str| json!({"Authorization": format!("Bearer {variable}")});
    for (client, servers, entry) in [
        (
            Client::ClaudeCode,
            "mcpServers",
            json!({"type": "http", "url": url, "headers": bearer("${TEAM_KEY}")}),
        ),
        (
            Client::VsCode,
            "servers",
            json!({"type": "http", "url": url, "headers": bearer("${env:TEAM_KEY}")}),
        ),
        (
            Client::Cursor,
            "mcpServers",
            json!({"url": url, "headers": bearer("${env:TEAM_KEY}")}),
        ),
        (
            Client::Windsurf,
            "mcpServers",
            json!({"serverUrl": url, "headers": bearer("${env:TEAM_KEY}")}),
        ),
        (
            Client::Gemini,
            "mcpServers",
            json!({"httpUrl": url, "headers": bearer("${TEAM_KEY}")}),
        ),
        (
            Client::OpenCode,
            "mcp",
            json!({"type": "remote", "url": url, "headers": bearer("{env:TEAM_KEY}"), "oauth": false}),
        ),
    ] {
        let put = client.put("", &remote).expect("understood");
        let document: Value = serde_json::from_str(&put).expect("JSON");
        assert_eq!(document, json!({servers: {"mimo": entry}}));
        let found = client.find(&put).expect("understood").expect("there");
        assert_eq!(found.remote.map(|remote| remote.1).as_deref(), Some(url));
        assert!(!found.text.contains("TEAM_KEY"), "headers are not shown");
        assert_eq!(client.put(&put, &remote), Ok(put.clone()), "again");
        let out = client.remove_entry(&put).expect("understood");
        assert_eq!(out, EMPTY.replace("mcpServers", servers));
    }
    let codex =
        format!("[mcp_servers.mimo]\nurl = \"{url}\"\nbearer_token_env_var = \"TEAM_KEY\"\n");
    let put = Client::Codex.put("", &remote).expect("understood");
    assert_eq!(put, codex);
    assert_eq!(Client::Codex.put(&put, &remote), Ok(codex), "again");
    assert_eq!(Client::Codex.remove_entry(&put).as_deref(), Ok(""));

    let before = r#"{"mcpServers": {"mimo": {"url": "https://old/", "headers": {"X-Team": "a"}}}}"#;
    let put = Client::Cursor.put(before, &remote).expect("understood");
    let put: Value = serde_json::from_str(&put).expect("JSON");
    let headers = json!({"X-Team": "a", "Authorization": "Bearer ${env:TEAM_KEY}"});
    assert_eq!(
        put["mcpServers"]["mimo"],
        json!({"url": url, "headers": headers})
    );
    for client in [Client::ClaudeDesktop, Client::Zed] {
        assert!(!client.sends_keys());
    }
}

#[test]
fn comments_commas_tabs_and_other_servers_stay() {
    check_both(
        Client::Zed,
        "// Zed\n{\n\t\"theme\": \"One\", // dark\n\t\"context_servers\": {\n\t\t/* by hand */\n\t\t\
         \"git\": {\"command\": \"git-mcp\", \"args\": [],}, // mine\n\t\t// last\n\t},\n\
         \t\"tab_size\": 4.0e0,\n}",
        "// Zed\n{\n\t\"theme\": \"One\", // dark\n\t\"context_servers\": {\n\t\t/* by hand */\n\t\t\
         \"git\": {\"command\": \"git-mcp\", \"args\": [],}, // mine\n\t\t\"mimo\": {\n\t\t\t\
         \"command\": \"/bin/mimo\",\n\t\t\t\"args\": [\"--project\", \"web site\"],\n\t\t},\n\
         \t\t// last\n\t},\n\t\"tab_size\": 4.0e0,\n}",
    );
}

#[test]
fn line_ends_stay_and_are_taken_over() {
    let json = "{\n    \"mcpServers\": {\n        \"a\": {\n            \"url\": \"x\"\n        }\n    }\n}\n";
    let with = json.replace(
        "        }\n    }",
        "        },\n        \"mimo\": {\n            \"command\": \"/bin/mimo\",\n            \
         \"args\": [\"--project\", \"web site\"]\n        }\n    }",
    );
    let dos = |text: &str| text.replace('\n', "\r\n");
    check_both(Client::Windsurf, &dos(json), &dos(&with));
    check_both(
        Client::Codex,
        "model = 'x'\r\n\r\n[tui] # look\r\ntheme = 1\r\n",
        "model = 'x'\r\n\r\n[tui] # look\r\ntheme = 1\r\n\r\n[mcp_servers.mimo]\r\ncommand = \
         \"/bin/mimo\"\r\nargs = [\"--project\", \"web site\"]\r\n",
    );
    // Of two kinds each line keeps its own, and the last one has none.
    check(
        Client::Codex,
        "a = 1\r\nb = 2\nc = 3",
        "a = 1\r\nb = 2\nc = 3\r\n\r\n[mcp_servers.mimo]\r\ncommand = \"/bin/mimo\"\r\nargs = \
         [\"--project\", \"web site\"]\r\n",
        "a = 1\r\nb = 2\nc = 3\r\n",
    );
}

#[test]
fn what_stands_on_one_line_stays_on_it() {
    let ours = r#""mimo": {"command":"/bin/mimo","args":["--project","web site"]}"#;
    for (before, with) in [
        (
            r#"{"mcpServers":{"a":{"url":"x"}},"n":1}"#,
            format!(r#"{{"mcpServers":{{"a":{{"url":"x"}}, {ours}}},"n":1}}"#),
        ),
        (
            "{\n  \"mcpServers\": {\"a\": {}, /* b */}\n}\n",
            format!("{{\n  \"mcpServers\": {{\"a\": {{}}, {ours}, /* b */}}\n}}\n"),
        ),
        (
            r#"{"mcpServers":{},"n":[1, 2]}"#,
            format!(r#"{{"mcpServers":{{{ours}}},"n":[1, 2]}}"#),
        ),
    ] {
        let put = Client::Cursor.put(before, &target());
        assert_eq!(put.as_deref(), Ok(with.as_str()));
        let found = Client::Cursor.find(&with).expect("understood");
        assert_eq!(found.and_then(|found| found.entry), Some(entry()));
    }
    check(
        Client::Cursor,
        r#"{"n":1}"#,
        &format!(
            r#"{{"n":1, "mcpServers": {{{}}}}}"#,
            ours.replace(": {", ":{")
        ),
        r#"{"n":1, "mcpServers": {}}"#,
    );
}

#[test]
fn of_an_entry_that_is_there_only_our_keys_change() {
    let before = "{\n  \"mcpServers\": {\n    // why\n    \"mimo\": {\n      \"command\": \"old\" /* x */,\n      \
                  \"env\": {\"MIMO_LOG\": \"debug\"},\n      \"args\": [\n        \"a\"\n      ]\n    },\n    \
                  \"b\": {}\n  }\n}";
    let put = Client::Cursor.put(before, &target()).expect("understood");
    assert_eq!(
        put,
        before
            .replace("\"old\"", "\"/bin/mimo\"")
            .replace("[\n        \"a\"\n      ]", "[\"--project\", \"web site\"]")
    );
    let found = Client::Cursor.find(before).expect("understood");
    let found = found.expect("there");
    assert_eq!(
        found.text,
        "command: \"old\", args: [\n        \"a\"\n      ]"
    );

    let before = "# top\n[mcp_servers.mimo] # ours\ncommand = 'old' # x\nstartup_timeout_sec = 9\n\n\
                  [mcp_servers.mimo.env]\nA = 'b'\n\n[tui]\n";
    let put = Client::Codex.put(before, &target()).expect("understood");
    assert_eq!(
        put,
        before.replace("'old'", "\"/bin/mimo\"").replace(
            "sec = 9\n",
            "sec = 9\nargs = [\"--project\", \"web site\"]\n"
        )
    );
    // Without arguments, an entry that names none is so already.
    let bare = Entry {
        command: "old".into(),
        args: Vec::new(),
        env: Vec::new(),
    };
    let to_bare = Target::Program(bare.clone());
    assert_eq!(Client::Codex.put(before, &to_bare).as_deref(), Ok(before));
    let written = r#"{"mcpServers": {"mimo": {"command": "old"}}}"#;
    assert_eq!(
        Client::Cursor.put(written, &to_bare).as_deref(),
        Ok(written)
    );
    // Something else than an entry is replaced whole.
    let put = Client::Cursor.put(r#"{"mcpServers": {"mimo": null}}"#, &to_bare);
    let found = Client::Cursor.find(&put.expect("understood"));
    assert_eq!(
        found.expect("understood").and_then(|found| found.entry),
        Some(bare)
    );
}

#[test]
fn taking_it_out_leaves_what_a_person_wrote_around_it() {
    let before = "{\n  \"mcpServers\": {\n    \"b\": 2, // keep b\n    // about mimo\n    \
                  \"mimo\": { \"command\": \"o\" }\n    // end\n  }\n}";
    assert_eq!(
        Client::Cursor.remove_entry(before).as_deref(),
        Ok("{\n  \"mcpServers\": {\n    \"b\": 2 // keep b\n    // about mimo\n    // end\n  }\n}")
    );
    let before = "a = 1\n\n# about mimo\n[mcp_servers.mimo]\ncommand = 'x' # gone\n\n\
                  [mcp_servers.mimo.env]\nA = 'b'\n\n# about tui\n[tui]\nx = 1\n";
    assert_eq!(
        Client::Codex.remove_entry(before).as_deref(),
        Ok("a = 1\n\n# about mimo\n\n# about tui\n[tui]\nx = 1\n")
    );
    for (before, after) in [
        (
            "mcp_servers = { a = { command = 'b' }, mimo = { command = 'x' } }\n",
            "mcp_servers = { a = { command = 'b' }}\n",
        ),
        (
            "[mcp_servers]\na.command = 'b'\nmimo.command = 'x'\n\n[z]\n",
            "[mcp_servers]\na.command = 'b'\n\n[z]\n",
        ),
    ] {
        assert_eq!(Client::Codex.remove_entry(before).as_deref(), Ok(after));
    }
}

#[test]
fn codex_servers_in_other_forms_are_joined() {
    for before in [
        "mcp_servers = { a = { command = 'b' } }\n",
        "[mcp_servers]\na.command = 'b'\n[x]\ny = 1\n",
        "mcp_servers.a.command = 'b'\n[z]\n",
        "[mcp_servers.a]\ncommand = 'b'\n\n# about x\n[x]\ny = 1 # q\n# end\n",
    ] {
        let put = Client::Codex.put(before, &target()).expect("understood");
        let found = Client::Codex.find(&put).expect("understood");
        assert_eq!(found.and_then(|found| found.entry), Some(entry()), "{put}");
        for line in before.lines().filter(|line| !line.contains("{ a")) {
            assert!(put.lines().any(|kept| kept == line), "{line} in {put}");
        }
        assert_eq!(Client::Codex.put(&put, &target()), Ok(put.clone()));
    }
}

#[test]
fn what_cannot_be_understood_is_refused_with_its_place() {
    let wrong = |client: Client, text: &str| {
        let mistake = client.put(text, &target()).expect_err(text);
        assert_eq!(client.find(text), Err(mistake.clone()), "{text}");
        assert_eq!(client.remove_entry(text), Err(mistake.clone()), "{text}");
        mistake
    };
    assert_eq!(
        wrong(Client::Cursor, "{\n  \"a\": 1\n  \"b\": 2\n}").path,
        "2:9"
    );
    assert_eq!(wrong(Client::Cursor, "{\"a\": tru}").path, "1:7");
    assert_eq!(wrong(Client::Cursor, "{\"a\": 1").path, "1:1");
    assert_eq!(wrong(Client::Cursor, "{'a': 1}").path, "1:2");
    assert_eq!(wrong(Client::Codex, "a = 1\nb = = 2\n").path, "2:5");
    assert_eq!(wrong(Client::Codex, "a = 1\na = 2\n").path, "2:1");
    for (client, text, expected) in [
        (Client::Cursor, "[]", "not an object"),
        (Client::Cursor, "{\"mcpServers\": []}", "something else"),
        (
            Client::Cursor,
            "{\"mcpServers\": {}, \"mcpServers\": {}}",
            "twice",
        ),
        (
            Client::Cursor,
            "{\"mcpServers\": {\"mimo\": {}, \"mimo\": {}}}",
            "twice",
        ),
        (Client::Codex, "mcp_servers = 7\n", "something else"),
        (Client::Codex, "[[mcp_servers]]\n", "something else"),
    ] {
        let mistake = wrong(client, text);
        assert!(mistake.reason.contains(expected), "{text}: {mistake:?}");
    }
}

#[test]
fn a_server_elsewhere_and_one_switched_off_are_told_apart() {
    let found = |client: Client, text: &str| {
        let found = client.find(text).expect("understood").expect("there");
        (found.remote.map(|remote| remote.0), found.is_off)
    };
    for (client, text, expected) in [
        (
            Client::Cursor,
            r#"{"mcpServers":{"mimo":{"url":"x"}}}"#,
            (Some("url"), false),
        ),
        (
            Client::Windsurf,
            r#"{"mcpServers":{"mimo":{"serverUrl":"x"}}}"#,
            (Some("serverUrl"), false),
        ),
        (
            Client::Cursor,
            r#"{"mcpServers":{"mimo":{"command":"m","disabled":true}}}"#,
            (None, true),
        ),
        (
            Client::Zed,
            r#"{"context_servers":{"mimo":{"command":"m","enabled":false}}}"#,
            (None, true),
        ),
        (
            Client::Codex,
            "[mcp_servers.mimo]\ncommand = 'm'\nenabled = false\n",
            (None, true),
        ),
        (
            Client::Codex,
            "[mcp_servers.mimo]\nurl = 'x'\n",
            (Some("url"), false),
        ),
    ] {
        assert_eq!(found(client, text), expected, "{text}");
    }
}

#[test]
fn names_lead_to_clients_and_back() {
    for client in Client::ALL {
        assert_eq!(Client::named(client.name()), Some(client));
    }
}

/// Any settings, with the keys that matter among theirs.
fn settings() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"/{},:é]{0,6}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("mcpServers".to_owned()),
        Just("mimo".to_owned()),
        Just("command".to_owned()),
        Just("args".to_owned()),
        "[a-c\"]{1,2}",
    ];
    let object = move |inner: BoxedStrategy<Value>| {
        btree_map(key.clone(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
    };
    let deep = {
        let object = object.clone();
        leaf.prop_recursive(4, 40, 4, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::from),
                object(inner.boxed()),
            ]
        })
    };
    object(deep.boxed())
}

proptest! {
    /// However a file is laid out, what is not ours means the same afterwards.
    #[test]
    fn nothing_else_changes_its_meaning(before in settings(), layout in 0..3) {
        let text = match layout {
            0 => before.to_string(),
            1 => format!("{before:#}\n"),
            _ => format!("{before:#}").replace('\n', "\r\n"),
        };
        let servers = before.get("mcpServers");
        let put = Client::Cursor.put(&text, &target());
        if servers.is_some_and(|servers| !servers.is_object()) {
            prop_assert!(put.is_err() && Client::Cursor.remove_entry(&text).is_err());
            return Ok(());
        }
        let put = put.expect("understood");
        let mut expected = before.clone();
        let ours = &mut expected["mcpServers"]["mimo"];
        match ours.is_object() {
            true => {
                ours["command"] = json!(entry().command);
                ours["args"] = json!(entry().args);
            }
            false => *ours = json!({"command": entry().command, "args": entry().args}),
        }
        let written: Value = serde_json::from_str(&put).expect("plain JSON stays plain");
        prop_assert_eq!(&written, &expected, "{} became {}", text, put);
        prop_assert_eq!(Client::Cursor.put(&put, &target()), Ok(put.clone()));

        let out = Client::Cursor.remove_entry(&put).expect("understood");
        let servers = expected["mcpServers"].as_object_mut().expect("servers");
        servers.remove("mimo");
        let left: Value = serde_json::from_str(&out).expect("plain JSON stays plain");
        prop_assert_eq!(left, expected, "{} became {}", put, out);
    }
}

#[test]
fn guide_names_every_client_that_it_imports_from() {
    let guide = include_str!("../../install/guide/skills.md");
    let mut lines = guide.lines();
    let line = lines.find(|line| line.starts_with("`mimo skill import CLIENT|FILE`"));
    let line = line.expect("the paragraph about importing");
    for client in Client::ALL {
        assert!(line.contains(client.title()), "{}", client.title());
    }
}
