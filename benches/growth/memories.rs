//! Memories with every kind of filter: projects, categories and tags of several shares.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use mimo::store::memory::{Category, MemoryFields};

use crate::database;

/// The memories before this number are the only ones of the category `action`.
const OLD: usize = 500;
/// So many, the oldest, have the tag `early`.
const EARLY: usize = 5_000;

/// Adds the memories of these numbers to the database at `path`.
pub fn add(path: &Path, model: &str, range: Range<usize>) {
    database::add(path, model, range, fields);
}

fn fields(nth: usize) -> MemoryFields {
    let project = if nth % 10 < 3 { "work" } else { "global" };
    let mut fields = MemoryFields::new(project, format!("thread {}", nth / 200));
    fields.category = match nth {
        _ if nth < OLD => Category::Action,
        _ if nth % 20 == 7 => Category::Plan,
        _ => Category::Fact,
    };
    let tags = [
        ("early", nth < EARLY),
        ("half", nth.is_multiple_of(2)),
        ("twentieth", nth % 20 == 3),
        ("rare", nth % 1_000 == 9),
    ];
    let tags = tags.into_iter().filter(|(_, has)| *has);
    fields.tags = tags.map(|(tag, _)| tag.to_owned()).collect::<BTreeSet<_>>();
    fields
}
