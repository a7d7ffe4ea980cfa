//! `mimo doctor` on machines with something wrong: each test makes one fault.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::home::{Home, MIMO, Ran, copy_program, ran};
use crate::support::machine;

/// An account whose home folder is its own.
struct Account(Home);

impl Account {
    fn new() -> Account {
        Account(Home::new())
    }

    /// With a memory in the database.
    fn used() -> Account {
        let account = Account::new();
        account
            .0
            .call(&["memory_store", "content=The launch is in March"]);
        account
    }

    fn path(&self, inside: &str) -> std::path::PathBuf {
        self.0.path().join(inside)
    }

    fn put(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    }

    fn command(&self) -> Command {
        let mut command = self.0.command(&["doctor", "--json"]);
        command.env("HOME", self.0.path());
        command
    }

    fn doctor(&self) -> Ran {
        ran(self.command(), "")
    }
}

/// The findings called `name` in one of the parts.
fn findings(ran: &Ran, name: &str) -> Vec<Value> {
    let document = ran.json();
    let parts = ["mimo", "clients", "programs"].map(|part| document[part].clone());
    let all = parts.iter().filter_map(Value::as_array).flatten();
    all.filter(|each| each["name"] == name).cloned().collect()
}

/// Checks that the fault was found, with these words and this fix, and that the exit
/// code says so where something failed.
fn check(ran: &Ran, name: &str, state: &str, why: &str, next: &str) {
    let found = findings(ran, name);
    let says = |each: &&Value, key: &str, words: &str| {
        each[key].as_str().is_some_and(|text| text.contains(words))
    };
    let fits = found
        .iter()
        .find(|each| each["state"] == state && says(each, "why", why));
    let fits = fits.unwrap_or_else(|| panic!("no {state} {name} with {why:?}: {ran:?}"));
    assert!(says(&fits, "next", next), "{next:?}: {fits}");
    let code = if state == "failed" { 1 } else { 0 };
    assert_eq!(ran.code, Some(code), "{ran:?}");
}

#[test]
fn sound_machine_has_no_fault() {
    let account = Account::used();
    let folder = Path::new(MIMO).parent().expect("a folder");
    let mut command = account.command();
    command.env("PATH", folder);
    let found = ran(command, "");
    assert_eq!(found.code, Some(0), "{found:?}");
    let document = found.json();
    for each in document["mimo"].as_array().expect("findings") {
        assert_eq!(each["state"], "ok", "{each}");
        assert!(each.get("next").is_none(), "{each}");
    }
    assert_eq!(document["clients"], json!([]));
}

#[test]
fn shell_without_mimo_or_with_another_one_is_told() {
    let account = Account::new();
    let mut command = account.command();
    command.env("PATH", "/usr/bin:/bin");
    check(
        &ran(command, ""),
        "PATH",
        "missing",
        "not on the PATH",
        "to PATH",
    );
    account.put("bin/mimo", "#!/bin/sh\n");
    let mut command = account.command();
    command.env("PATH", account.path("bin"));
    check(
        &ran(command, ""),
        "PATH",
        "partial",
        "bin/mimo, not ",
        "remove the one",
    );
}

#[test]
fn folders_and_files_that_cannot_be_written_are_named() {
    let account = Account::used();
    let database = account.path("data/mimo.db");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).expect("a mode");
    let next = format!("chmod 600 {}", database.display());
    check(
        &account.doctor(),
        "database file",
        "partial",
        "other accounts",
        &next,
    );
    let account = Account::new();
    account.put("data", "");
    check(
        &account.doctor(),
        "data folder",
        "failed",
        "is not a folder",
        "mv ",
    );

    // Root may write everywhere, so another user runs these.
    let account = Account::used();
    copy_program(&account.path("mimo"));
    let is_root = nix::unistd::geteuid().is_root();
    let doctor = || {
        let mut command = Command::new(account.path("mimo"));
        command
            .args(["doctor", "--json", "--quick"])
            .env_clear()
            .env("HOME", account.0.path())
            .env("MIMO_CONFIG_DIR", account.path("config"))
            .env("MIMO_DATA_DIR", account.path("data"));
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        ran(command, "")
    };
    let mode = |path: &str, mode| {
        fs::set_permissions(account.path(path), fs::Permissions::from_mode(mode)).expect("a mode");
    };
    mode("", 0o755);
    mode("data", 0o555);
    check(
        &doctor(),
        "data folder",
        "failed",
        "cannot be written",
        "chmod u+rwx",
    );
    mode("data/mimo.db", 0o444);
    check(
        &doctor(),
        "database file",
        "failed",
        "cannot be read and written",
        "chmod u+rw ",
    );
    mode("", 0o555);
    check(
        &doctor(),
        "config folder",
        "failed",
        "cannot be made",
        "--config-dir",
    );
    mode("", 0o755);
    mode("data", 0o755);
}

