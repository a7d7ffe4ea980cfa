//! Names by prefix, from ranges of indexes: each row of a range, or one seek for
//! each different name in it. No pattern is matched, so no character is special.
//! The rows that a query may read are bounded.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Rows, params};

use super::rows::{self, INDEXED_STATE};
use crate::limits;
use crate::store::memory::{MemoryId, WHEN};
use crate::store::names::{
    NameKind, Names, NamesQuery, SpelledKind, end_of, folded, id_ranges, ranges,
};
use crate::store::{ProjectSet, StoreError};
use crate::text;

pub(super) fn names(file: &Connection, query: &NamesQuery) -> Result<Names, StoreError> {
    let wanted = match query.kind {
        NameKind::Project => &[],
        _ => query.projects.as_slice(),
    };
    let projects = ProjectSet::readable(&query.reach, wanted);
    let mut scan = Scan::new(file, projects, query.limit);
    let prefix = query.prefix.trim();
    match query.kind {
        NameKind::Project => scan.projects(&folded(prefix))?,
        NameKind::Tag => scan.tags(prefix, |tag| tag.starts_with(&folded(prefix)))?,
        NameKind::TopicKey => {
            let begins = |key: &str| key.starts_with(&folded(prefix));
            scan.topic_keys(prefix, begins, |scan, key, _| scan.keep(key))?;
        }
        NameKind::Memory => scan.memories(prefix)?,
        NameKind::EntityName => scan.entities(prefix, |scan, _, name| {
            scan.keep(name);
            Ok(())
        })?,
        NameKind::EntityKey => {
            scan.entity_keys(prefix)?;
            scan.entities(prefix, |scan, entity, _| scan.keep_key_of(entity))?;
        }
    }
    if matches!(
        query.kind,
        NameKind::Project | NameKind::Tag | NameKind::TopicKey
    ) {
        scan.found.names.sort_by_key(|name| folded(name));
    }
    Ok(scan.found)
}

/// See `NameStore::spellings`.
pub(super) fn spellings(
    file: &Connection,
    projects: &ProjectSet,
    kind: SpelledKind,
    wanted: &[String],
) -> Result<Vec<Vec<String>>, StoreError> {
    let scan = || Scan::new(file, projects.clone(), usize::MAX);
    let mut known = scan();
    if kind == SpelledKind::Project {
        known.projects("")?;
        known.graph_projects()?;
    }
    let mut all = Vec::with_capacity(wanted.len());
    for name in wanted {
        let key = folded(name);
        let is_equal = |other: &str| folded(other) == key;
        let mut found: Vec<String> = match kind {
            SpelledKind::Project => {
                let names = known.found.names.iter();
                names.filter(|name| is_equal(name)).cloned().collect()
            }
            SpelledKind::Tag => {
                let mut scan = scan();
                scan.tags(name, |tag| tag == key)?;
                scan.found.names
            }
        };
        found.sort_unstable();
        found.dedup();
        all.push(found);
    }
    Ok(all)
}

pub(super) fn memories_by_name(
    file: &Connection,
    projects: ProjectSet,
    name: &str,
    limit: usize,
) -> Result<Vec<MemoryId>, StoreError> {
    let mut scan = Scan::new(file, projects, usize::MAX);
    let wanted = folded(name);
    let continued = format!("{wanted}:");
    let mut ids = Vec::new();
    let called = |key: &str| key == wanted || key.starts_with(&continued);
    scan.topic_keys(name, called, |_, _, id| ids.push(id))?;
    scan.tags(name, |tag| tag == wanted)?;
    for tag in scan.found.names {
        let sql = "SELECT m.id FROM (SELECT memory_id FROM memory_tag \
                   WHERE tag = ?1 AND state = 'active' ORDER BY time DESC, memory_id DESC \
                   LIMIT ?3) t JOIN memory m ON m.id = t.memory_id \
                   WHERE ?2 IS NULL OR m.project IN (SELECT value FROM json_each(?2)) \
                   ORDER BY m.id DESC";
        let mut statement = file.prepare_cached(sql)?;
        let values = params![tag, scan.shown, limits::NAMES_MEMORIES_OF_TAG_MAX];
        for id in statement.query_map(values, |row| row.get(0))? {
            ids.push(id?);
        }
    }
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    ids.truncate(limit);
    Ok(ids)
}

/// One bounded query.
struct Scan<'a> {
    file: &'a Connection,
    projects: ProjectSet,
    /// The projects as a JSON list, `None` for all.
    shown: Option<String>,
    limit: usize,
    /// Rows of an index that it may still read.
    rows: usize,
    /// Memories that it may still look up.
    memories: usize,
    seen: BTreeSet<String>,
    found: Names,
}

