//! Names by prefix, from ranges of indexes, as in the SQLite room: no pattern is
//! matched, so no character is special, and the rows that a query may read are
//! bounded. The rows of a kind come in one statement.

use std::collections::BTreeSet;

use super::PostgresStore;
use super::transaction::Tx;
use crate::caller::Reach;
use crate::limits;
use crate::meter::store::Op;
use crate::store::measured;
use crate::store::memory::{MemoryId, WHEN};
use crate::store::names::{
    NameKind, NameStore, Names, NamesQuery, SpelledKind, end_of, folded, id_ranges, ranges,
};
use crate::store::{ProjectSet, StoreError, Stored};
use crate::text;

impl NameStore for PostgresStore {
    fn spellings(
        &self,
        reach: &Reach,
        kind: SpelledKind,
        wanted: Vec<String>,
    ) -> Stored<'_, Vec<Vec<String>>> {
        let projects = ProjectSet::readable(reach, &[]);
        measured(Op::Names, async move {
            let tx = self.begin_read().await?;
            let found = spellings(&tx, &projects, kind, &wanted).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn names(&self, query: NamesQuery) -> Stored<'_, Names> {
        measured(Op::Names, async move {
            let tx = self.begin_read().await?;
            let names = names(&tx, &query).await?;
            tx.commit().await?;
            Ok(names)
        })
    }

    fn memories_by_name(
        &self,
        reach: &Reach,
        projects: Vec<String>,
        name: String,
        limit: usize,
    ) -> Stored<'_, Vec<MemoryId>> {
        let projects = ProjectSet::readable(reach, &projects);
        measured(Op::MemoriesByName, async move {
            let tx = self.begin_read().await?;
            let memories = memories_by_name(&tx, &projects, &name, limit).await?;
            tx.commit().await?;
            Ok(memories)
        })
    }
}

async fn names(tx: &Tx, query: &NamesQuery) -> Result<Names, StoreError> {
    let wanted = match query.kind {
        NameKind::Project => &[],
        _ => query.projects.as_slice(),
    };
    let projects = &ProjectSet::readable(&query.reach, wanted);
    let mut found = Found::new(query.limit);
    let prefix = query.prefix.trim();
    let begins = folded(prefix);
    match query.kind {
        NameKind::Project => {
            let all = all_projects(tx, &mut found).await?;
            let all = all.into_iter().filter(|name| projects.contains(name));
            found.keep_all(all.filter(|name| folded(name).starts_with(&begins)));
        }
        NameKind::Tag => {
            let tags = tags(tx, &mut found, prefix).await?;
            let wanted = tags
                .into_iter()
                .filter(|tag| folded(tag).starts_with(&begins));
            let used = used(tx, &mut found, wanted.collect(), projects).await?;
            found.keep_all(used.into_iter());
        }
        NameKind::TopicKey => {
            let keys = topic_keys(tx, &mut found, prefix, projects).await?;
            let keys = keys.into_iter().map(|(key, _)| key);
            found.keep_all(keys.filter(|key| folded(key).starts_with(&begins)));
        }
        NameKind::Memory => memories(tx, &mut found, prefix, projects).await?,
        NameKind::EntityName => {
            let entities = entities(tx, &mut found, prefix, projects).await?;
            found.keep_all(entities.into_iter().map(|(_, name)| name));
        }
        NameKind::EntityKey => {
            entity_keys(tx, &mut found, prefix, projects).await?;
            let entities = entities(tx, &mut found, prefix, projects).await?;
            found.keep_all(entities.into_iter().map(|(key, _)| key));
        }
    }
    if matches!(
        query.kind,
        NameKind::Project | NameKind::Tag | NameKind::TopicKey
    ) {
        found.names.names.sort_by_key(|name| folded(name));
    }
    Ok(found.names)
}

async fn spellings(
    tx: &Tx,
    projects: &ProjectSet,
    kind: SpelledKind,
    wanted: &[String],
) -> Result<Vec<Vec<String>>, StoreError> {
    let known = match kind {
        SpelledKind::Project => all_projects(tx, &mut Found::new(usize::MAX)).await?,
        SpelledKind::Tag => Vec::new(),
    };
    let mut all = Vec::with_capacity(wanted.len());
    for name in wanted {
        let key = folded(name);
        let is_equal = |other: &&String| folded(other) == key;
        let mut found: Vec<String> = match kind {
            SpelledKind::Project => {
                let graph = graph_projects(tx, name, &known).await?;
                let all = known.iter().chain(&graph);
                let readable = all.filter(|name| projects.contains(name));
                readable.filter(is_equal).cloned().collect()
            }
            SpelledKind::Tag => {
                let mut found = Found::new(usize::MAX);
                let tags = tags(tx, &mut found, name).await?;
                let equal = tags.iter().filter(is_equal).cloned().collect();
                used(tx, &mut found, equal, projects).await?
            }
        };
        found.sort_unstable();
        found.dedup();
        all.push(found);
    }
    Ok(all)
}

