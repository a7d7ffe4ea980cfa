//! How keys are shown: never their text, never its hash.

use serde_json::{Value, json};

use crate::caller::Access;
use crate::cli::output::Output;
use crate::clock::Timestamp;
use crate::keys::{Grant, Key, KeyState};

/// `null` stands where the key has no limit of its own.
pub(super) fn document(key: &Key, now: Timestamp) -> Value {
    let time = |at: Option<Timestamp>| at.map(Timestamp::to_iso);
    let grant = &key.grant;
    json!({
        "id": key.id.as_str(),
        "name": key.name,
        "state": key.state(now).name(),
        "scopes": grant.scopes.names(),
        "projects": limited(projects(grant)),
        "tools": limited(grant.tools.clone()),
        "profile": grant.profile,
        "requests_per_minute": grant.requests_per_minute,
        "at_once": grant.at_once,
        "created_at": key.created_at.to_iso(),
        "rotated_at": time(key.rotated_at),
        "former_text_until": match key.state(now) {
            KeyState::Rotated { until } => Some(until.to_iso()),
            _ => None,
        },
        "expires_at": time(key.expires_at),
        "revoked_at": time(key.revoked_at),
        "last_used": time(key.last_used),
    })
}

/// One line a key, below the names of the columns.
pub(super) fn table(keys: &[Key], now: Timestamp, output: &Output) -> String {
    let names = [
        "ID",
        "NAME",
        "STATE",
        "SCOPES",
        "PROJECTS",
        "TOOLS",
        "LAST USED",
        "EXPIRES",
    ];
    let rows = keys.iter().map(|key| {
        [
            key.id.to_string(),
            key.name.clone(),
            key.state(now).name().to_owned(),
            key.grant.scopes.names().join(","),
            or_all(projects(&key.grant)),
            or_all(key.grant.tools.clone()),
            or_never(key.last_used),
            or_never(key.expires_at),
        ]
    });
    output.table(std::iter::once(names.map(str::to_owned)).chain(rows))
}

/// What a key may do, one line for each kind of limit.
pub(super) fn description(key: &Key, now: Timestamp, output: &Output) -> String {
    let grant = &key.grant;
    let or_server = |value: Option<String>| value.unwrap_or_else(|| "the server's".to_owned());
    let state = match key.state(now) {
        KeyState::Rotated { until } => {
            format!("usable; its former text too until {}", until.to_iso())
        }
        state => state.name().to_owned(),
    };
    let rows = [
        ["key", &format!("{}, {}", key.id, key.name)],
        ["state", &state],
        ["scopes", &grant.scopes.names().join(",")],
        ["projects", &or_all(projects(grant))],
        ["tools", &or_all(grant.tools.clone())],
        ["profile", &or_server(grant.profile.clone())],
        [
            "requests per minute",
            &or_server(grant.requests_per_minute.map(|n| n.to_string())),
        ],
        [
            "requests at once",
            &or_server(grant.at_once.map(|n| n.to_string())),
        ],
        ["expires", &or_never(key.expires_at)],
    ];
    output.table(rows.map(|row| row.map(str::to_owned)))
}

/// As `--projects` takes them.
fn projects(grant: &Grant) -> Vec<String> {
    let projects = grant.projects.iter().map(|named| {
        let access = match named.access {
            Access::Read => "read",
            Access::Write => "write",
        };
        format!("{}:{access}", named.project)
    });
    projects.collect()
}

fn limited(list: Vec<String>) -> Option<Vec<String>> {
    (!list.is_empty()).then_some(list)
}

fn or_all(list: Vec<String>) -> String {
    limited(list).map_or_else(|| "all".to_owned(), |list| list.join(","))
}

fn or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), Timestamp::to_iso)
}
