//! Memories out of and into SQLite as a whole.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{SqliteStore, codes, rows, write};
use crate::clock::Timestamp;
use crate::limits;
use crate::store::memory::{MemoryId, State};
use crate::store::portable::{Admission, Arriving, Identity, PortableStore, Record, Take, Told};
use crate::store::{ProjectSet, StoreError, Stored};

impl PortableStore for SqliteStore {
    fn records(&self, projects: ProjectSet, mut take: Take) -> Stored<'_, ()> {
        Box::pin(self.read(move |file| records(file, &projects, &mut take)))
    }

    fn known(&self, who: Vec<Identity>) -> Stored<'_, Vec<Option<MemoryId>>> {
        Box::pin(self.read(move |file| who.iter().map(|who| find(file, who)).collect()))
    }

    fn admit(
        &self,
        model: &str,
        arriving: Vec<Arriving>,
        at: Timestamp,
    ) -> Stored<'_, Vec<(MemoryId, Admission)>> {
        let model = model.to_owned();
        Box::pin(self.write(move |file| {
            let admit = |new: &Arriving| admit(file, &model, new, at);
            let admitted = arriving.iter().map(admit).collect::<Result<_, _>>()?;
            codes::pack(file)?;
            Ok(admitted)
        }))
    }

    fn link(&self, links: Vec<(MemoryId, MemoryId)>) -> Stored<'_, ()> {
        Box::pin(self.write(move |file| {
            let mut link = file.prepare_cached(
                "UPDATE memory SET supersedes = ?1 \
                 WHERE id = ?2 AND supersedes IS NULL AND id <> ?1",
            )?;
            for (newer, older) in links {
                link.execute([older, newer])?;
            }
            Ok(())
        }))
    }
}

fn records(
    file: &Transaction<'_>,
    projects: &ProjectSet,
    take: &mut Take,
) -> Result<(), StoreError> {
    let shown = rows::json_list(projects);
    let within = "(?1 IS NULL OR project IN (SELECT value FROM json_each(?1)))";
    let count = format!("SELECT count(*) FROM memory WHERE {within}");
    let count: i64 = file.query_row(&count, [&shown], |row| row.get(0))?;
    take(Told::Count(count.unsigned_abs()))?;
    let page = format!(
        "SELECT id, position, retired_at, recalled_at, recall_count FROM memory \
         WHERE {within} AND id > ?2 ORDER BY id LIMIT ?3"
    );
    let mut page = file.prepare(&page)?;
    let mut after = MemoryId::MIN;
    loop {
        let beside = page.query_map(
            params![shown, after, limits::PORTION_MEMORIES_MAX as i64],
            |row| {
                Ok((
                    row.get::<_, MemoryId>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, Option<i64>>(2)?.map(Timestamp),
                    row.get::<_, Option<i64>>(3)?.map(Timestamp),
                    row.get::<_, i64>(4)?.unsigned_abs(),
                ))
            },
        )?;
        let beside: Vec<_> = beside.collect::<Result<_, _>>()?;
        let ids: Vec<MemoryId> = beside.iter().map(|row| row.0).collect();
        let Some(last) = ids.last() else {
            return Ok(());
        };
        after = *last;
        // In the order of the ids, none missing: it is one snapshot.
        let memories = rows::fetch(file, &ids, &ProjectSet::All)?;
        for (memory, (_, position, retired_at, recalled_at, recall_count)) in
            memories.into_iter().zip(beside)
        {
            let record = Record {
                memory,
                position,
                retired_at,
                recalled_at,
                recall_count,
            };
            take(Told::Record(Box::new(record)))?;
        }
    }
}

fn find(file: &Transaction<'_>, who: &Identity) -> Result<Option<MemoryId>, StoreError> {
    let found = file
        .prepare_cached(
            "SELECT id FROM memory WHERE thread = ?1 AND position = ?2 AND project = ?3 \
             AND text_key = ?4 AND (?5 IS NULL OR created_at = ?5) ORDER BY id LIMIT 1",
        )?
        .query_row(
            params![
                who.thread,
                who.position,
                who.project,
                who.key,
                who.created_at.map(|time| time.0)
            ],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found)
}

