//! Settings in TOML: Codex's.

use serde_json::Value as Json;
use toml_edit::{DocumentMut, Item, Table, TableLike, Value, value};

use super::entry::{ENTRY, Entry, FoundEntry, Keys, REMOTE, is_default, mistake};
use super::lines::{difference, with_ends_of};
use crate::diagnostics::Diagnostic;

/// The table that holds the servers.
const SERVERS: &str = "mcp_servers";

/// See `Client::find`.
pub(super) fn find(text: &str) -> Result<Option<FoundEntry>, Diagnostic> {
    let document = parse(text)?;
    let Some(item) = servers_of(&document)?.and_then(|all| all.get(ENTRY)) else {
        return Ok(None);
    };
    let Some(entry) = item.as_table_like() else {
        return Ok(Some(FoundEntry {
            entry: None,
            text: item.to_string().trim().to_owned(),
            remote: None,
            is_off: false,
        }));
    };
    let shown = ["command", "args"].into_iter().chain(REMOTE);
    let shown =
        shown.filter_map(|key| Some(format!("{key}: {}", entry.get(key)?.to_string().trim())));
    let address = |key: &str| Some(entry.get(key)?.as_str()?.to_owned());
    Ok(Some(FoundEntry {
        entry: started(entry),
        text: shown.collect::<Vec<_>>().join(", "),
        remote: REMOTE
            .into_iter()
            .find(|key| entry.contains_key(key))
            .map(|key| (key, address(key).unwrap_or_default())),
        is_off: entry.get("enabled").and_then(Item::as_bool) == Some(false),
    }))
}

/// See `Client::put`.
pub(super) fn put(text: &str, keys: &Keys) -> Result<String, Diagnostic> {
    let mut document = parse(text)?;
    servers_of(&document)?;
    let inline = document.get(SERVERS).is_some_and(Item::is_inline_table);
    let servers = document.entry(SERVERS).or_insert_with(|| {
        // Only the entry's own header is written.
        let mut servers = Table::new();
        servers.set_implicit(true);
        Item::Table(servers)
    });
    let servers = servers.as_table_like_mut().ok_or_else(no_table)?;
    match servers.get_mut(ENTRY).and_then(Item::as_table_like_mut) {
        Some(found) => {
            for (key, wanted) in keys {
                let now = found.get(key).map(json_of);
                let is_missing = now.is_none() && is_default(key, wanted);
                if let Some(new) = value_of(wanted)
                    && now.as_ref() != Some(wanted)
                    && !is_missing
                {
                    set(found, key, new);
                }
            }
        }
        None => {
            let mut new = Table::new();
            for (key, wanted) in keys {
                new.insert(key, value_of(wanted).map_or(Item::None, value));
            }
            let new = match inline {
                true => value(new.into_inline_table()),
                false => Item::Table(new),
            };
            servers.insert(ENTRY, new);
        }
    }
    Ok(with_ends_of(text, &document.to_string()))
}

/// See `Client::remove_entry`.
pub(super) fn remove_entry(text: &str) -> Result<String, Diagnostic> {
    let mut document = parse(text)?;
    let Some(servers) = document.get_mut(SERVERS) else {
        return Ok(text.to_owned());
    };
    let servers = servers.as_table_like_mut().ok_or_else(no_table)?;
    let Some(taken) = servers.remove(ENTRY) else {
        return Ok(text.to_owned());
    };
    let left = document.to_string();
    // What a person wrote above its header went with it.
    let above = taken.as_table().and_then(|table| table.decor().prefix());
    let above = above.and_then(|raw| raw.as_str()).unwrap_or_default();
    let change = difference(text, &left);
    let mut kept = with_ends_of(text, &left);
    if above.contains('#') {
        kept.insert_str(change.before.concat().len(), &comments(&change.removed));
    }
    Ok(kept)
}

pub(super) fn servers(text: &str) -> Result<Vec<(String, Json)>, Diagnostic> {
    let document = parse(text)?;
    let all = servers_of(&document)?;
    let each = all.into_iter().flat_map(TableLike::iter);
    Ok(each
        .map(|(name, item)| (name.to_owned(), json_of(item)))
        .collect())
}

pub(super) fn remove_servers(text: &str, names: &[String]) -> Result<String, Diagnostic> {
    let mut document = parse(text)?;
    if let Some(servers) = document.get_mut(SERVERS) {
        let servers = servers.as_table_like_mut().ok_or_else(no_table)?;
        for name in names {
            servers.remove(name);
        }
    }
    Ok(with_ends_of(text, &document.to_string()))
}

