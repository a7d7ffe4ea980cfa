//! The commands one by one: output, exit codes and files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::home::{Home, MIMO, ran};
use crate::support::machine;

#[test]
fn help_has_examples_and_goes_to_stdout() {
    let home = Home::new();
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["search", "--help"],
        &["remember", "--help"],
        &["ask", "--help"],
        &["status", "--help"],
        &["call", "--help"],
        &["tools", "--help"],
        &["memory", "--help"],
        &["memory", "import", "--help"],
        &["procedure", "--help"],
        &["procedure", "run", "--help"],
        &["procedure", "approve", "--help"],
        &["skill", "--help"],
        &["skill", "add", "--help"],
        &["skill", "check", "--help"],
        &["keys", "--help"],
        &["setup", "--help"],
        &["backup", "--help"],
        &["verify", "--help"],
        &["update", "--help"],
        &["demo", "--help"],
        &["completions", "--help"],
        &["man", "--help"],
    ] {
        let helped = home.run(arguments);
        assert_eq!(helped.code, Some(0), "{arguments:?}");
        assert!(
            helped.out.contains("Examples:"),
            "{arguments:?}: {helped:?}"
        );
        assert!(!helped.out.contains("fixture"), "hidden: {helped:?}");
        assert_eq!(helped.err, "");
    }
    let version = home.run(&["--version"]);
    assert_eq!(version.out, format!("mimo {}\n", env!("CARGO_PKG_VERSION")));
    assert!(!home.data().exists(), "help makes no files");
}

#[test]
fn help_examples_find_what_they_stored() {
    for arguments in [&["--help"][..], &["call", "--help"]] {
        let home = Home::new();
        let help = home.run(arguments).out;
        let mut searches = 0;
        for line in help.lines() {
            let stores = ["  mimo call ", "  mimo remember ", "  mimo search "];
            if !stores.iter().any(|start| line.starts_with(start)) {
                continue;
            }
            // What stands apart is a comment.
            let typed = line.trim().split("   ").next().expect("a command");
            let variables = home.command(&[]);
            let variables = variables.get_envs();
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &typed.replacen("mimo", MIMO, 1)])
                .envs(variables.filter_map(|(name, value)| Some((name, value?))));
            let done = ran(shell, "");
            assert_eq!(done.code, Some(0), "{typed}: {done:?}");
            if typed.contains("search") {
                searches += 1;
                let nothing = done.out.is_empty() || done.out.contains("\"items\":[]");
                assert!(!nothing, "{typed} finds nothing");
            }
        }
        assert!(searches > 0, "{arguments:?} has a search");
    }
}

/// The commands that `mimo ARGUMENTS --help` lists.
fn listed(home: &Home, arguments: &[&str]) -> Vec<String> {
    let help = home.run(&[arguments, &["--help"]].concat()).out;
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let named = lines.take_while(|line| !line.is_empty());
    let names = named.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty() && *name != "help");
    names.map(str::to_owned).collect()
}

#[test]
fn the_guide_names_every_command() {
    let home = Home::new();
    let guide = std::fs::read_to_string("install/guide/settings.md").expect("the guide");
    let commands = listed(&home, &[]);
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let start = format!("mimo {command} ");
        let line = guide.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("the guide does not name mimo {command}"));
        for verb in listed(&home, &[&command]) {
            assert!(line.contains(&verb), "{line:?} does not name {verb}");
        }
    }
}

