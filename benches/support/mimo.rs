//! Mimo with skills, on a folder of the bench's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

/// The trusted folder: that of this program.
pub fn folder() -> tempfile::TempDir {
    tempfile::TempDir::new_in(program().parent().expect("a folder")).expect("a folder")
}

fn program() -> PathBuf {
    std::env::current_exe().expect("this program")
}

/// Mimo in `folder`, with this program as each of the skills: names, and how
/// each behaves. `eager` ones start with it.
pub fn command(folder: &Path, skills: &[(&str, &str)], eager: bool) -> Command {
    let config = folder.join("config");
    fs::create_dir_all(&config).expect("made");
    let write = |name: &str, text: String| {
        let path = config.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    };
    write(
        "config.toml",
        format!("[skills]\ncommands = {}\n", json!([program()])),
    );
    let start = if eager { "eager" } else { "lazy" };
    let entry = |(name, mode): &(&str, &str)| {
        let entry = json!({"command": program(), "args": ["child", mode], "start": start});
        ((*name).to_owned(), entry)
    };
    let entries: Map<String, Value> = skills.iter().map(entry).collect();
    write("skills.json", json!({ "skills": entries }).to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
    command
        .arg("serve")
        .env_clear()
        .env("HOME", folder)
        .env("MIMO_DATA_DIR", folder.join("data"))
        .env("MIMO_CONFIG_DIR", config);
    command
}

/// A call of a skill's tool through Mimo.
pub fn call(skill: &str, id: usize) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"skill_call\",\"arguments\":{{\"tool\":\"{skill}__test_echo1\",\"arguments\":{{\"text\":\"hello, world\"}}}}}}}}\n"
    )
}