impl<'a> Scan<'a> {
    fn new(file: &'a Connection, projects: ProjectSet, limit: usize) -> Scan<'a> {
        Scan {
            file,
            shown: rows::json_list(&projects),
            projects,
            limit,
            rows: limits::NAMES_ROWS_MAX,
            memories: limits::NAMES_MEMORIES_MAX,
            seen: BTreeSet::new(),
            found: Names::default(),
        }
    }

    /// Counts one more row; `false` where the scan has to end.
    fn advance(&mut self) -> bool {
        let met = self.rows == 0 || self.memories == 0;
        let full = self.found.names.len() >= self.limit || met;
        self.found.more |= full;
        self.rows = self.rows.saturating_sub(1);
        !full
    }

    fn keep(&mut self, name: &str) {
        if self.seen.insert(name.to_owned()) {
            self.found.names.push(name.to_owned());
        }
    }

    fn projects(&mut self, prefix: &str) -> Result<(), StoreError> {
        for project in self.all_projects()? {
            if self.is_wanted(&project) && folded(&project).starts_with(prefix) {
                self.keep(&project);
            }
        }
        Ok(())
    }

    /// The projects of triples.
    fn graph_projects(&mut self) -> Result<(), StoreError> {
        let sql =
            "SELECT DISTINCT w.word FROM triple_count c JOIN graph_word w ON w.id = c.project";
        let mut statement = self.file.prepare_cached(sql)?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?;
        for project in found {
            let project = project?;
            if self.is_wanted(&project) {
                self.keep(&project);
            }
        }
        Ok(())
    }

    /// Every project with an active memory: one seek each.
    fn all_projects(&mut self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT project FROM memory WHERE state = 'active' AND project > ? \
                   ORDER BY project LIMIT 1";
        let mut next = self.file.prepare_cached(sql)?;
        let (mut all, mut after) = (Vec::new(), String::new());
        while self.advance() {
            let found: Option<String> = next.query_row([&after], |row| row.get(0)).optional()?;
            let Some(project) = found else { break };
            all.push(project.clone());
            after = project;
        }
        Ok(all)
    }

    /// Tags of the projects whose folded form is `wanted`: one seek for each distinct
    /// tag in the ranges of `prefix`. Only the latest memories of a tag decide
    /// whether it is in the projects.
    fn tags(&mut self, prefix: &str, wanted: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let sql = "SELECT tag FROM memory_tag WHERE tag > ? AND tag < ? ORDER BY tag LIMIT 1";
        let mut next = self.file.prepare_cached(sql)?;
        for (mut after, end) in ranges(prefix) {
            // A tag equal to the prefix comes first.
            let mut first = exact(self.file, &after)?;
            while self.advance() {
                let found = match first.take() {
                    Some(tag) => Some(tag),
                    None => next
                        .query_row([&after, &end], |row| row.get(0))
                        .optional()?,
                };
                let Some(tag) = found else { break };
                let tag: String = tag;
                if wanted(&folded(&tag)) && self.uses(&tag)? {
                    self.keep(&tag);
                }
                after = tag;
            }
        }
        Ok(())
    }

    /// Whether one of the latest active memories with this tag is of the projects.
    fn uses(&mut self, tag: &str) -> Result<bool, StoreError> {
        let sql = "SELECT m.project FROM memory_tag t JOIN memory m ON m.id = t.memory_id \
                   WHERE t.tag = ? AND t.state = 'active' \
                   ORDER BY t.time DESC, t.memory_id DESC LIMIT ?";
        let mut statement = self.file.prepare_cached(sql)?;
        let most = limits::NAMES_MEMORIES_OF_TAG_MAX;
        let mut rows = statement.query(params![tag, most])?;
        let mut met = 0;
        while let Some(row) = rows.next()? {
            if self.memories == 0 {
                self.found.more = true;
                return Ok(false);
            }
            self.memories -= 1;
            met += 1;
            let project = row.get_ref(0)?.as_str().unwrap_or_default();
            if self.is_wanted(project) {
                return Ok(true);
            }
        }
        self.found.more |= met == most;
        Ok(false)
    }

    /// Topic keys of the projects whose folded form is `wanted`, from the range
    /// of each project's keys that begin as `prefix` does.
    fn topic_keys(
        &mut self,
        prefix: &str,
        wanted: impl Fn(&str) -> bool,
        mut take: impl FnMut(&mut Self, &str, MemoryId),
    ) -> Result<(), StoreError> {
        let projects = match &self.projects {
            ProjectSet::All => self.all_projects()?,
            ProjectSet::Only(projects) => projects.clone(),
        };
        let sql = "SELECT topic_key, id FROM memory WHERE state = 'active' \
                   AND topic_key IS NOT NULL AND project = ? AND topic_key >= ? \
                   AND topic_key < ? ORDER BY topic_key";
        let mut statement = self.file.prepare_cached(sql)?;
        for project in projects {
            for (start, end) in ranges(prefix) {
                let mut rows = statement.query([&project, &start, &end])?;
                while let Some(row) = rows.next()? {
                    if !self.advance() {
                        break;
                    }
                    let key: String = row.get(0)?;
                    if wanted(&folded(&key)) {
                        take(self, &key, row.get(1)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// The memories that were recorded last; where digits are given, those whose
    /// ids begin with them, from a range of ids for each number of digits.
    fn memories(&mut self, prefix: &str) -> Result<(), StoreError> {
        let sql = "SELECT id, state = 'active', project FROM memory \
                   WHERE id >= ? AND id < ? ORDER BY id DESC";
        if !prefix.is_empty() {
            let mut statement = self.file.prepare_cached(sql)?;
            for (start, end) in id_ranges(prefix) {
                self.keep_memories(statement.query([start, end])?)?;
            }
            return Ok(());
        }
        let sql = format!(
            "SELECT id, TRUE, project FROM memory m WHERE {INDEXED_STATE} = 'active' \
             ORDER BY {WHEN} DESC, id DESC"
        );
        let mut statement = self.file.prepare_cached(&sql)?;
        self.keep_memories(statement.query([])?)
    }

    /// Keeps those that are active and of the projects.
    fn keep_memories(&mut self, mut rows: Rows<'_>) -> Result<(), StoreError> {
        while let Some(row) = rows.next()? {
            if !self.advance() {
                break;
            }
            let project = row.get_ref(2)?.as_str().unwrap_or_default();
            if row.get(1)? && self.is_wanted(project) {
                let id: MemoryId = row.get(0)?;
                self.keep(&id.to_string());
            }
        }
        Ok(())
    }

    fn is_wanted(&self, project: &str) -> bool {
        self.projects.contains(project)
    }

    /// Entities whose `type:id` begins with `prefix`.
    fn entity_keys(&mut self, prefix: &str) -> Result<(), StoreError> {
        let start = folded(prefix).replace(' ', "_");
        let words = self.project_words()?;
        let sql = "SELECT e.key, ?3 IS NULL OR EXISTS (SELECT 1 FROM entity_name n \
                   WHERE n.entity = e.id AND n.project IN (SELECT value FROM json_each(?3))) \
                   FROM entity e WHERE e.key >= ?1 AND e.key < ?2 ORDER BY e.key";
        let mut statement = self.file.prepare_cached(sql)?;
        let mut rows = statement.query(params![start, end_of(&start), words])?;
        while let Some(row) = rows.next()? {
            if !self.advance() {
                break;
            }
            if row.get(1)? {
                let key: String = row.get(0)?;
                self.keep(&key);
            }
        }
        Ok(())
    }

    /// Entities with a name that begins with `prefix`, then those of whose other
    /// words one does. The former are a range of the names; for the latter all names
    /// are scanned in order, up to the bound.
    fn entities(
        &mut self,
        prefix: &str,
        mut take: impl FnMut(&mut Self, i64, &str) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let begins = text::name_words(prefix);
        let inside = format!(" {begins}");
        let projects = self.project_words()?;
        let sql = "SELECT n.words, n.entity, n.name FROM entity_name n WHERE n.words >= ?1 \
                   AND n.words < ?2 AND (?3 IS NULL OR n.project IN (SELECT value FROM json_each(?3))) \
                   ORDER BY n.key";
        let mut statement = self.file.prepare_cached(sql)?;
        let ranges = [(begins.clone(), true), (String::new(), false)];
        // Every name begins with the empty prefix.
        let ranges = &ranges[..if begins.is_empty() { 1 } else { 2 }];
        for (start, first) in ranges {
            let mut rows = statement.query(params![start, end_of(start), projects])?;
            while let Some(row) = rows.next()? {
                if !self.advance() {
                    return Ok(());
                }
                let key: String = row.get(0)?;
                if *first || key.contains(&inside) {
                    let name: String = row.get(2)?;
                    take(self, row.get(1)?, &name)?;
                }
            }
        }
        Ok(())
    }

    fn keep_key_of(&mut self, entity: i64) -> Result<(), StoreError> {
        let key: Option<String> = self
            .file
            .prepare_cached("SELECT key FROM entity WHERE id = ?")?
            .query_row([entity], |row| row.get(0))
            .optional()?;
        if let Some(key) = key {
            self.keep(&key);
        }
        Ok(())
    }

    /// The projects in the graph's words as a JSON list, `None` for all.
    fn project_words(&self) -> Result<Option<String>, StoreError> {
        let Some(projects) = &self.shown else {
            return Ok(None);
        };
        let sql = "SELECT json_group_array(id) FROM graph_word \
                   WHERE word IN (SELECT value FROM json_each(?))";
        let mut statement = self.file.prepare_cached(sql)?;
        Ok(Some(statement.query_row([projects], |row| row.get(0))?))
    }
}

fn exact(file: &Connection, tag: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT tag FROM memory_tag WHERE tag = ? LIMIT 1";
    let mut statement = file.prepare_cached(sql)?;
    Ok(statement.query_row([tag], |row| row.get(0)).optional()?)
}