#[test]
fn wrong_usage_exits_with_2_and_a_suggestion() {
    let home = Home::new();
    for (arguments, said) in [
        (&["sreve"][..], "serve"),
        (&["tools", "--jsn"], "--json"),
        (
            &["procedure", "history", "--status", "ended"],
            "waiting_approval",
        ),
        (&["call"], "TOOL"),
        (&["completions", "dosh"], "bash"),
        (&["call", "memory_serach"], "did you mean \"memory_search"),
        (&["call", "memory_search", "{query:1}"], "not JSON"),
        (&["call", "memory_search", "[1]"], "not a JSON object"),
        (
            &[
                "call",
                "memory_store",
                "{\"content\":\"a\",\"importance\":7}",
            ],
            "/importance",
        ),
        (&["tools", "--project", "*"], "--project"),
        (&["tools", "--data-dir", "~/mimo"], "only a shell expands ~"),
    ] {
        let refused = home.run(arguments);
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.err.contains(said), "{arguments:?}: {refused:?}");
        assert_eq!(refused.out, "", "{arguments:?}");
    }
}

#[test]
fn tool_failure_exits_with_1_and_is_a_document_with_json() {
    let home = Home::new();
    let edit = [
        "call",
        "memory_edit",
        "{\"action\":\"forget\",\"ids\":[99]}",
    ];
    let failed = home.run(&edit);
    assert_eq!(
        (failed.code, failed.out.as_str()),
        (Some(1), ""),
        "{failed:?}"
    );
    assert!(failed.err.starts_with("mimo: "), "{failed:?}");
    assert!(failed.err.contains("\n  next: "), "{failed:?}");
    let failed = home.run(&[&edit[..], &["--json"]].concat());
    assert_eq!(
        (failed.code, failed.err.as_str()),
        (Some(1), ""),
        "{failed:?}"
    );
    assert_eq!(failed.json()["error"]["kind"], "not_found");
}

#[test]
fn call_prints_one_document_and_the_next_process_finds_the_memory() {
    let home = Home::new();
    let stored = home.call(&["memory_store", "{\"content\":\"Raj deploys on Mondays\"}"]);
    assert_eq!(stored["results"][0]["outcome"], "created");
    let found = home.run(&["call", "memory_search", "{\"query\":\"deploys\"}"]);
    assert_eq!(
        found.out.lines().count(),
        1,
        "compact off a terminal: {found:?}"
    );
    assert_eq!(
        found.json()["items"][0]["content"],
        "Raj deploys on Mondays"
    );

    let batch = json!({"memories": [{"content": "one"}, {"content": "two"}]}).to_string();
    let stored = home.run_with(&["call", "memory_store", "-"], &batch);
    assert_eq!(stored.json()["results"].as_array().map(Vec::len), Some(2));
    let newest = home.call(&["memory_search"]);
    assert_eq!(newest["items"].as_array().map(Vec::len), Some(3));
}

#[test]
fn projects_are_separate_and_global_is_shared() {
    let home = Home::with_config("project = \"from-file\"");
    let store = |project: &[&str], content: &str| {
        let memory = json!({ "content": content }).to_string();
        home.call(&[&["memory_store", memory.as_str()], project].concat())
    };
    store(&["--project", "alpha"], "the colour of alpha is red");
    store(&["--project", "global"], "the colour of everything is grey");
    store(&[], "the colour of the file is blue");
    for (project, sees) in [
        (&["--project", "alpha"][..], ["grey", "red"]),
        (&[], ["blue", "grey"]),
    ] {
        let found = home.call(&[&["memory_search", "{\"query\":\"colour\"}"], project].concat());
        let items = found["items"].as_array().expect("items");
        let mut seen: Vec<_> = items
            .iter()
            .filter_map(|item| item["content"].as_str()?.rsplit(' ').next())
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, sees, "{project:?}");
    }
}

#[test]
fn piped_input_without_a_command_is_served() {
    let readme = include_str!("../../README.md");
    let example = readme.lines().find(|line| line.starts_with("printf "));
    let example = example
        .expect("an example")
        .replace("| mimo", "| \"$MIMO\"");
    let home = Home::new();
    home.call(&[
        "memory_store",
        "{\"content\":\"The launch date is 9 March\"}",
    ]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &example])
        .env("MIMO", MIMO)
        .env("MIMO_CONFIG_DIR", home.path().join("config"))
        .env("MIMO_DATA_DIR", home.data());
    let answered = ran(shell, "");
    assert_eq!(answered.code, Some(0), "{answered:?}");
    let answer = answered.json();
    assert_eq!(answer["id"], 1);
    let text = answer["result"]["content"][0]["text"].as_str();
    assert!(
        text.is_some_and(|text| text.contains("9 March")),
        "{answer}"
    );
}

