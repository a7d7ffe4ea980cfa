//! Settings in YAML: Continue's and Goose's. Text is put in and cut out by its position,
//! so that comments and layout stay; what comes out is read again before it is used.

mod edits;
mod tree;

use std::ops::Range;

use serde_json::{Map, Value as Json, json};

use super::entry::{ENTRY, Entry, FoundEntry, Keys, REMOTE, is_switch, mistake};
use crate::diagnostics::Diagnostic;
use edits::{Edits, flow, word};
use tree::{Kind, Node, parse};

/// Where a file has its servers.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// The key of the whole that holds them.
    pub(super) servers: &'static str,
    /// They are a list of maps with a `name` each, not a map by name.
    pub(super) is_list: bool,
    /// What a new file begins with.
    pub(super) head: &'static str,
}

/// See `Client::find`.
pub(super) fn find(text: &str, layout: Layout) -> Result<Option<FoundEntry>, Diagnostic> {
    let root = parse(text)?;
    let Some(node) = entry_in(root.as_ref(), layout, ENTRY)? else {
        return Ok(None);
    };
    let entry = node.json();
    let named = |key: &str| {
        entry
            .get(key)
            .map(|value| format!("{key}: {}", flow(value)))
    };
    let shown = ["command", "cmd", "args"].into_iter().chain(REMOTE);
    let shown = shown.filter_map(named).collect::<Vec<_>>();
    Ok(Some(FoundEntry {
        entry: started(&entry),
        text: match entry.is_object() {
            true => shown.join(", "),
            false => text[node.span.clone()].to_owned(),
        },
        remote: REMOTE.into_iter().find_map(|key| {
            let address = entry.get(key)?;
            Some((key, address.as_str().unwrap_or_default().to_owned()))
        }),
        is_off: entry.get("enabled") == Some(&Json::Bool(false)),
    }))
}

/// See `Client::put`.
pub(super) fn put(text: &str, layout: Layout, keys: &Keys) -> Result<String, Diagnostic> {
    let root = parse(text)?;
    let Some(found) = entry_in(root.as_ref(), layout, ENTRY)? else {
        let keys = keys
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()));
        let keys = keys.collect();
        return add_servers(text, layout, &[(ENTRY.to_owned(), Json::Object(keys))]);
    };
    let Kind::Map { .. } = &found.kind else {
        return Err(mistake("", format!("its entry {ENTRY:?} is not a map")));
    };
    let mut edits = Edits::new(text);
    let mut expected = found.json();
    for (key, wanted) in keys {
        edits.merge(found, key, wanted)?;
        merge(&mut expected[*key], key, wanted);
    }
    let new = edits.apply();
    let changed = parse(&new)?;
    let now = entry_in(changed.as_ref(), layout, ENTRY)?.map(Node::json);
    check(
        now == Some(expected)
            && remainder(text, layout, &[ENTRY])? == remainder(&new, layout, &[ENTRY])?,
    )?;
    Ok(new)
}

/// See `Client::remove_entry`.
pub(super) fn remove_entry(text: &str, layout: Layout) -> Result<String, Diagnostic> {
    remove_servers(text, layout, &[ENTRY.to_owned()])
}

/// The servers that are programs or addresses: Goose keeps its own parts besides them.
pub(super) fn servers(text: &str, layout: Layout) -> Result<Vec<(String, Json)>, Diagnostic> {
    let mut all = named(parse(text)?.as_ref(), layout)?;
    all.retain(|(_, server)| {
        let leads = |key: &str| server.get(key).is_some();
        ["command", "cmd"].into_iter().chain(REMOTE).any(leads)
    });
    Ok(all)
}

