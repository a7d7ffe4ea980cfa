//! `mimo setup` on realistic settings files, each in its own home folder.

mod list;
mod many;
mod readable;
mod remote;
mod yaml;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::home::{MIMO, Ran, copy_program, ran};

/// A home folder with clients' settings in their default places.
struct Account(TempDir);

impl Account {
    fn new() -> Account {
        let account = Account(tempfile::tempdir().expect("a temporary folder"));
        fs::create_dir(account.path().join("work")).expect("a folder");
        account
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .arg("setup")
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .current_dir(self.path().join("work"));
        command
    }

    fn setup(&self, arguments: &[&str]) -> Ran {
        ran(self.command(Path::new(MIMO), arguments), "")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let done = self.setup(&[arguments, &["--json"]].concat());
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:?}");
        done.json()
    }

    fn put(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// The path of Zed's and VS Code's settings.
    fn settings(&self, path: &str) -> String {
        match cfg!(target_os = "macos") && !path.starts_with("zed") {
            true => format!("Library/Application Support/{path}"),
            false => format!(".config/{path}"),
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a readable file")
}

/// Names of everything in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn every_client_gets_an_entry_that_starts_this_program() {
    for (client, file, pointer) in [
        (
            "claude-desktop",
            "Claude/claude_desktop_config.json",
            "/mcpServers/mimo",
        ),
        ("claude-code", "~/.claude.json", "/mcpServers/mimo"),
        ("cursor", "~/.cursor/mcp.json", "/mcpServers/mimo"),
        ("vscode", "Code/User/mcp.json", "/servers/mimo"),
        (
            "windsurf",
            "~/.codeium/windsurf/mcp_config.json",
            "/mcpServers/mimo",
        ),
        ("zed", "zed/settings.json", "/context_servers/mimo"),
        ("codex", "~/.codex/config.toml", "/mcp_servers/mimo"),
        ("gemini", "~/.gemini/settings.json", "/mcpServers/mimo"),
        ("opencode", "opencode/opencode.json", "/mcp/mimo"),
        (
            "vscode-insiders",
            "Code - Insiders/User/mcp.json",
            "/servers/mimo",
        ),
        (
            "cline",
            "~/.cline/data/settings/cline_mcp_settings.json",
            "/mcpServers/mimo",
        ),
        ("lm-studio", "~/.lmstudio/mcp.json", "/mcpServers/mimo"),
        (
            "jan",
            "~/.local/share/Jan/data/mcp_config.json",
            "/mcpServers/mimo",
        ),
    ] {
        let account = Account::new();
        let file = match file.strip_prefix("~/") {
            Some(inside) => account.path().join(inside),
            None => account.path().join(account.settings(file)),
        };
        let data = account.path().join("da ta");
        let data = data.to_str().expect("UTF-8");
        let given = ["--project", "website", "--data-dir", data];
        let done = account.json(&[&[client][..], &given].concat());
        assert_eq!(done["file"], file.to_str().expect("UTF-8"), "{done}");
        assert_eq!(done["changed"], true);
        assert!(
            done["next"]
                .as_str()
                .expect("a next step")
                .contains("restart")
        );
        let written = match client {
            "codex" => toml::from_str(&read(&file)).expect("TOML"),
            _ => serde_json::from_str::<Value>(&read(&file)).expect("JSON"),
        };
        let entry = written.pointer(pointer).expect("the entry");
        let words = [&[MIMO][..], &given].concat();
        match client {
            "opencode" => assert_eq!(entry["command"], json!(words)),
            _ => assert_eq!(entry["command"], MIMO),
        }
        let args = entry.get("args").cloned();
        assert_eq!(args, (client != "opencode").then(|| json!(given)));
        let is_typed = entry.get("type") == Some(&json!("stdio"));
        assert_eq!(is_typed, client.starts_with("vscode"), "{entry}");
        let is_local = entry.get("type") == Some(&json!("local"));
        assert_eq!(is_local, client == "opencode", "{entry}");
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        let folder = file.parent().expect("a folder");
        assert!(
            folder == account.path() || mode(folder) == 0o700,
            "{client}"
        );
        assert!(!Path::new(data).exists(), "setting up makes no data");

        // Setup again, then removal.
        let before = (read(&file), fs::metadata(&file).expect("there").ino());
        assert_eq!(
            account.json(&[&[client][..], &given].concat())["changed"],
            false
        );
        let after = (read(&file), fs::metadata(&file).expect("there").ino());
        assert_eq!(before, after, "not even written again");
        let removed = account.json(&[client, "--remove"]);
        assert_eq!(
            (&removed["changed"], &removed["entry"]),
            (&json!(true), &Value::Null)
        );
        assert_eq!(removed["was"]["command"], MIMO);
        assert!(!read(&file).contains("website"), "{}", read(&file));
        assert_eq!(account.json(&[client, "--remove"])["changed"], false);
    }
}

#[test]
fn setup_prints_what_happened_and_what_to_do_next() {
    let account = Account::new();
    let file = account.put(
        ".cursor/mcp.json",
        "{\n  // mine\n  \"mcpServers\": {\n    \"a\": {}\n  }\n}\n",
    );
    let before = read(&file);
    let tried = account.setup(&["cursor", "--dry-run"]);
    assert_eq!(tried.code, Some(0), "{tried:?}");
    for shown in [
        "would be set up in Cursor",
        "-     \"a\": {}\n",
        "+     \"a\": {},\n",
        "+     \"mimo\": {\n",
        "  \"mcpServers\": {\n",
        "without --dry-run",
    ] {
        assert!(tried.out.contains(shown), "{shown}: {}", tried.out);
    }
    assert_eq!(read(&file), before);
    let done = account.setup(&["cursor"]);
    for shown in [
        "Mimo is set up in Cursor",
        file.to_str().expect("UTF-8"),
        MIMO,
        "build folder",
        "next: restart Cursor",
    ] {
        assert!(done.out.contains(shown), "{shown}: {}", done.out);
    }
    assert!(account.setup(&["cursor"]).out.contains("already"));
    assert!(
        account
            .setup(&["cursor", "--remove"])
            .out
            .contains("removed from Cursor")
    );
    assert_eq!(read(&file), before);
    assert!(
        account
            .setup(&["cursor", "--remove"])
            .out
            .contains("nothing to remove")
    );
    // Only our part of an older entry changes, and the change is shown.
    let file = account.put(".codex/config.toml",
        "[mcp_servers.mimo]\ncommand = '/old/mimo' # here\nargs = ['--profile', 'core']\nenv = { A = 'b' }\n");
    let done = account.setup(&["codex"]);
    assert!(
        done.out.contains("was:    command: '/old/mimo'"),
        "{}",
        done.out
    );
    assert!(done.out.contains("'--profile', 'core'"), "{}", done.out);
    let expected =
        format!("[mcp_servers.mimo]\ncommand = {MIMO:?} # here\nargs = []\nenv = {{ A = 'b' }}\n");
    assert_eq!(read(&file), expected);
}

#[test]
fn dry_run_writes_nothing() {
    let account = Account::new();
    let tried = account.json(&["windsurf", "--dry-run"]);
    assert_eq!(
        (&tried["changed"], &tried["would_change"]),
        (&json!(false), &json!(true))
    );
    assert!(
        tried["difference"].as_array().expect("lines").len() > 5,
        "{tried}"
    );
    assert_eq!(names(account.path()), ["work"]);
}

#[test]
fn byte_order_mark_crlf_and_file_mode_are_kept() {
    let account = Account::new();
    let text = "\u{feff}// Zed\r\n{\r\n\t\"theme\": \"One\",\r\n}\r\n";
    let file = account.put(".config/zed/settings.json", text);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("its mode");
    account.json(&["zed"]);
    let changed = read(&file);
    assert!(
        changed.starts_with("\u{feff}// Zed\r\n{\r\n\t\"theme\": \"One\",\r\n\t\"context"),
        "{changed:?}"
    );
    assert_eq!(
        changed.matches('\n').count(),
        changed.matches("\r\n").count()
    );
    assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o640);
    account.json(&["zed", "--remove"]);
    assert!(
        read(&file).contains("\"theme\": \"One\",\r\n"),
        "{}",
        read(&file)
    );
}