#[test]
fn stdout_carries_only_protocol_lines_at_any_log_level() {
    let home = Home::new();
    let mut serve = home.command(&["serve"]);
    serve.env("MIMO_LOG", "trace");
    let request = |id: u32, method: &str| {
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}}).to_string()
    };
    let input = format!("{}\n{}\n", request(1, "tools/list"), request(2, "nonsense"));
    let served = ran(serve, &input);
    assert_eq!(served.code, Some(0), "{served:?}");
    let answers: Vec<Value> = served
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect();
    assert_eq!(answers.len(), 2, "{served:?}");
    assert!(answers.iter().all(|answer| answer["jsonrpc"] == "2.0"));
    assert!(
        served.err.contains("serving on stdio"),
        "logged: {served:?}"
    );
    assert_eq!(
        home.run_with(&["serve"], "").code,
        Some(0),
        "an empty input is fine"
    );
}

#[test]
fn tools_are_listed_for_people_and_for_scripts() {
    let home = Home::new();
    let listed = home.run(&["tools"]);
    let names = [
        "memory_store",
        "memory_search",
        "memory_edit",
        "graph_update",
        "graph_query",
        "ask_mimo",
        "procedure_find",
        "procedure_define",
        "procedure_run",
        "skill_find",
        "skill_read",
        "skill_call",
        "mimo_status",
    ];
    for name in names {
        assert!(
            listed.out.lines().any(|line| line.starts_with(name)),
            "{listed:?}"
        );
    }
    let search = listed
        .out
        .lines()
        .find(|line| line.starts_with("memory_search"));
    assert!(
        search.is_some_and(|line| line.contains("  reads  ")),
        "{listed:?}"
    );
    let tools = home.run(&["tools", "--json"]).json();
    let tools = tools["tools"].as_array().expect("a list").clone();
    assert_eq!(tools.len(), names.len());
    assert!(
        tools
            .iter()
            .all(|tool| tool["inputSchema"]["type"] == "object")
    );
}

#[test]
fn invalid_settings_are_refused_before_serving() {
    for (config, said, next) in [
        (
            "projet = \"a\"",
            "config.toml:1: there is no setting projet",
            "did you mean \"project\"?",
        ),
        (
            "\n[memory.weights]\nkeyword = 3",
            "config.toml:3: memory.weights.keyword",
            "keyword = 0.3",
        ),
        ("[memory", "config.toml:1: not TOML", "one setting a line"),
    ] {
        let home = Home::with_config(config);
        for arguments in [&["serve"][..], &["tools"], &["call", "mimo_status"], &[]] {
            let refused = home.run(arguments);
            assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
            assert!(refused.err.contains(said), "{arguments:?}: {refused:?}");
            assert!(refused.err.contains(next), "{arguments:?}: {refused:?}");
            assert_eq!(refused.out, "");
        }
        assert!(!home.data().exists(), "nothing was made");
    }
}

#[test]
fn all_files_are_private_to_their_owner() {
    let home = Home::new();
    home.call(&["memory_store", "{\"content\":\"a secret\"}"]);
    let mut seen = Vec::new();
    let mut folders = vec![home.data()];
    while let Some(folder) = folders.pop() {
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                seen.push(path.file_name().expect("a name").to_owned());
            }
        }
    }
    for name in ["mimo.db", "mimo.log"] {
        assert!(seen.iter().any(|each| each == name), "{seen:?}");
    }
}

