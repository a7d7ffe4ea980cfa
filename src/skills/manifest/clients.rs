//! Converts entries of other clients' files to Mimo's form: keys with a meaning here
//! are mapped, the others are reported.

use serde_json::{Map, Value, json};

/// A timeout from this number on is in milliseconds: no client's timeout has as many
/// seconds.
const MILLISECONDS_FROM: f64 = 1_000.0;

/// Keys that have no meaning here, and why.
const IGNORED: &[(&str, &str)] = &[
    ("alwaysAllow", APPROVALS),
    ("autoApprove", APPROVALS),
    ("default_tools_approval_mode", APPROVALS),
    ("trust", APPROVALS),
    ("disabledTools", TOOLS),
    ("disabled_tools", TOOLS),
    ("enabled_tools", TOOLS),
    ("includeTools", TOOLS),
    ("excludeTools", TOOLS),
    ("available_tools", TOOLS),
    ("tools", TOOLS),
    ("alwaysLoad", "`expose` decides how clients see the tools"),
    ("env_vars", "write them under env, as \"NAME\": \"${NAME}\""),
    ("envFile", "write its entries under env"),
    ("description", TEXT),
    ("name", TEXT),
    ("serverName", TEXT),
    ("faviconUrl", TEXT),
    ("icon", TEXT),
    ("version", TEXT),
    ("author", TEXT),
    ("gallery", TEXT),
    ("official", TEXT),
    ("bundled", TEXT),
    ("required", "a skill that fails never stops the others"),
    ("dev", "it is for the server's author"),
    ("watchPaths", "`mimo skill reload` starts it anew"),
    ("sandboxEnabled", "`sandbox` decides, and it is always on"),
    ("settings", "it is for an extension of the client"),
    ("supports_parallel_tool_calls", "calls are parallel"),
    ("experimental_environment", TEXT),
    ("shell", "no shell is involved"),
];
/// Keys that are false in an entry that is switched off.
pub(super) const SWITCHES: [&str; 3] = ["enabled", "active", "start_on_launch"];
const APPROVALS: &str = "approvals of calls belong to your client";
const TOOLS: &str = "choose tools in your client";
const TEXT: &str = "it only describes the server";

/// Converts `entry` to Mimo's own form. Returns the ignored keys, with reasons.
pub(super) fn own_form(entry: &mut Value) -> Vec<String> {
    let Value::Object(entry) = entry else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    command(entry);
    rename(entry, &["environment", "envs"], "env");
    rename(entry, &["workingDirectory", "working_directory"], "cwd");
    texts(entry);
    switches(entry);
    timeouts(entry);
    let stdio = |value: &Value| {
        value.is_null()
            || ["stdio", "local", "custom"]
                .iter()
                .any(|each| value == each)
    };
    for key in ["type", "transport", "transportType", "source"] {
        if entry.get(key).is_some_and(stdio) {
            entry.remove(key);
        }
    }
    for (key, why) in IGNORED {
        if entry.remove(*key).is_some_and(|value| !value.is_null()) {
            notes.push(format!("{key} is ignored: {why}"));
        }
    }
    notes
}

/// `["npx", "-y", "x"]`, and `{"path": "npx", "args": [..], "env": {..}}`.
fn command(entry: &mut Map<String, Value>) {
    rename(entry, &["cmd"], "command");
    match entry.remove("command") {
        Some(Value::Array(mut words)) if words.first().is_some_and(Value::is_string) => {
            entry.insert("command".to_owned(), words.remove(0));
            if let Some(Value::Array(more)) = entry.remove("args") {
                words.extend(more);
            }
            entry.insert("args".to_owned(), words.into());
        }
        Some(Value::Object(mut inner)) if inner.contains_key("path") => {
            rename(&mut inner, &["path"], "command");
            for (key, value) in inner {
                entry.entry(key).or_insert(value);
            }
        }
        Some(command) => drop(entry.insert("command".to_owned(), command)),
        None => {}
    }
    // Remote entries of some clients.
    if entry.get("command") == Some(&json!("")) && remote(entry) {
        entry.remove("command");
    }
}