#[test]
fn symlink_is_followed_and_kept() {
    let account = Account::new();
    let real = account.put("dotfiles/cursor.json", "{}\n");
    fs::create_dir(account.path().join(".cursor")).expect("a folder");
    let link = account.path().join(".cursor/mcp.json");
    symlink("../dotfiles/cursor.json", &link).expect("a link");
    account.json(&["cursor"]);
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    assert!(read(&real).contains("\"mimo\""));
    assert_eq!(names(&account.path().join("dotfiles")), ["cursor.json"]);

    fs::remove_file(&real).expect("gone");
    let refused = account.setup(&["cursor"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("link to a file that does not exist"),
        "{}",
        refused.err
    );
    assert!(!real.exists());
}

#[test]
fn unchangeable_settings_are_refused_with_path_and_reason() {
    let account = Account::new();
    for (client, file, text, place, reason) in [
        (
            "cursor",
            ".cursor/mcp.json",
            "{\n  \"mcpServers\": {\n",
            "mcp.json:2:17:",
            "object",
        ),
        (
            "codex",
            ".codex/config.toml",
            "model = 'x'\n[tui\n",
            "config.toml:2:5:",
            "",
        ),
        (
            "cursor",
            ".cursor/mcp.json",
            "{\"mcpServers\": {\"mimo\": {\"url\": \"https://x\"}}}",
            "",
            "\"url\"",
        ),
        ("cursor", ".cursor/mcp.json", "[1]", "", "not an object"),
    ] {
        let file = account.put(file, text);
        for dry_run in [&[][..], &["--dry-run"]] {
            let refused = account.setup(&[&[client][..], dry_run].concat());
            assert_eq!(refused.code, Some(1), "{text}: {refused:?}");
            assert!(refused.err.contains(place), "{place}: {}", refused.err);
            assert!(refused.err.contains(reason), "{reason}: {}", refused.err);
            assert!(
                refused.err.contains("next: the file is unchanged"),
                "{}",
                refused.err
            );
        }
        assert_eq!(read(&file), text);
        let folder = file.parent().expect("a folder");
        assert_eq!(names(folder).len(), 1, "nothing is left beside it");
    }
    let file = account.path().join(".cursor/mcp.json");
    fs::write(&file, b"{}\n\n\xff").expect("a file");
    let refused = account.setup(&["cursor"]);
    assert!(
        refused.err.contains("not UTF-8 text (in line 3)"),
        "{}",
        refused.err
    );
    fs::remove_file(&file).expect("gone");
    fs::create_dir(&file).expect("a folder");
    let refused = account.setup(&["cursor"]);
    assert!(
        refused.err.contains("not a regular file"),
        "{}",
        refused.err
    );
    // Wrong usage has a different exit code than an invalid file.
    for arguments in [
        &["emacs"][..],
        &["--here"],
        &["windsurf", "--here"],
        &["zed", "--project", "*"],
    ] {
        let refused = account.setup(arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
    let refused = account.setup(&["cursor", "--json"]);
    assert_eq!(
        refused.json()["error"]["kind"],
        "unavailable",
        "{refused:?}"
    );
}

#[test]
fn read_only_folder_and_file_are_left_unchanged() {
    let account = Account::new();
    let file = account.put(".cursor/mcp.json", "{}\n");
    let folder = file.parent().expect("a folder");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
    };
    mode(&file, 0o444);
    let refused = account.setup(&["cursor"]);
    assert!(refused.err.contains("read-only"), "{refused:?}");
    mode(&file, 0o644);
    mode(folder, 0o555);
    let mut command = account.command(Path::new(MIMO), &["cursor"]);
    if nix::unistd::geteuid().is_root() {
        // Root may write everywhere, so another user runs this, with a copy of
        // the binary since it may not enter the build folder.
        let copy = account.path().join("mimo");
        copy_program(&copy);
        mode(account.path(), 0o755);
        command = account.command(&copy, &["cursor"]);
        command.uid(65_534).gid(65_534);
    }
    let refused = ran(command, "");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused
            .err
            .contains("nothing was changed; check that your account"),
        "{refused:?}"
    );
    mode(folder, 0o755);
    assert_eq!((read(&file).as_str(), names(folder).len()), ("{}\n", 1));
}

#[test]
fn project_in_the_current_folder_has_its_own_file() {
    let account = Account::new();
    for (client, file) in [
        ("claude-code", ".mcp.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".vscode/mcp.json"),
        ("zed", ".zed/settings.json"),
        ("codex", ".codex/config.toml"),
        ("gemini", ".gemini/settings.json"),
        ("opencode", "opencode.json"),
    ] {
        account.json(&[client, "--here", "--project", "site"]);
        let text = read(&account.path().join("work").join(file));
        assert!(text.contains("site"), "{text}");
    }
    assert_eq!(names(account.path()), ["work"]);
    let listed = account.json(&[]);
    let rows = listed["clients"].as_array().expect("rows");
    assert_eq!(rows.len(), 15 + 7, "{listed}");
    let here = rows.iter().filter(|row| row["state"] == "set up");
    assert_eq!(here.count(), 7, "{listed}");
}

/// Setup follows the clients' own environment variables.
#[test]
fn configured_client_folders_are_found() {
    let account = Account::new();
    for (client, variable, file) in [
        ("codex", "CODEX_HOME", "config.toml"),
        ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("continue", "CONTINUE_GLOBAL_DIR", "config.yaml"),
        ("goose", "GOOSE_PATH_ROOT", "config"),
        ("jan", "JAN_DATA_FOLDER", "mcp_config.json"),
    ] {
        let folder = account.path().join(client);
        let mut command = account.command(Path::new(MIMO), &[client]);
        command.env(variable, &folder);
        let done = ran(command, "");
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!(names(&folder), [file]);
    }
}
