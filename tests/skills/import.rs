//! `mimo skill import` and `mimo setup CLIENT --adopt`, through the real binary.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::cli::{mimo, run, server};
use crate::support::fixture::Fixture;

/// Writes a client's file below the home folder.
fn client_file(fixture: &Fixture, name: &str, text: &str) -> PathBuf {
    let path = fixture.path("home").join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(&path, text).expect("a file");
    path
}

fn manifest(fixture: &Fixture) -> Value {
    let text = std::fs::read(fixture.path("config/skills.json")).expect("a file");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn servers_of_each_client_are_imported_in_their_order() {
    let server = |fixture: &Fixture| json!({"command": server(fixture), "args": ["--key", "x"]});
    for (client, file, form) in [
        (
            "claude-desktop",
            ".config/Claude/claude_desktop_config.json",
            "{\"mcpServers\": {MIMO \"zeta\": SERVER, \"My One\": SERVER}}",
        ),
        (
            "cursor",
            ".cursor/mcp.json",
            "{\"mcpServers\": {\"zeta\": SERVER, MIMO \"My One\": SERVER}}",
        ),
        (
            "windsurf",
            ".codeium/windsurf/mcp_config.json",
            "{\"mcpServers\": {\"zeta\": SERVER, \"My One\": SERVER}}",
        ),
        (
            "vscode",
            ".config/Code/User/mcp.json",
            "{ // mine\n\"servers\": {MIMO \"zeta\": SERVER, /* two */ \"My One\": SERVER,},}",
        ),
        (
            "zed",
            ".config/zed/settings.json",
            "// Zed\n{\"theme\": \"x\", \"context_servers\": {\"zeta\": SERVER, \"My One\": SERVER}}",
        ),
        (
            "claude-code",
            ".claude.json",
            "{\"mcpServers\": {MIMO \"zeta\": SERVER}, \"projects\": {\"/other\": {\"mcpServers\": \
             {\"no\": SERVER}}, \"WORK\": {\"history\": [], \"mcpServers\": {\"My One\": SERVER}}}}",
        ),
        (
            "gemini",
            ".gemini/settings.json",
            "{\"ui\": {}, \"mcpServers\": {\"zeta\": SERVER, \"My One\": SERVER}}",
        ),
        (
            "opencode",
            ".config/opencode/opencode.json",
            "{\"mcp\": {\"zeta\": {\"type\": \"local\", \"command\": [COMMAND]}, \"My One\": SERVER}}",
        ),
        (
            "codex",
            ".codex/config.toml",
            "a = 1\n[mcp_servers.zeta]\ncommand = COMMAND\nstartup_timeout_sec = 9.5\n\
             [mcp_servers.mimo]\ncommand = 'm'\n[mcp_servers.'My One']\ncommand = COMMAND\n",
        ),
    ] {
        let fixture = Fixture::new();
        let text = form
            .replace("MIMO", "\"mimo\": {\"command\": \"m\"},")
            .replace("SERVER", &server(&fixture).to_string())
            .replace("COMMAND", &server(&fixture)["command"].to_string())
            .replace("WORK", fixture.path("home/work").to_str().expect("UTF-8"));
        let path = client_file(&fixture, file, &text);
        let done = mimo(&fixture, &["import", client, "--later"]);
        assert_eq!(
            (done.code, done.err.as_str()),
            (Some(0), ""),
            "{client}: {done:?}"
        );
        assert!(
            done.out.contains("My One: added\n  its name is my-one\n"),
            "{done:?}"
        );
        assert!(done.out.contains("2 of 2 added to "), "{done:?}");
        let skills = manifest(&fixture);
        let keys: Vec<_> = skills["skills"]
            .as_object()
            .expect("skills")
            .keys()
            .collect();
        assert_eq!(keys, ["zeta", "My One"], "{client}");
        assert_eq!(mimo(&fixture, &["check"]).code, Some(0), "{client}");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
        let again = mimo(&fixture, &["import", client, "--later"]);
        assert!(
            again.out.contains("skills.json has it already"),
            "{again:?}"
        );
        assert_eq!(again.code, Some(0));
        assert_eq!(manifest(&fixture), skills);
    }
}

#[test]
fn import_shows_what_is_refused_or_waits_and_no_secret() {
    let fixture = Fixture::new();
    let server = server(&fixture);
    let text = json!({"mcpServers": {
        "one": {"command": server, "env": {"API_TOKEN": "tops3cret"}},
        "shell": {"command": "bash", "args": ["-c", "id"], "env": {"API_TOKEN": "tops3cret"}},
        "far": {"url": "https://example.com/mcp"},
        "later": {"command": server, "env": {"KEY": "${MY_KEY}"}},
        "off": {"command": server, "disabled": true},
        "taken": {"command": server},
    }});
    let file = client_file(&fixture, "mcp.json", &text.to_string());
    let file = file.to_str().expect("UTF-8");
    let manifest_path = fixture.path("config/skills.json");
    let own = json!({"skills": {"taken": {"command": server, "args": ["other"]}}});
    std::fs::write(&manifest_path, own.to_string()).expect("a file");
    let tried = mimo(&fixture, &["import", file, "--dry-run"]);
    assert!(tried.out.contains("3 of 6 would be added to "), "{tried:?}");
    assert_eq!(manifest(&fixture), own);
    let done = mimo(&fixture, &["import", file, "--later"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    for part in [
        "one: added\n  ",
        "shell: refused\n  /skills/shell/command: ",
        "far: refused\n  ",
        "later: added, and waits for a variable\n  /skills/later/env/KEY: ${MY_KEY} is not approved",
        "off: added\n  disabled; `mimo skill enable off`",
        "taken: refused\n  skills.json has another skill of that name",
        "; next: ",
        "3 of 6 added to ",
    ] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    let shown = [
        tried,
        done,
        mimo(&fixture, &["import", file, "--json", "--dry-run"]),
    ];
    for ran in &shown {
        assert!(!format!("{ran:?}").contains("tops3cret"), "{ran:?}");
    }
    let document: Value = serde_json::from_str(&shown[2].out).expect("JSON");
    assert_eq!(document["servers"][0]["state"], "present", "{document}");
    let skills = &manifest(&fixture)["skills"];
    assert_eq!(skills["one"]["env"]["API_TOKEN"], "tops3cret");
    let keys: Vec<_> = skills.as_object().expect("skills").keys().collect();
    assert_eq!(keys, ["taken", "one", "later", "off"]);
    for wrong in ["none.json", "zed"] {
        let none = mimo(&fixture, &["import", wrong]);
        assert!(
            none.code == Some(1) && none.err.contains("there is no file"),
            "{none:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn adopting_leaves_only_mimo_and_removing_puts_all_back() {
    let fixture = Fixture::new();
    let server = server(&fixture);
    let json = format!(
        "{{\n  // mine\n  \"mcpServers\": {{\n    \"one\": {{ \"command\": \"{server}\", \"env\": \
         {{ \"TOKEN\": \"tops3cret\" }} }}, // the first\n    \"far\": {{ \"url\": \"https://e.com\" }},\n    \
         \"two\": {{ \"command\": \"{server}\" }}\n  }}\n}}\n"
    );
    let toml = format!(
        "model = 'x' # mine\n\n# the first\n[mcp_servers.one]\ncommand = '{server}'\n\n\
         [mcp_servers.one.env]\nTOKEN = 'tops3cret'\n\n[mcp_servers.far]\nurl = 'https://e.com'\n\n\
         [mcp_servers.two]\ncommand = '{server}'\n"
    );
    let opencode = json.replace("mcpServers", "mcp").replace(
        &format!("\"command\": \"{server}\", \"env\""),
        &format!("\"type\": \"local\", \"command\": [\"{server}\"], \"environment\""),
    );
    for (client, name, before) in [
        ("cursor", ".cursor/mcp.json", &json),
        ("codex", ".codex/config.toml", &toml),
        ("gemini", ".gemini/settings.json", &json),
        ("opencode", ".config/opencode/opencode.jsonc", &opencode),
    ] {
        let path = client_file(&fixture, name, before);
        // Each client finds none of the servers there.
        let _ = std::fs::remove_file(fixture.path("config/skills.json"));
        let read = || std::fs::read_to_string(&path).expect("a file");
        let copy = PathBuf::from(format!("{}.before-mimo", path.display()));
        let adopt = ["setup", client, "--adopt", "--later"];
        let tried = run(&fixture, &[&adopt[..], &["--dry-run"]].concat());
        assert!(
            tried.code == Some(0) && read() == *before && !copy.exists(),
            "{tried:?}"
        );
        let done = run(&fixture, &adopt);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:?}");
        assert!(!format!("{tried:?}{done:?}").contains("tops3cret"));
        assert!(
            done.out.contains("what was refused stays with "),
            "{done:?}"
        );
        assert!(done.out.contains(".before-mimo\n"), "{done:?}");
        let left = read();
        for gone in ["one", "two", "tops3cret"] {
            assert!(!left.contains(gone), "{gone}: {left}");
        }
        assert!(left.contains("mimo") && left.contains("e.com"), "{left}");
        assert!(manifest(&fixture).to_string().contains("tops3cret"));
        let mode = copy.metadata().expect("a copy").permissions().mode() & 0o777;
        assert_eq!(
            (&std::fs::read_to_string(&copy).expect("a copy"), mode),
            (before, 0o600)
        );
        // Again, nothing is lost.
        assert_eq!(run(&fixture, &adopt).code, Some(0));
        assert_eq!(read(), left);
        let removed = run(&fixture, &["setup", client, "--remove"]);
        assert_eq!(removed.code, Some(0), "{removed:?}");
        assert!(removed.out.contains("back in the file"), "{removed:?}");
        assert_eq!(&read(), before, "every byte");
        assert!(!copy.exists());

        // A file that was changed since keeps its changes.
        assert_eq!(run(&fixture, &adopt).code, Some(0));
        let changed = match client {
            "codex" => format!("{left}\n[mcp_servers.new]\ncommand = 'new'\n[tui]\nx = 1\n"),
            _ => left
                .replace("// mine", "\"x\": 1,")
                .replace("\"far\"", "\"new\": {\"command\": \"new\"}, \"far\""),
        };
        std::fs::write(&path, &changed).expect("a file");
        assert_eq!(run(&fixture, &["setup", client, "--remove"]).code, Some(0));
        let merged = match client {
            "codex" => toml::from_str::<Value>(&read()).expect("TOML"),
            _ => serde_json::from_str(&read().replace("// the first", "")).expect("JSON"),
        };
        let maps = ["mcpServers", "mcp_servers", "mcp"];
        let servers = maps.into_iter().find_map(|map| merged.get(map));
        let servers = servers.and_then(Value::as_object).expect("servers");
        let mut names: Vec<_> = servers.keys().collect();
        names.sort();
        assert_eq!(names, ["far", "new", "one", "two"], "{merged}");
        assert!(servers["one"].to_string().contains("tops3cret"));
        assert!(merged["x"] == 1 || merged["tui"]["x"] == 1, "{merged}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn servers_of_the_project_are_adopted_and_put_back_too() {
    let fixture = Fixture::new();
    let entry = json!({"command": server(&fixture)});
    let work = fixture.path("home/work").display().to_string();
    let before = json!({
        "mcpServers": {"one": entry},
        "projects": {
            "/other": {"mcpServers": {"three": entry}},
            &work: {"history": [1], "mcpServers": {"two": entry}},
        },
    });
    let path = client_file(&fixture, ".claude.json", &before.to_string());
    let read = || -> Value {
        serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON")
    };
    let done = run(&fixture, &["setup", "claude-code", "--adopt", "--later"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let mut left = read();
    assert_eq!(left["projects"]["/other"], before["projects"]["/other"]);
    let emptied = json!({"history": [1], "mcpServers": {}});
    assert_eq!(left["projects"][&work], emptied);
    let names: Vec<_> = left["mcpServers"]
        .as_object()
        .expect("servers")
        .keys()
        .collect();
    assert_eq!(names, ["mimo"]);
    // The client has written its file since.
    left["projects"][&work]["history"] = json!([1, 2]);
    std::fs::write(&path, left.to_string()).expect("a file");
    let removed = run(&fixture, &["setup", "claude-code", "--remove"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    let mut expected = before;
    expected["projects"][&work]["history"] = json!([1, 2]);
    assert_eq!(read(), expected);
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_cannot_be_installed_stays_with_its_client() {
    let fixture = Fixture::new();
    let text = json!({"mcpServers": {
        "package": {"command": "npx", "args": ["-y", "some-package"]},
        "own": {"command": server(&fixture)},
    }});
    let path = client_file(&fixture, ".cursor/mcp.json", &text.to_string());
    // Packages are kept in a folder of this name.
    fixture.file("data/packages", 0o600);
    let done = run(&fixture, &["setup", "cursor", "--adopt"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("package: refused\n"), "{done:?}");
    assert!(done.out.contains("with --later\n"), "{done:?}");
    let left = std::fs::read_to_string(&path).expect("a file");
    assert!(
        left.contains("some-package") && !left.contains("own"),
        "{left}"
    );
    let skills = manifest(&fixture);
    let keys: Vec<_> = skills["skills"]
        .as_object()
        .expect("skills")
        .keys()
        .collect();
    assert_eq!(keys, ["own"]);
}