fn admit(
    file: &Transaction<'_>,
    model: &str,
    new: &Arriving,
    at: Timestamp,
) -> Result<(MemoryId, Admission), StoreError> {
    // Looked for again: it may have come since, or stand in the batch twice.
    if let Some(id) = find(file, &new.identity(new.text.key))? {
        return Ok((id, Admission::Known));
    }
    let mut place = Place {
        state: new.state,
        retired_at: new.retired_at,
        supersedes: None,
    };
    if new.state == State::Active {
        if let Some(twin) = write::active_with_text(file, &new.project, &new.text.key)? {
            return Ok((twin, join(file, twin, new, at)?));
        }
        if let Some(topic) = &new.topic_key
            && let Some(holder) = write::active_with_topic(file, &new.project, topic)?
        {
            place = beside_holder(file, holder, new, at)?;
        }
    }
    if place.state == State::Superseded && place.retired_at.is_none() {
        place.retired_at = Some(new.updated_at.unwrap_or(at));
    }
    let id = insert(file, new, &place, at)?;
    write::add_tags(file, id, &new.tags)?;
    write::index(file, model, id, &new.text)?;
    Ok((id, Admission::Created))
}

/// How a memory is entered.
struct Place {
    state: State,
    retired_at: Option<Timestamp>,
    supersedes: Option<MemoryId>,
}

/// Where another memory holds the topic key: the newer of the two is believed,
/// the other an older version. A protected one stays.
fn beside_holder(
    file: &Transaction<'_>,
    holder: MemoryId,
    new: &Arriving,
    at: Timestamp,
) -> Result<Place, StoreError> {
    let (created, protected): (i64, bool) = file
        .prepare_cached("SELECT created_at, protected FROM memory WHERE id = ?")?
        .query_row([holder], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let arrived = new.created_at.unwrap_or(at);
    if protected || arrived.0 <= created {
        return Ok(Place {
            state: State::Superseded,
            retired_at: Some(Timestamp(created).max(arrived)),
            supersedes: None,
        });
    }
    write::retire(file, holder, at)?;
    Ok(Place {
        state: State::Active,
        retired_at: None,
        supersedes: Some(holder),
    })
}

fn insert(
    file: &Transaction<'_>,
    new: &Arriving,
    place: &Place,
    at: Timestamp,
) -> Result<MemoryId, StoreError> {
    let last: Option<i64> = file
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'memory'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    // Ids are never used again, and must not run out.
    let free = last.unwrap_or(0) + 1..=limits::IMPORT_ID_MAX;
    let id = new.id.filter(|id| free.contains(id));
    let time = |time: Option<Timestamp>| time.map(|time| time.0);
    let created = new.created_at.unwrap_or(at);
    file.prepare_cached(
        "INSERT INTO memory (id, project, category, importance, state, protected, created_at, \
         retired_at, valid_until, updated_at, recalled_at, recall_count, supersedes, position, \
         text_key, thread, topic_key, content) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        id,
        new.project,
        new.category.name(),
        new.importance,
        place.state.name(),
        new.protected,
        created.0,
        time(place.retired_at),
        time(new.valid_until),
        new.updated_at.unwrap_or(at).0,
        time(new.recalled_at),
        i64::try_from(new.recall_count).unwrap_or(i64::MAX),
        place.supersedes,
        new.position,
        new.text.key,
        new.thread,
        new.topic_key,
        new.text.content,
    ])?;
    Ok(file.last_insert_rowid())
}

/// Gives the memory that says the same what the new one adds, if anything.
fn join(
    file: &Transaction<'_>,
    id: MemoryId,
    new: &Arriving,
    at: Timestamp,
) -> Result<Admission, StoreError> {
    let topic = match &new.topic_key {
        Some(topic) if write::active_with_topic(file, &new.project, topic)?.is_none() => {
            Some(topic)
        }
        _ => None,
    };
    let before = file.total_changes();
    write::add_tags(file, id, &new.tags)?;
    let tagged = file.total_changes() > before;
    // Said again without an end, it has none; said with one, the later holds.
    let mut join = file.prepare_cached(
        "UPDATE memory SET importance = max(importance, ?1), protected = max(protected, ?2), \
         valid_until = CASE WHEN ?3 IS NULL THEN NULL ELSE max(valid_until, ?3) END, \
         topic_key = coalesce(topic_key, ?4), recall_count = max(recall_count, ?5), \
         recalled_at = max(coalesce(recalled_at, ?6), coalesce(?6, recalled_at)), \
         updated_at = ?7, revision = revision + 1 \
         WHERE id = ?8 AND (?9 OR importance < ?1 OR protected < ?2 \
         OR (valid_until IS NOT NULL AND (?3 IS NULL OR valid_until < ?3)) \
         OR (topic_key IS NULL AND ?4 IS NOT NULL) OR recall_count < ?5 \
         OR coalesce(recalled_at, 0) < coalesce(?6, 0))",
    )?;
    let changed = join.execute(params![
        new.importance,
        new.protected,
        new.valid_until.map(|time| time.0),
        topic,
        i64::try_from(new.recall_count).unwrap_or(i64::MAX),
        new.recalled_at.map(|time| time.0),
        at.0,
        id,
        tagged,
    ])?;
    Ok(match changed {
        0 => Admission::Known,
        _ => Admission::Merged,
    })
}