/// What commands of a shell say whose data folder is a disk of this size; `$0` is Mimo.
#[cfg(target_os = "linux")]
fn ran_on_disk(size: &str, commands: &str) -> Ran {
    let account = Account::new();
    fs::create_dir(account.0.data()).expect("made");
    let mounted = format!("mount -t tmpfs -o size={size} none \"$1\" && {commands}");
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "/bin/sh", "-c", &mounted, MIMO])
        .arg(account.0.data())
        .env_clear()
        .env("HOME", account.0.path())
        .env("PATH", "/usr/bin:/bin")
        .env("MIMO_CONFIG_DIR", account.path("config"))
        .env("MIMO_DATA_DIR", account.0.data());
    ran(command, "")
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_told() {
    skip_unless!(machine::program("unshare"));
    let ran = ran_on_disk("1m", "exec \"$0\" doctor --json --quick");
    check(&ran, "disk", "failed", "1 MB free", "free some space");
}

/// Searches work on a full disk, and what is stored is refused.
#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_a_status() {
    skip_unless!(machine::program("unshare"));
    let status = ran_on_disk("8m", "\"$0\" remember x >&2 && exec \"$0\" status --json");
    assert_eq!(status.code, Some(1), "{status:?}");
    let memory = &status.json()["memory"];
    assert_eq!(memory["state"], "disk_full", "{memory}");
    assert_eq!(memory["active"], 1, "what is stored can be read");
    assert!(
        memory["next_step"]
            .as_str()
            .is_some_and(|step| step.contains("space"))
    );
}

#[test]
fn one_trouble_of_the_database_is_told_once() {
    let account = Account::used();
    let database = account.path("data/mimo.db");
    let bytes = fs::read(&database).expect("the database");
    fs::write(&database, vec![7; bytes.len()]).expect("written");
    let status = account.0.run(&["status"]);
    assert_eq!(status.code, Some(1), "{status:?}");
    let first = status.out.lines().find(|line| line.starts_with("memory "));
    let problem = first.and_then(|line| line.get(36..)).expect("a problem");
    assert_eq!(status.out.matches(problem).count(), 1, "{}", status.out);
    assert_eq!(
        status.out.matches("for the same reason").count(),
        2,
        "{}",
        status.out
    );
    let errors = status.err.lines().filter(|line| line.contains("ERROR"));
    assert!(errors.count() <= 1, "{}", status.err);
}

#[test]
fn locked_and_newer_databases_are_told() {
    let account = Account::used();
    let database = account.path("data/mimo.db");
    let mut file = Connection::open(&database).expect("the database");
    let lock = file.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate);
    let lock = lock.expect("a lock");
    check(&account.doctor(), "database", "failed", "lock", "");
    drop(lock);
    file.pragma_update(None, "user_version", 9_999)
        .expect("set");
    drop(file);
    check(&account.doctor(), "memories", "failed", "newer Mimo", "");
}

#[test]
fn refused_entry_is_named_with_its_fix() {
    let account = Account::new();
    account.put(
        "config/skills.json",
        r#"{"mcpServers": {"shell": {"command": "sh"}}}"#,
    );
    let found = account.doctor();
    check(
        &found,
        "skills",
        "failed",
        "\"shell\" in ",
        "mimo skill check",
    );
    account.put("config/skills.json", "{");
    check(
        &account.doctor(),
        "skills",
        "failed",
        "cannot be read",
        "mimo skill check",
    );
}

#[test]
fn entry_whose_program_is_gone_is_told() {
    let account = Account::new();
    let entry = |program: &str| json!({"mcpServers": {"mimo": {"command": program}}}).to_string();
    account.put(".cursor/mcp.json", &entry("/no/mimo"));
    let found = account.doctor();
    check(
        &found,
        "cursor",
        "failed",
        "/no/mimo, which does not exist",
        "`mimo setup cursor`",
    );
    account.put(".cursor/mcp.json", &entry("/bin/sh"));
    check(
        &account.doctor(),
        "cursor",
        "partial",
        "another program",
        "`mimo setup cursor`",
    );
    account.put(".claude.json", "{} // mine\n");
    check(
        &account.doctor(),
        "claude-code",
        "partial",
        "Claude Code reads no file",
        "restart",
    );
    account.put(".cursor/mcp.json", &entry(MIMO));
    account.put(".claude.json", "{}");
    assert_eq!(findings(&account.doctor(), "cursor")[0]["state"], "ok");
}

#[test]
fn running_mimo_of_another_version_is_told() {
    let account = Account::new();
    account.put(
        "data/running/a.json",
        r#"{"pid": 4711, "version": "0.0.1"}"#,
    );
    let file = File::open(account.path("data/running/a.json")).expect("opened");
    file.lock().expect("the lock of a living Mimo");
    check(
        &account.doctor(),
        "running",
        "partial",
        "process 4711 is Mimo 0.0.1",
        "restart",
    );
}