async fn memories_by_name(
    tx: &Tx,
    projects: &ProjectSet,
    name: &str,
    limit: usize,
) -> Result<Vec<MemoryId>, StoreError> {
    let mut found = Found::new(usize::MAX);
    let wanted = folded(name);
    let continued = format!("{wanted}:");
    let called = |key: &str| key == wanted || key.starts_with(&continued);
    let keys = topic_keys(tx, &mut found, name, projects).await?;
    let keys = keys.into_iter().filter(|(key, _)| called(&folded(key)));
    let mut ids: Vec<MemoryId> = keys.map(|(_, id)| id).collect();
    let tags = tags(tx, &mut found, name).await?;
    let tags: Vec<String> = tags
        .into_iter()
        .filter(|tag| folded(tag) == wanted)
        .collect();
    let sql = "SELECT m.id FROM unnest($1::text[]) WITH ORDINALITY w(tag, nth) CROSS JOIN LATERAL \
               (SELECT memory_id FROM memory_tag t WHERE t.tag = w.tag AND t.state = 'active' \
               ORDER BY time DESC, memory_id DESC LIMIT $3) t JOIN memory m ON m.id = t.memory_id \
               WHERE $2::text[] IS NULL OR m.project = ANY($2) \
               ORDER BY w.nth, m.id DESC";
    let most = limits::NAMES_MEMORIES_OF_TAG_MAX;
    let rows = tx.query(sql, &[&tags, &list(projects), &most]).await?;
    ids.extend(rows.iter().map(|row| row.get::<_, MemoryId>(0)));
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    ids.truncate(limit);
    Ok(ids)
}

/// The names found so far, each once.
struct Found {
    limit: usize,
    /// Rows of an index that may still be read.
    rows: usize,
    seen: BTreeSet<String>,
    names: Names,
}

impl Found {
    fn new(limit: usize) -> Found {
        Found {
            limit,
            rows: limits::NAMES_ROWS_MAX,
            seen: BTreeSet::new(),
            names: Names::default(),
        }
    }

    /// One more than may be read, so that more of them are noticed.
    fn row_limit(&self) -> i64 {
        i64::try_from(self.rows + 1).unwrap_or(i64::MAX)
    }

    /// Counts rows that were read, and drops those beyond the bound.
    fn read<T>(&mut self, mut rows: Vec<T>) -> Vec<T> {
        self.names.more |= rows.len() > self.rows;
        rows.truncate(self.rows);
        self.rows -= rows.len();
        rows
    }

    fn keep_all(&mut self, names: impl Iterator<Item = String>) {
        for name in names {
            if self.names.names.len() >= self.limit {
                self.names.more = true;
                return;
            }
            if self.seen.insert(name.clone()) {
                self.names.names.push(name);
            }
        }
    }
}

/// The projects as a value of a statement, `None` for all.
fn list(projects: &ProjectSet) -> Option<&[String]> {
    match projects {
        ProjectSet::All => None,
        ProjectSet::Only(projects) => Some(projects),
    }
}

/// Every project with an active memory: one seek each.
async fn all_projects(tx: &Tx, found: &mut Found) -> Result<Vec<String>, StoreError> {
    let sql = "WITH RECURSIVE p(project) AS ( \
               (SELECT project FROM memory WHERE state = 'active' ORDER BY project LIMIT 1) \
               UNION ALL SELECT (SELECT m.project FROM memory m WHERE m.state = 'active' \
               AND m.project > p.project ORDER BY m.project LIMIT 1) \
               FROM p WHERE p.project IS NOT NULL) \
               SELECT project FROM p WHERE project IS NOT NULL LIMIT $1";
    let rows = tx.query(sql, &[&found.row_limit()]).await?;
    Ok(found.read(rows.iter().map(|row| row.get(0)).collect()))
}

