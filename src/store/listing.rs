//! The indexes from which both rooms list memories, newest first.

use super::ProjectSet;
use super::memory::{Category, Filter, MemoryId, WHEN};
use crate::clock::Timestamp;

/// An index of memories by some columns, then by state, then by age.
pub(super) struct AgeIndex {
    pub(super) name: &'static str,
    pub(super) table: &'static str,
    /// Joins `memory m`, where that is not the table, and the condition of that.
    pub(super) join: &'static str,
    pub(super) joined: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) state: &'static str,
    pub(super) time: &'static str,
    pub(super) id: &'static str,
    /// Values of the columns and of the state. Entries with equal ones follow each other in
    /// the order of age, and those with one of these are of every memory that passes the
    /// filter.
    pub(super) runs: Vec<Vec<String>>,
}

impl AgeIndex {
    fn of_memory(
        name: &'static str,
        columns: &'static [&'static str],
        runs: Vec<Vec<String>>,
    ) -> AgeIndex {
        AgeIndex {
            name,
            table: "memory m",
            join: "",
            joined: "TRUE",
            columns,
            state: "m.state",
            time: WHEN,
            id: "m.id",
            runs,
        }
    }

    fn of_tag(spellings: &[String]) -> AgeIndex {
        AgeIndex {
            name: "memory_by_tag",
            table: "memory_tag t",
            join: "CROSS JOIN memory m",
            joined: "m.id = t.memory_id",
            columns: &["t.tag"],
            state: "t.state",
            time: "t.time",
            id: "t.memory_id",
            runs: spellings.iter().map(|tag| vec![tag.clone()]).collect(),
        }
    }

    /// Those that serve `filter`; at least one.
    pub(super) fn all_of(filter: &Filter) -> Vec<AgeIndex> {
        let tags = filter.tags.iter();
        let mut all: Vec<AgeIndex> = tags.map(|tag| AgeIndex::of_tag(tag)).collect();
        if let Some(thread) = &filter.thread {
            let runs = vec![vec![thread.clone()]];
            let columns = &["m.thread"];
            all.push(AgeIndex::of_memory("memory_by_thread_age", columns, runs));
        }
        match (filter.project_set(), filter.category) {
            (ProjectSet::Only(projects), category) => {
                let categories = category.map_or(Category::ALL.to_vec(), |only| vec![only]);
                let runs = projects.iter().flat_map(|project| {
                    let each = categories.iter();
                    each.map(|category| vec![project.clone(), category.name().to_owned()])
                });
                let columns = &["m.project", "m.category"];
                let runs = runs.collect();
                all.push(AgeIndex::of_memory("memory_by_project", columns, runs));
            }
            (ProjectSet::All, Some(category)) => {
                let runs = vec![vec![category.name().to_owned()]];
                let columns = &["m.category"];
                all.push(AgeIndex::of_memory("memory_by_category", columns, runs));
            }
            (ProjectSet::All, None) if all.is_empty() => {
                let runs = vec![Vec::new()];
                all.push(AgeIndex::of_memory("memory_by_age", &[], runs));
            }
            (ProjectSet::All, None) => {}
        }
        for index in &mut all {
            let runs = std::mem::take(&mut index.runs).into_iter();
            let runs = runs.flat_map(|run| {
                let states = filter.states().iter();
                states.map(move |state| [run.as_slice(), &[state.name().to_owned()]].concat())
            });
            index.runs = runs.collect();
        }
        all
    }
}

/// Where the memories that pass `filter` begin in a list that is newest first and goes on
/// `after` one: their times and ids are less than this.
pub(super) fn start(
    filter: &Filter,
    after: Option<(Timestamp, MemoryId)>,
) -> Option<(Timestamp, MemoryId)> {
    let until = filter.until.map(|until| (until, MemoryId::MIN));
    let as_of = filter.as_of.map(|then| (then, MemoryId::MAX));
    after.into_iter().chain(until).chain(as_of).min()
}