pub(super) fn add_servers(text: &str, more: &[(String, Json)]) -> Result<String, Diagnostic> {
    let mut document = parse(text)?;
    let servers = document.entry(SERVERS).or_insert_with(|| {
        let mut servers = Table::new();
        servers.set_implicit(true);
        Item::Table(servers)
    });
    let inline = servers.is_inline_table();
    let servers = servers.as_table_like_mut().ok_or_else(no_table)?;
    for (name, server) in more {
        let new = match (value_of(server), inline) {
            (Some(Value::InlineTable(table)), false) => Item::Table(table.into_table()),
            (Some(new), _) => Item::Value(new),
            (None, _) => continue,
        };
        servers.insert(name, new);
    }
    Ok(with_ends_of(text, &document.to_string()))
}

fn json_of(item: &Item) -> Json {
    if let Some(table) = item.as_table_like() {
        let entries = table.iter();
        return Json::Object(
            entries
                .map(|(key, item)| (key.to_owned(), json_of(item)))
                .collect(),
        );
    }
    if let Some(tables) = item.as_array_of_tables() {
        let each = tables
            .iter()
            .map(|table| json_of(&Item::Table(table.clone())));
        return each.collect();
    }
    match item.as_value() {
        Some(Value::String(text)) => text.value().as_str().into(),
        Some(Value::Integer(number)) => (*number.value()).into(),
        Some(Value::Float(number)) => (*number.value()).into(),
        Some(Value::Boolean(value)) => (*value.value()).into(),
        Some(Value::Datetime(time)) => time.value().to_string().into(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|each| json_of(&Item::Value(each.clone())))
            .collect(),
        _ => Json::Null,
    }
}

/// `None` for null, which TOML does not have.
fn value_of(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(list) => Value::Array(list.iter().filter_map(value_of).collect()),
        Json::Object(map) => {
            let entries = map.iter();
            let entries = entries.filter_map(|(key, each)| Some((key.as_str(), value_of(each)?)));
            Value::InlineTable(entries.collect())
        }
    })
}

/// The comments that `lines` begin with, set off as they were.
fn comments(lines: &[&str]) -> String {
    let is_blank = |line: &&str| line.trim().is_empty();
    let (blank, commented) = match lines.iter().position(|line| line.trim().starts_with('#')) {
        Some(start) => (lines.last().filter(|line| is_blank(line)), &lines[start..]),
        None => return String::new(),
    };
    let of_comments = |line: &&&str| is_blank(line) || line.trim().starts_with('#');
    let mut kept: Vec<&str> = commented.iter().take_while(of_comments).copied().collect();
    kept.extend(blank);
    kept.concat()
}

/// The document, its line ends made one kind and its last line ended.
fn parse(text: &str) -> Result<DocumentMut, Diagnostic> {
    let mut even = text.replace("\r\n", "\n");
    if !even.is_empty() && !even.ends_with('\n') {
        even.push('\n');
    }
    let document: DocumentMut = even.parse().map_err(|error: toml_edit::TomlError| {
        let before = error.span().map(|span| &even[..span.start.min(even.len())]);
        let place = before.map(|before| {
            let line = before.rsplit('\n').next().unwrap_or_default();
            let column = line.chars().count() + 1;
            format!("{}:{column}", before.matches('\n').count() + 1)
        });
        mistake(&place.unwrap_or_default(), error.message())
    })?;
    match document.to_string() == even {
        true => Ok(document),
        false => Err(mistake(
            "",
            "Mimo cannot edit it without changing its other lines",
        )),
    }
}

fn no_table() -> Diagnostic {
    mistake("", format!("{SERVERS:?} holds something else than tables"))
}

fn servers_of(document: &DocumentMut) -> Result<Option<&dyn TableLike>, Diagnostic> {
    match document.get(SERVERS) {
        None => Ok(None),
        Some(servers) => servers.as_table_like().map(Some).ok_or_else(no_table),
    }
}

/// What an entry starts; one without `args` has none.
fn started(entry: &dyn TableLike) -> Option<Entry> {
    let command = entry.get("command")?.as_str()?.to_owned();
    let args = match entry.get("args") {
        None => Vec::new(),
        Some(args) => {
            let texts = args.as_array()?.iter();
            texts
                .map(|each| Some(each.as_str()?.to_owned()))
                .collect::<Option<_>>()?
        }
    };
    Some(Entry {
        command,
        args,
        env: Vec::new(),
    })
}

/// Sets a key and keeps what stands around its value.
fn set(entry: &mut dyn TableLike, key: &str, mut new: Value) {
    if let Some(old) = entry.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    match entry.get_mut(key) {
        Some(item) => *item = Item::Value(new),
        None => {
            entry.insert(key, Item::Value(new));
        }
    }
}
