//! Project and tag names that differ only in case are one name, spelled as first
//! written.

use std::collections::{BTreeSet, HashMap};

use super::{Draft, Memories};
use crate::caller::{PROJECT_SHARED, Reach};
use crate::failure::Failure;
use crate::store::NameStore;
use crate::store::names::{SpelledKind, folded};

/// For each of `wanted` its spellings among the projects with a memory, those that
/// the reach names, and the shared one; in byte order.
pub(crate) async fn projects(
    names: &dyn NameStore,
    reach: &Reach,
    wanted: &[String],
) -> Result<Vec<Vec<String>>, Failure> {
    let stored = names
        .spellings(reach, SpelledKind::Project, wanted.to_vec())
        .await?;
    let named = match reach {
        Reach::Everything => Vec::new(),
        Reach::Projects(projects) => projects.keys().map(String::as_str).collect(),
    };
    let known = || named.iter().copied().chain([PROJECT_SHARED]);
    let all = wanted.iter().zip(stored).map(|(name, stored)| {
        let mut all: BTreeSet<String> = stored.into_iter().collect();
        let equal = known().filter(|known| folded(known) == folded(name));
        all.extend(equal.map(str::to_owned));
        all.into_iter().collect()
    });
    Ok(all.collect())
}

/// The canonical spelling of `name`: unchanged if it is one of its spellings, or has
/// none.
pub(crate) fn written(name: &str, spellings: &[String]) -> String {
    match spellings.first() {
        Some(first) if !spellings.iter().any(|spelling| spelling == name) => first.clone(),
        _ => name.to_owned(),
    }
}

/// New names in their canonical spellings. Of several equal new ones, the first counts.
#[derive(Default)]
struct CanonicalNames(HashMap<String, String>);

impl CanonicalNames {
    fn learn(&mut self, names: Vec<String>, spellings: Vec<Vec<String>>) {
        for (name, spellings) in names.into_iter().zip(spellings) {
            let written = written(&name, &spellings);
            let is_known = !spellings.is_empty();
            let chosen = match self.0.get(&folded(&name)) {
                Some(first) if !is_known => first.clone(),
                _ => written,
            };
            self.0
                .entry(folded(&name))
                .or_insert_with(|| chosen.clone());
            self.0.insert(name, chosen);
        }
    }

    fn of(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn tags(&self, tags: &BTreeSet<String>) -> BTreeSet<String> {
        tags.iter().map(|tag| self.of(tag)).collect()
    }
}

impl Memories {
    /// The drafts with the canonical spellings of their projects and tags.
    pub(super) async fn as_written(
        &self,
        reach: &Reach,
        mut drafts: Vec<Draft>,
    ) -> Result<Vec<Draft>, Failure> {
        let fields = || drafts.iter().map(|draft| &draft.fields);
        let projects = fields().map(|fields| fields.project.clone()).collect();
        let tags = fields().flat_map(|fields| fields.tags.clone()).collect();
        let projects = self.written_projects(reach, projects).await?;
        let tags = self.written_tags(reach, tags).await?;
        for draft in &mut drafts {
            draft.fields.project = projects.of(&draft.fields.project);
            draft.fields.tags = tags.tags(&draft.fields.tags);
        }
        Ok(drafts)
    }

    /// Likewise for the tags and the project of an edit.
    pub(super) async fn edit_as_written(
        &self,
        reach: &Reach,
        tags: Option<BTreeSet<String>>,
        project: Option<String>,
    ) -> Result<(Option<BTreeSet<String>>, Option<String>), Failure> {
        let tags = match tags {
            Some(tags) => {
                let written = self.written_tags(reach, tags.iter().cloned().collect());
                Some(written.await?.tags(&tags))
            }
            None => None,
        };
        let project = match project {
            Some(project) => {
                let written = self.written_projects(reach, vec![project.clone()]);
                Some(written.await?.of(&project))
            }
            None => None,
        };
        Ok((tags, project))
    }

    async fn written_projects(
        &self,
        reach: &Reach,
        names: Vec<String>,
    ) -> Result<CanonicalNames, Failure> {
        let names = distinct(names);
        let spellings = projects(&*self.store, reach, &names).await?;
        let mut written = CanonicalNames::default();
        written.learn(names, spellings);
        Ok(written)
    }

    async fn written_tags(
        &self,
        reach: &Reach,
        names: Vec<String>,
    ) -> Result<CanonicalNames, Failure> {
        let mut written = CanonicalNames::default();
        let names = distinct(names);
        if !names.is_empty() {
            let wanted = names.clone();
            let spellings = self
                .store
                .spellings(reach, SpelledKind::Tag, wanted)
                .await?;
            written.learn(names, spellings);
        }
        Ok(written)
    }

    /// The port that knows the names of what is stored.
    pub(crate) fn names(&self) -> &dyn NameStore {
        &*self.store
    }
}

/// Each once, in the order of their first mention.
fn distinct(mut names: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_name_keeps_the_spelling_that_is_stored() {
        assert_eq!(written("rust", &list(&["RUST", "Rust"])), "RUST");
        assert_eq!(written("Rust", &list(&["RUST", "Rust"])), "Rust");
        assert_eq!(written("Rust", &[]), "Rust");
    }

    #[test]
    fn equal_new_names_take_the_first_spelling() {
        let mut names = CanonicalNames::default();
        let spellings = vec![vec![], vec![], list(&["Go"]), vec![]];
        names.learn(list(&["Rust", "rust", "go", "Zig"]), spellings);
        assert_eq!(names.of("rust"), "Rust");
        assert_eq!(names.of("Rust"), "Rust");
        assert_eq!(names.of("go"), "Go");
        assert_eq!(names.of("unheard of"), "unheard of");
        let tags = names.tags(&list(&["Rust", "rust", "go"]).into_iter().collect());
        assert_eq!(tags, list(&["Go", "Rust"]).into_iter().collect());
    }
}