pub(super) fn remove_servers(
    text: &str,
    layout: Layout,
    names: &[String],
) -> Result<String, Diagnostic> {
    let root = parse(text)?;
    let Some((key, value)) = servers_in(root.as_ref(), layout)? else {
        return Ok(text.to_owned());
    };
    let is_taken = |name: Option<String>| name.is_some_and(|name| names.contains(&name));
    let mut edits = Edits::new(text);
    let (spans, is_flow): (Vec<(Range<usize>, bool)>, bool) = match &value.kind {
        Kind::Map { pairs, is_flow } => {
            let span = |(key, value): &(Node, Node)| {
                let end = value.span.end.max(key.span.end);
                (key.span.start..end, is_taken(Some(key.name())))
            };
            (pairs.iter().map(span).collect(), *is_flow)
        }
        Kind::List { items, is_flow } => {
            let span = |item: &Node| (item.span.clone(), is_taken(name_of(item)));
            (items.iter().map(span).collect(), *is_flow)
        }
        _ => return Ok(text.to_owned()),
    };
    if spans.iter().all(|(_, is_taken)| !is_taken) {
        return Ok(text.to_owned());
    }
    let is_emptied = spans.iter().all(|(_, is_taken)| *is_taken);
    if is_flow && is_emptied {
        edits.replace(value.span.start + 1..value.span.end - 1, "");
    } else if is_flow {
        for (at, (span, _)) in spans.iter().enumerate().filter(|(_, (_, taken))| *taken) {
            let later = spans[at..].iter().find(|(_, is_taken)| !is_taken);
            let earlier = spans[..at].last();
            match (later, earlier) {
                // Up to what follows, or from the end of what precedes.
                (Some(_), _) => edits.replace(span.start..spans[at + 1].0.start, ""),
                (None, Some((earlier, _))) => edits.replace(earlier.end..span.end, ""),
                (None, None) => {}
            }
        }
    } else {
        for (span, _) in spans.iter().filter(|(_, is_taken)| *is_taken) {
            edits.remove_lines(span.clone());
        }
        if is_emptied {
            // A key without a value would be null, which the clients refuse.
            let empty = if layout.is_list { " []" } else { " {}" };
            let colon = edits.after_colon(key)?;
            edits.replace(colon..colon, empty);
        }
    }
    let new = edits.apply();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    let left = named(parse(&new)?.as_ref(), layout)?;
    let is_gone = left.iter().all(|(name, _)| !names.contains(&&**name));
    check(is_gone && remainder(text, layout, &names)? == remainder(&new, layout, &[])?)?;
    Ok(new)
}

/// `text` with servers that it lacks.
pub(super) fn add_servers(
    text: &str,
    layout: Layout,
    more: &[(String, Json)],
) -> Result<String, Diagnostic> {
    let root = parse(text)?;
    let mut edits = Edits::new(text);
    match (servers_in(root.as_ref(), layout)?, &root) {
        (Some((key, value)), _) if value.is_null() && value.span.is_empty() => {
            let indent = edits.column(key.span.start) + 2;
            edits.insert_lines(key.span.end, &block(more, layout, indent));
        }
        (Some((_, value)), _) if value.is_null() => {
            edits.replace(value.span.clone(), &flow(&whole(more, layout)));
        }
        (Some((key, value)), _) => match &value.kind {
            Kind::Map { pairs, is_flow } if !layout.is_list => {
                let first = pairs.first().map(|(key, _)| key.span.start);
                edits.append(key, value, first, *is_flow, more, layout)?;
            }
            Kind::List { items, is_flow } if layout.is_list => {
                let first = match items.first() {
                    Some(item) if !is_flow => Some(edits.dash(item)?),
                    item => item.map(|item| item.span.start),
                };
                edits.append(key, value, first, *is_flow, more, layout)?;
            }
            _ => return Err(no_servers(layout)),
        },
        (None, None) => {
            let text = format!(
                "{}{}:\n{}",
                layout.head,
                layout.servers,
                block(more, layout, 2)
            );
            edits.insert_lines(edits.text.len(), &text);
        }
        (None, Some(root)) => match &root.kind {
            Kind::Map { is_flow: true, .. } => {
                let all = flow(&whole(more, layout));
                edits.append_flow(root, &format!("{}: {all}", flow(&layout.servers.into())));
            }
            Kind::Map { is_flow: false, .. } if edits.column(root.span.start) == 0 => {
                let text = format!("{}:\n{}", layout.servers, block(more, layout, 2));
                edits.insert_lines(root.span.end, &text);
            }
            Kind::Scalar(Json::Null) => {
                let text = format!(
                    "{}{}:\n{}",
                    layout.head,
                    layout.servers,
                    block(more, layout, 2)
                );
                edits.insert_lines(edits.text.len(), &text);
            }
            _ => {
                return Err(mistake(
                    "",
                    "the file is not a map, so nothing can be added to it",
                ));
            }
        },
    }
    let new = edits.apply();
    let names: Vec<&str> = more.iter().map(|(name, _)| &**name).collect();
    let mut expected = named(root.as_ref(), layout)?;
    expected.extend_from_slice(more);
    check(named(parse(&new)?.as_ref(), layout)? == expected)?;
    check(
        root.as_ref().is_none_or(Node::is_null)
            || remainder(text, layout, &[])? == remainder(&new, layout, &names)?,
    )?;
    Ok(new)
}

/// The key of the servers, and what it holds.
fn servers_in(root: Option<&Node>, layout: Layout) -> Result<Option<&(Node, Node)>, Diagnostic> {
    root.map_or(Ok(None), |root| root.pair(layout.servers))
}

fn entry_in<'a>(
    root: Option<&'a Node>,
    layout: Layout,
    name: &str,
) -> Result<Option<&'a Node>, Diagnostic> {
    let Some((_, value)) = servers_in(root, layout)? else {
        return Ok(None);
    };
    match &value.kind {
        Kind::Map { .. } if !layout.is_list => Ok(value.pair(name)?.map(|(_, value)| value)),
        Kind::List { items, .. } if layout.is_list => {
            let mut found = items
                .iter()
                .filter(|item| name_of(item).as_deref() == Some(name));
            match (found.next(), found.next()) {
                (_, Some(_)) => Err(mistake("", format!("{name:?} occurs twice"))),
                (found, None) => Ok(found),
            }
        }
        Kind::Scalar(Json::Null) => Ok(None),
        _ => Err(no_servers(layout)),
    }
}