#[test]
fn unwritable_log_is_reported_once_and_stops_nothing() {
    let home = Home::new();
    std::fs::create_dir(home.data()).expect("a folder");
    std::fs::write(home.data().join("logs"), "in the way").expect("a file");
    let called = home.run(&["call", "memory_search"]);
    assert_eq!(called.code, Some(0), "{called:?}");
    assert_eq!(
        called.err.matches("no log file is written").count(),
        1,
        "{called:?}"
    );
}

#[test]
fn closed_stdout_is_not_an_error() {
    let home = Home::new();
    for arguments in [
        &["tools"][..],
        &["demo"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = home.command(arguments);
        let output = command.stdout(writer).output().expect("mimo starts");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
        assert_eq!(err, "", "{arguments:?}");
    }
}

#[test]
fn completions_are_scripts_that_name_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{shell}");
        assert!(script.out.contains("MIMO_COMPLETE"), "{shell}");
    }
    skip_unless!(machine::program("bash"));
    let script = home.run(&["completions", "bash"]).out;
    let mut bash = Command::new("bash");
    bash.arg("-n");
    let parsed = ran(bash, &script);
    assert_eq!((parsed.code, parsed.err.as_str()), (Some(0), ""));
}

#[test]
fn manual_has_a_page_for_each_command() {
    let home = Home::new();
    let folder = home.path().join("new").join("man1");
    let written = home.run(&["man", folder.to_str().expect("UTF-8")]);
    assert_eq!((written.code, &*written.err), (Some(0), ""), "{written:?}");
    for (page, says) in [
        ("mimo.1", "search"),
        ("mimo-memory-erase.1", "nothing brings"),
    ] {
        let page = std::fs::read_to_string(folder.join(page)).expect("a page");
        assert!(page.contains(".TH ") && page.contains(says), "{page}");
    }
    std::fs::write(home.path().join("file"), "").expect("a file");
    let beside = home.path().join("file");
    let refused = home.run(&["man", beside.to_str().expect("UTF-8")]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("were not written"), "{refused:?}");
}

#[test]
fn demo_succeeds_and_touches_no_user_file() {
    let home = Home::new();
    let temporary = home.path().join("tmp");
    std::fs::create_dir(&temporary).expect("a folder");
    let mut demo = home.command(&["demo", "--json"]);
    demo.env("DB_PATH", home.path().join("own.db"))
        .env("TMPDIR", &temporary);
    let told = ran(demo, "");
    assert_eq!(told.code, Some(0), "{told:?}");
    let steps: Vec<Value> = told
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect();
    assert!(steps.len() > 10);
    assert!(steps.iter().all(|step| step["ok"] == true), "{told:?}");
    let left: Vec<_> = std::fs::read_dir(home.path()).expect("the home").collect();
    assert_eq!(left.len(), 1, "only tmp is there: {left:?}");
    assert_eq!(
        std::fs::read_dir(&temporary).expect("tmp").count(),
        0,
        "and it is empty"
    );
}

#[test]
fn doctor_fails_where_an_entry_or_a_folder_cannot_be_used() {
    let home = Home::new();
    let doctor = || {
        let mut command = home.command(&["doctor"]);
        command.env("HOME", home.path());
        ran(command, "")
    };
    assert_eq!(doctor().code, Some(0));
    let config = home.path().join("config");
    std::fs::create_dir_all(&config).expect("made");
    let file = config.join("skills.json");
    for entries in ["{\"mcpServers\":{\"a\":{\"command\":\"sh\"}}}", "{"] {
        std::fs::write(&file, entries).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        let found = doctor();
        assert_eq!(found.code, Some(1), "{found:?}");
        assert!(found.out.contains("mimo skill check"), "{found:?}");
    }
    std::fs::remove_file(&file).expect("removed");
    std::fs::remove_dir_all(home.data()).expect("removed");
    std::fs::write(home.data(), "not a folder").expect("written");
    let found = doctor();
    assert_eq!(found.code, Some(1), "{found:?}");
}
