//! Which room may know which: the arrows of the house, and the reader of a
//! file's imports that holds the files to them.

use super::source::{Source, is_test, is_word, line_of, places};

/// Rooms that every room may use.
const COMMON: &[&str] = &[
    "failure",
    "clock",
    "limits",
    "caller",
    "diagnostics",
    "files",
    "platform",
    "printable",
    "secret",
    "meter",
];

/// A room and the rooms it may name. What is not here is an arrow that goes
/// back, or a room that nobody has placed yet.
pub const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli", "app", "config", "telemetry", "skills"]),
    (
        "cli",
        &[
            "app",
            "bridge",
            "clients",
            "config",
            "endpoint",
            "telemetry",
            "dispatch",
            "tools",
            "keys",
            "memory",
            "graph",
            "procedure",
            "registry",
            "skills",
            "store",
        ],
    ),
    (
        "app",
        &[
            "config",
            "telemetry",
            "server",
            "catalog",
            "dispatch",
            "tools",
            "keys",
            "memory",
            "graph",
            "procedure",
            "ask",
            "endpoint",
            "registry",
            "skills",
            "store",
            "embed",
            "view",
            "wire",
        ],
    ),
    (
        "server",
        &[
            "dispatch",
            "tools",
            "view",
            "keys",
            "catalog",
            "registry",
            "store",
            "telemetry",
            "wire",
        ],
    ),
    ("catalog", &["tools", "registry"]),
    (
        "view",
        &["graph", "procedure", "registry", "skills", "store"],
    ),
    ("dispatch", &["tools", "registry"]),
    (
        "tools",
        &[
            "memory",
            "graph",
            "procedure",
            "ask",
            "registry",
            "store",
            "embed",
            "text",
            "vector",
        ],
    ),
    (
        "ask",
        &[
            "memory",
            "graph",
            "procedure",
            "endpoint",
            "store",
            "embed",
            "text",
            "vector",
        ],
    ),
    ("memory", &["store", "embed", "text"]),
    ("graph", &["store", "text"]),
    ("procedure", &["store"]),
    ("endpoint", &[]),
    ("bridge", &["wire"]),
    ("registry", &["skills", "store"]),
    ("skills", &["telemetry", "wire"]),
    ("telemetry", &["config"]),
    ("store", &["keys", "vector", "text"]),
    ("embed", &["endpoint", "vector", "text"]),
    ("keys", &[]),
    ("clients", &[]),
    ("config", &[]),
    ("wire", &[]),
    ("text", &[]),
    ("vector", &[]),
    ("failure", &[]),
    ("clock", &[]),
    ("limits", &[]),
    ("caller", &[]),
    ("diagnostics", &[]),
    ("files", &[]),
    ("platform", &[]),
    ("printable", &[]),
    ("secret", &[]),
    ("meter", &[]),
];

/// The arrows of `source` that are not in the table.
pub fn wrong_arrows(source: &Source) -> Vec<String> {
    let Some(room) = room_of(&source.path) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
        return vec![format!(
            "{}: the room {room} is not placed yet: add it to ARROWS in tests/tidy/arrows.rs \
             and to the map in src/lib.rs",
            source.path
        )];
    };
    let may = |named: &str| named == room || COMMON.contains(&named) || allowed.contains(&named);
    rooms_named(source)
        .into_iter()
        .filter(|(named, _)| !may(named))
        .map(|(named, line)| {
            format!(
                "{}:{line}: {room} -> {named} goes against the arrows of src/lib.rs: pass what \
                 is needed as a parameter, or move it to a room both may use",
                source.path
            )
        })
        .collect()
}

/// `tools` for `src/tools/memory.rs`; nothing for the map itself and for tests,
/// which may use what they like.
fn room_of(path: &str) -> Option<&str> {
    if is_test(path) {
        return None;
    }
    let inside = path.strip_prefix("src/")?;
    let room = match inside.split_once('/') {
        Some((room, _)) => room,
        None => inside.strip_suffix(".rs")?,
    };
    (room != "lib").then_some(room)
}

/// Every room that the shipped code names, with the line.
fn rooms_named(source: &Source) -> Vec<(String, usize)> {
    let code = &source.shipped;
    let mut named = Vec::new();
    let roots = match source.path.as_str() {
        "src/main.rs" => vec!["mimo::".to_owned()],
        path => vec!["crate::".to_owned(), "super::".repeat(depth_of(path))],
    };
    for root in &roots {
        for at in places(code, root) {
            // The end of a longer chain of `super` was seen at its beginning.
            if code[..at].ends_with("super::") {
                continue;
            }
            let line = line_of(code, at);
            let is_known = |name: &str| ARROWS.iter().any(|(room, _)| *room == name);
            for name in first_names(&code[at + root.len()..]) {
                // `super` in a module inside the file stays inside the room.
                if root.starts_with("super") && !is_known(&name) {
                    continue;
                }
                named.push((name, line));
            }
        }
    }
    named
}

/// How many modules lie between a file's own and the root.
fn depth_of(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.trim_end_matches("/mod").split('/').count()
}

/// The names that follow `crate::`: one, or each of a group's.
fn first_names(after: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| is_word(*c))
            .collect()
    };
    let Some(group) = after.strip_prefix('{') else {
        return vec![name(after)];
    };
    let (mut depth, mut names, mut start) = (0_usize, Vec::new(), 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}