/// The servers by name.
fn named(root: Option<&Node>, layout: Layout) -> Result<Vec<(String, Json)>, Diagnostic> {
    let Some((_, value)) = servers_in(root, layout)? else {
        return Ok(Vec::new());
    };
    Ok(match &value.kind {
        Kind::Map { pairs, .. } => {
            let pair = |(key, value): &(Node, Node)| (key.name(), value.json());
            pairs.iter().map(pair).collect()
        }
        Kind::List { items, .. } => {
            let item = |item: &Node| {
                let mut server = item.json();
                let name = server.as_object_mut()?.shift_remove("name")?;
                Some((name.as_str()?.to_owned(), server))
            };
            items.iter().filter_map(item).collect()
        }
        _ => Vec::new(),
    })
}

fn name_of(item: &Node) -> Option<String> {
    item.json().get("name")?.as_str().map(str::to_owned)
}

/// All of `text` but the servers `names`.
fn remainder(text: &str, layout: Layout, names: &[&str]) -> Result<Json, Diagnostic> {
    let mut all = parse(text)?.map(|root| root.json()).unwrap_or_default();
    let is_ours = |name: Option<&str>| name.is_some_and(|name| names.contains(&name));
    let Some(whole) = all.as_object_mut() else {
        return Ok(all);
    };
    let is_empty = match whole.get_mut(layout.servers) {
        Some(Json::Object(map)) => {
            map.retain(|name, _| !is_ours(Some(name)));
            map.is_empty()
        }
        Some(Json::Array(list)) => {
            list.retain(|item| !is_ours(item.get("name").and_then(Json::as_str)));
            list.is_empty()
        }
        other => other.is_none_or(|other| other.is_null()),
    };
    if is_empty {
        whole.shift_remove(layout.servers);
    }
    Ok(all)
}

fn check(is_as_meant: bool) -> Result<(), Diagnostic> {
    match is_as_meant {
        true => Ok(()),
        false => Err(mistake(
            "",
            "Mimo cannot edit it without changing its other lines",
        )),
    }
}

fn no_servers(layout: Layout) -> Diagnostic {
    let kind = if layout.is_list { "a list" } else { "a map" };
    mistake("", format!("{:?} is not {kind} of servers", layout.servers))
}

/// What an entry starts; one without `args` has none.
fn started(entry: &Json) -> Option<Entry> {
    let command = entry.get("command").or_else(|| entry.get("cmd"))?;
    let args = match entry.get("args") {
        None | Some(Json::Null) => Vec::new(),
        Some(args) => {
            let texts = args.as_array()?.iter();
            let texts = texts.map(|each| Some(each.as_str()?.to_owned()));
            texts.collect::<Option<_>>()?
        }
    };
    Some(Entry {
        command: command.as_str()?.to_owned(),
        args,
        env: Vec::new(),
    })
}

/// What a value becomes when `wanted` is set.
fn merge(now: &mut Json, key: &str, wanted: &Json) {
    match (&mut *now, wanted) {
        (Json::Object(now), Json::Object(wanted)) => {
            for (key, wanted) in wanted {
                merge(now.entry(key).or_insert(Json::Null), key, wanted);
            }
        }
        (Json::Bool(_), _) if is_switch(key) => {}
        _ => *now = wanted.clone(),
    }
}

/// Servers as one value.
fn whole(servers: &[(String, Json)], layout: Layout) -> Json {
    match layout.is_list {
        true => servers
            .iter()
            .map(|(name, server)| item(name, server))
            .collect(),
        false => Json::Object(servers.iter().cloned().collect::<Map<_, _>>()),
    }
}

/// A server of a list.
fn item(name: &str, server: &Json) -> Json {
    let mut item = json!({ "name": name });
    if let (Some(item), Some(server)) = (item.as_object_mut(), server.as_object()) {
        item.extend(server.clone());
    }
    item
}

/// Servers as lines, one for each key.
fn block(servers: &[(String, Json)], layout: Layout, indent: usize) -> String {
    let mut lines = String::new();
    let margin = " ".repeat(indent);
    for (name, server) in servers {
        let item = match layout.is_list {
            true => item(name, server),
            false => server.clone(),
        };
        let mut begin = format!("{margin}- ");
        if !layout.is_list {
            lines.push_str(&format!("{margin}{}:\n", word(name)));
            begin = format!("{margin}  ");
        }
        for (key, value) in item.as_object().into_iter().flatten() {
            lines.push_str(&format!("{begin}{}: {}\n", word(key), flow(value)));
            begin = format!("{margin}  ");
        }
    }
    lines
}

#[cfg(test)]
mod tests;