pub(super) fn remote(entry: &Map<String, Value>) -> bool {
    ["url", "serverUrl", "httpUrl"]
        .iter()
        .any(|key| entry.contains_key(*key))
}

/// Converts numbers and booleans to text where text is expected; null to nothing.
fn texts(entry: &mut Map<String, Value>) {
    let text = |value: &mut Value| {
        if value.is_number() || value.is_boolean() {
            *value = value.to_string().into();
        }
    };
    if let Some(Value::Array(arguments)) = entry.get_mut("args") {
        arguments.iter_mut().for_each(text);
    }
    if let Some(Value::Object(variables)) = entry.get_mut("env") {
        variables.retain(|_, value| !value.is_null());
        variables.values_mut().for_each(text);
    }
    for key in ["args", "env", "cwd"] {
        if entry.get(key).is_some_and(Value::is_null) {
            entry.remove(key);
        }
    }
}

fn switches(entry: &mut Map<String, Value>) {
    for key in SWITCHES {
        if let Some(Value::Bool(on)) = entry.get(key).cloned() {
            entry.remove(key);
            if !on {
                entry.insert("disabled".to_owned(), json!(true));
            }
        }
    }
}

/// Into `timeouts`, where the entry does not say it itself.
fn timeouts(entry: &mut Map<String, Value>) {
    let keys = [
        ("timeout", "call_s"),
        ("tool_timeout_sec", "call_s"),
        ("startup_timeout_sec", "initialize_s"),
        ("startup_timeout_ms", "initialize_s"),
        ("connectionTimeout", "initialize_s"),
    ];
    for (key, own) in keys {
        let Some(number) = entry.get(key).and_then(Value::as_f64) else {
            continue;
        };
        entry.remove(key);
        let seconds = match key.ends_with("_ms") || number >= MILLISECONDS_FROM {
            true => number / 1_000.0,
            false => number,
        };
        let timeouts = entry.entry("timeouts").or_insert_with(|| json!({}));
        if let Some(timeouts) = timeouts.as_object_mut() {
            // Whole seconds, within the bounds of the schema.
            let seconds = seconds
                .ceil()
                .clamp(1.0, crate::limits::SKILL_CALL_SECONDS_MAX as f64);
            timeouts.entry(own).or_insert_with(|| json!(seconds as u64));
        }
    }
}

fn rename(entry: &mut Map<String, Value>, from: &[&str], to: &str) {
    for key in from {
        if let Some(value) = entry.remove(*key) {
            entry.entry(to).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_other_clients_become_mimos_own() {
        let cases = [
            (
                json!({"command": ["npx", "-y", "x"], "environment": {"A": 1, "B": null}, "type": "local", "enabled": false, "timeout": 5000}),
                json!({"command": "npx", "args": ["-y", "x"], "env": {"A": "1"}, "disabled": true, "timeouts": {"call_s": 5}}),
                0,
            ),
            (
                json!({"command": {"path": "uvx", "args": ["x"], "env": {"A": "b"}}, "source": "custom", "settings": {}}),
                json!({"command": "uvx", "args": ["x"], "env": {"A": "b"}}),
                1,
            ),
            (
                json!({"command": "npx", "args": ["x", 3], "cwd": "/a", "autoApprove": ["t"], "startup_timeout_sec": 20.5, "working_directory": null}),
                json!({"command": "npx", "args": ["x", "3"], "cwd": "/a", "timeouts": {"initialize_s": 21}}),
                1,
            ),
        ];
        for (mut entry, expected, ignored) in cases {
            let notes = own_form(&mut entry);
            assert_eq!((entry, notes.len()), (expected, ignored), "{notes:?}");
        }
    }
}
