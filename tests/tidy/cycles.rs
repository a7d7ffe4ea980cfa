//! Import cycles: files of one room that need each other. A module and the files
//! inside it may, so only files count of which neither contains the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::source::{Source, is_word, places};
use super::{root, rust_files};

/// Files of one room that import each other, until somebody opens the cycle.
const KNOWN_CYCLES: &[&str] = &["vector/attention vector/dense vector/lanes vector/rows"];

/// Imports by module: `tools/memory` for `src/tools/memory/mod.rs`.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Each group of files that import each other, sorted and joined by spaces.
fn import_cycles(sources: &[Source]) -> BTreeSet<String> {
    let imports = imports(sources);
    let reached: Imports = imports
        .keys()
        .map(|module| (module.clone(), reachable(module, &imports)))
        .collect();
    let group = |module: &String| {
        let is_mutual = |other: &&String| reached[*other].contains(module);
        let members = reached[module].iter().filter(is_mutual);
        members.map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    let groups = imports.keys().map(group);
    groups.filter(|group| !group.is_empty()).collect()
}

fn imports(sources: &[Source]) -> Imports {
    let shipped = sources.iter().filter_map(|source| {
        let module = source.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let module = module.strip_suffix("/mod").unwrap_or(module);
        (!source.shipped.is_empty()).then_some((module, source.shipped.as_str()))
    });
    let modules: BTreeMap<&str, &str> = shipped.collect();
    let room = |module: &str| module.split('/').next().unwrap_or_default().to_owned();
    let contains = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let counts = |from: &str, to: &str| {
        from != to && room(from) == room(to) && !contains(from, to) && !contains(to, from)
    };
    let of = |(module, code): (&&str, &&str)| {
        let named = paths(module, code).into_iter();
        let files = named.filter_map(|path| file_of(&path, &modules));
        let files = files.filter(|file| counts(module, file));
        ((*module).to_owned(), files.collect())
    };
    modules.iter().map(of).collect()
}

/// The innermost module on `path` that has a file.
fn file_of(path: &[String], modules: &BTreeMap<&str, &str>) -> Option<String> {
    let prefixes = (1..=path.len()).rev().map(|end| path[..end].join("/"));
    prefixes
        .into_iter()
        .find(|prefix| modules.contains_key(prefix.as_str()))
}

/// What `code` names by `crate::` or `super::`, each from the root of the crate.
fn paths(module: &str, code: &str) -> Vec<Vec<String>> {
    let own: Vec<String> = module.split('/').map(str::to_owned).collect();
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for at in places(code, start) {
            // The end of a longer chain of `super` was seen at its beginning.
            if code[..at].ends_with("::") {
                continue;
            }
            let chain = code[at..]
                .split("super::")
                .take_while(|part| part.is_empty());
            let up = chain.count();
            let rest = &code[at + start.len() * up.max(1)..];
            let base = match start {
                "crate::" => &[][..],
                _ => &own[..own.len().saturating_sub(up)],
            };
            add_paths(base, rest, &mut found);
        }
    }
    found
}

/// Adds the path that `rest` begins with, or each path of a group; returns what
/// follows.
fn add_paths<'a>(base: &[String], rest: &'a str, found: &mut Vec<Vec<String>>) -> &'a str {
    let rest = rest.trim_start();
    if let Some(mut group) = rest.strip_prefix('{') {
        loop {
            group = add_paths(base, group, found);
            // `as name` stands between a path and its comma.
            let Some(end) = group.find([',', '}']) else {
                return "";
            };
            let is_last = group[end..].starts_with('}');
            group = &group[end + 1..];
            if is_last {
                return group;
            }
        }
    }
    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(length);
    let mut path = base.to_vec();
    if !name.is_empty() && name != "self" {
        path.push(name.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(rest) if !name.is_empty() => add_paths(&path, rest, found),
        _ => {
            found.push(path);
            rest
        }
    }
}

fn reachable(module: &str, imports: &Imports) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![module.to_owned()];
    while let Some(next) = pending.pop() {
        for import in &imports[&next] {
            if reached.insert(import.clone()) {
                pending.push(import.clone());
            }
        }
    }
    reached
}

#[test]
fn files_of_a_room_form_no_cycle() {
    let source = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let inside = path.strip_prefix(root()).expect("inside the tree");
        Source::new(&inside.to_string_lossy(), &text)
    };
    let sources = rust_files(&root().join("src")).into_iter().map(source);
    let found = import_cycles(&sources.collect::<Vec<_>>());
    let known = KNOWN_CYCLES.iter().map(|group| (*group).to_owned());
    assert_eq!(found, known.collect(), "left: found, right: KNOWN_CYCLES");
}

#[test]
fn import_cycles_are_found() {
    let cycles = |files: &[(&str, &str)]| -> String {
        let source = |(path, text): &(&str, &str)| Source::new(path, text);
        let sources: Vec<Source> = files.iter().map(source).collect();
        Vec::from_iter(import_cycles(&sources)).join(", ")
    };
    let (a, b, c) = ("src/x/a.rs", "src/x/b.rs", "src/x/b/c.rs");
    for (files, expected) in [
        (
            vec![(a, "use super::b::B;"), (b, "fn f() { crate::x::a::g() }")],
            "x/a x/b",
        ),
        (
            vec![
                (a, "use super::{y, b::{self, c::C as D}};"),
                (b, ""),
                (c, "use super::super::a::A;"),
            ],
            "x/a x/b/c",
        ),
        (vec![(a, "use super::b;"), (b, "// use super::a;")], ""),
        (
            vec![(b, "mod c;\nuse self::c::C;"), (c, "use super::B;")],
            "",
        ),
        (
            vec![
                (a, "use super::b;"),
                (b, "#[cfg(test)]\nmod tests { use super::super::a; }"),
            ],
            "",
        ),
        (
            vec![(a, "use crate::y::B;"), ("src/y.rs", "use crate::x::a::A;")],
            "",
        ),
    ] {
        assert_eq!(cycles(&files), expected, "{files:?}");
    }
}