/// The projects of the graph that are called `name`, in any case, and are not `known`. No
/// index leads from a project to its names, so only what is called so is looked for.
async fn graph_projects(tx: &Tx, name: &str, known: &[String]) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT w.word FROM unnest($1::text[], $2::text[]) r(s, e) \
               JOIN graph_word w ON w.word >= r.s AND w.word < r.e LIMIT $3";
    let mut found = Found::new(usize::MAX);
    let (starts, ends) = split(ranges(name));
    let rows = tx.query(sql, &[&starts, &ends, &found.row_limit()]).await?;
    let mut words: Vec<String> = found.read(rows.iter().map(|row| row.get(0)).collect());
    words.retain(|word| folded(word) == folded(name) && !known.contains(word));
    if words.is_empty() {
        return Ok(words);
    }
    let sql = "SELECT w.word FROM graph_word w WHERE w.word = ANY($1) \
               AND EXISTS (SELECT 1 FROM entity_name n WHERE n.project = w.id)";
    let rows = tx.query(sql, &[&words]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn split(ranges: Vec<(String, String)>) -> (Vec<String>, Vec<String>) {
    ranges.into_iter().unzip()
}

/// Tags in the ranges of `prefix`: one seek for each.
async fn tags(tx: &Tx, found: &mut Found, prefix: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT t.tag FROM unnest($1::text[], $2::text[]) WITH ORDINALITY r(s, e, nth) \
               CROSS JOIN LATERAL (WITH RECURSIVE t(tag) AS ( \
               (SELECT m.tag FROM memory_tag m WHERE m.tag >= r.s AND m.tag < r.e \
               ORDER BY m.tag LIMIT 1) \
               UNION ALL SELECT (SELECT m.tag FROM memory_tag m WHERE m.tag > t.tag \
               AND m.tag < r.e ORDER BY m.tag LIMIT 1) FROM t WHERE t.tag IS NOT NULL) \
               SELECT tag FROM t WHERE tag IS NOT NULL LIMIT $3) t ORDER BY r.nth, t.tag LIMIT $3";
    let (starts, ends) = split(ranges(prefix));
    let rows = tx.query(sql, &[&starts, &ends, &found.row_limit()]).await?;
    Ok(found.read(rows.iter().map(|row| row.get(0)).collect()))
}

/// Those tags of which one of the latest memories is active and of the projects.
async fn used(
    tx: &Tx,
    found: &mut Found,
    tags: Vec<String>,
    projects: &ProjectSet,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT w.tag, l.read, l.used FROM unnest($1::text[]) WITH ORDINALITY w(tag, nth) \
               CROSS JOIN LATERAL (SELECT count(*) AS read, \
               coalesce(bool_or($2::text[] IS NULL OR m.project = ANY($2)), false) AS used \
               FROM (SELECT memory_id FROM memory_tag t WHERE t.tag = w.tag AND t.state = 'active' \
               ORDER BY time DESC, memory_id DESC LIMIT $3) t JOIN memory m ON m.id = t.memory_id) l \
               ORDER BY w.nth";
    let most = limits::NAMES_MEMORIES_OF_TAG_MAX;
    let mut kept = Vec::new();
    let mut left = limits::NAMES_MEMORIES_MAX;
    // A few at a time: where many are used, the first decide.
    for portion in tags.chunks(TAGS_AT_ONCE) {
        if left == 0 || kept.len() > found.limit {
            found.names.more = true;
            break;
        }
        let rows = tx.query(sql, &[&portion, &list(projects), &most]).await?;
        for row in rows {
            let (read, is_used): (i64, bool) = (row.get(1), row.get(2));
            left = left.saturating_sub(1);
            match is_used {
                true => kept.push(row.get(0)),
                false => {
                    left = left.saturating_sub(usize::try_from(read).unwrap_or(0));
                    found.names.more |= read == most;
                }
            }
        }
    }
    Ok(kept)
}

/// Tags whose memories are looked up in one statement.
const TAGS_AT_ONCE: usize = 64;

/// Topic keys of the projects, with their memories, from the range of each project's
/// keys that begin as `prefix` does.
async fn topic_keys(
    tx: &Tx,
    found: &mut Found,
    prefix: &str,
    projects: &ProjectSet,
) -> Result<Vec<(String, MemoryId)>, StoreError> {
    let projects = match projects {
        ProjectSet::All => all_projects(tx, found).await?,
        ProjectSet::Only(projects) => projects.clone(),
    };
    let sql = "SELECT k.topic_key, k.id FROM unnest($1::text[]) WITH ORDINALITY p(project, nth) \
               CROSS JOIN unnest($2::text[], $3::text[]) WITH ORDINALITY r(s, e, nth) \
               CROSS JOIN LATERAL (SELECT m.topic_key, m.id FROM memory m \
               WHERE m.state = 'active' AND m.topic_key IS NOT NULL AND m.project = p.project \
               AND m.topic_key >= r.s AND m.topic_key < r.e ORDER BY m.topic_key LIMIT $4) k \
               ORDER BY p.nth, r.nth, k.topic_key LIMIT $4";
    let (starts, ends) = split(ranges(prefix));
    let rows = tx
        .query(sql, &[&projects, &starts, &ends, &found.row_limit()])
        .await?;
    let keys = rows.iter().map(|row| (row.get(0), row.get(1)));
    Ok(found.read(keys.collect()))
}

/// The memories that were recorded last; where digits are given, those whose ids begin
/// with them, from a range of ids for each number of digits.
async fn memories(
    tx: &Tx,
    found: &mut Found,
    prefix: &str,
    projects: &ProjectSet,
) -> Result<(), StoreError> {
    let asked = found.row_limit();
    let rows = match prefix.is_empty() {
        true => {
            let sql = format!(
                "SELECT id, TRUE, project FROM memory m WHERE state = 'active' \
                 ORDER BY {WHEN} DESC, id DESC LIMIT $1"
            );
            tx.query(&sql, &[&asked]).await?
        }
        false => {
            let (starts, ends): (Vec<i64>, Vec<i64>) = id_ranges(prefix).into_iter().unzip();
            let sql = "SELECT m.id, m.state = 'active', m.project \
                       FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY r(s, e, nth) \
                       CROSS JOIN LATERAL (SELECT id, state, project FROM memory \
                       WHERE id >= r.s AND id < r.e ORDER BY id DESC LIMIT $3) m \
                       ORDER BY r.nth, m.id DESC LIMIT $3";
            tx.query(sql, &[&starts, &ends, &asked]).await?
        }
    };
    let rows = found.read(rows);
    let wanted = rows
        .iter()
        .filter(|row| row.get(1) && projects.contains(row.get(2)));
    found.keep_all(wanted.map(|row| row.get::<_, MemoryId>(0).to_string()));
    Ok(())
}

/// Entities whose `type:id` begins with `prefix`.
async fn entity_keys(
    tx: &Tx,
    found: &mut Found,
    prefix: &str,
    projects: &ProjectSet,
) -> Result<(), StoreError> {
    let start = folded(prefix).replace(' ', "_");
    let sql = "SELECT e.key, $3::text[] IS NULL OR EXISTS (SELECT 1 FROM entity_name n \
               WHERE n.entity = e.id \
               AND n.project IN (SELECT id FROM graph_word WHERE word = ANY($3))) \
               FROM entity e WHERE e.key >= $1 AND e.key < $2 ORDER BY e.key LIMIT $4";
    let end = end_of(&start);
    let rows = tx
        .query(sql, &[&start, &end, &list(projects), &found.row_limit()])
        .await?;
    let rows = found.read(rows);
    found.keep_all(rows.iter().filter(|row| row.get(1)).map(|row| row.get(0)));
    Ok(())
}

/// Keys and names of entities with a name that begins with `prefix`, then of those of
/// whose other words one does. The former are a range of the names; for the latter all
/// names are read in order, up to the bound.
async fn entities(
    tx: &Tx,
    found: &mut Found,
    prefix: &str,
    projects: &ProjectSet,
) -> Result<Vec<(String, String)>, StoreError> {
    let begins = text::name_words(prefix);
    let inside = format!(" {begins}");
    let sql = "SELECT n.words, e.key, n.name FROM (SELECT words, entity, name, key, project \
               FROM entity_name WHERE words >= $1 AND words < $2 \
               AND ($3::text[] IS NULL OR project IN \
               (SELECT id FROM graph_word WHERE word = ANY($3))) ORDER BY key LIMIT $4) n \
               JOIN entity e ON e.id = n.entity ORDER BY n.key, n.project, n.entity";
    let mut entities = Vec::new();
    for (start, is_first) in [(begins.clone(), true), (String::new(), false)] {
        // Every name begins with the empty prefix.
        if !is_first && begins.is_empty() {
            break;
        }
        let end = end_of(&start);
        let rows = tx
            .query(sql, &[&start, &end, &list(projects), &found.row_limit()])
            .await?;
        for row in found.read(rows) {
            if is_first || row.get::<_, &str>(0).contains(&inside) {
                entities.push((row.get(1), row.get(2)));
            }
        }
    }
    Ok(entities)
}
