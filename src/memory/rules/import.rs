//! Imports memories: those already stored are recognized, equal texts merge, and of
//! two memories with one topic key the newer becomes active.

use super::{WorkingSet, transact};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::limits;
use crate::store::StoreError;
use crate::store::memory::{
    Identity, Index, IndexedText, Lookup, Memory, MemoryFields, MemoryId, MemoryState, MemoryStore,
    TextKey,
};

/// A memory to import. `Text` is its plain text, or the text prepared for the
/// indexes.
#[derive(Clone, Debug)]
pub struct ImportRecord<Text = IndexedText> {
    /// Kept if no memory of this store ever had this id.
    pub id: Option<MemoryId>,
    pub fields: MemoryFields,
    pub(crate) text: Text,
    pub(crate) position: i64,
    pub(crate) state: MemoryState,
    pub(crate) protected: bool,
    /// Where unknown, both times are the time of the import.
    pub created_at: Option<Timestamp>,
    pub(crate) recorded_at: Option<Timestamp>,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) retired_at: Option<Timestamp>,
    pub(crate) recalled_at: Option<Timestamp>,
    pub recall_count: u64,
}

impl<Text> ImportRecord<Text> {
    /// An active memory with defaults for everything else.
    pub fn new(fields: MemoryFields, text: Text, position: i64) -> ImportRecord<Text> {
        ImportRecord {
            id: None,
            fields,
            text,
            position,
            state: MemoryState::Active,
            protected: false,
            created_at: None,
            recorded_at: None,
            updated_at: None,
            retired_at: None,
            recalled_at: None,
            recall_count: 0,
        }
    }

    /// The same memory with its text made into another form.
    pub(crate) fn with_text<New>(self, text: New) -> ImportRecord<New> {
        ImportRecord {
            id: self.id,
            fields: self.fields,
            text,
            position: self.position,
            state: self.state,
            protected: self.protected,
            created_at: self.created_at,
            recorded_at: self.recorded_at,
            updated_at: self.updated_at,
            retired_at: self.retired_at,
            recalled_at: self.recalled_at,
            recall_count: self.recall_count,
        }
    }

    /// `key` must be the key of the record's text.
    pub(crate) fn identity(&self, key: TextKey) -> Identity {
        Identity {
            project: self.fields.project.clone(),
            thread: self.fields.thread.clone(),
            position: self.position,
            key,
            created_at: self.created_at,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    Created,
    /// An equal text was stored; its memory gained the new fields.
    Merged,
    /// It was stored already, and nothing changed.
    Known,
}

/// Imports all of `records` or none; the results are in their order.
pub async fn import(
    store: &dyn MemoryStore,
    reach: &Reach,
    model: &str,
    records: Vec<ImportRecord>,
    at: Timestamp,
) -> Result<Vec<(MemoryId, ImportOutcome)>, StoreError> {
    transact(store, reach, model, false, move |transaction| {
        Box::pin(async move {
            let found = transaction.look_up(&lookup(&records)).await?;
            let mut set = WorkingSet::new(found, at);
            let each = records.into_iter().map(|new| import_one(&mut set, new));
            let imported = each.collect::<Result<_, _>>()?;
            transaction.apply(set.writes).await?;
            Ok(imported)
        })
    })
    .await
}

/// For each pair (newer, older) records that the newer memory supersedes the older
/// one, unless it already supersedes another.
pub async fn link(
    store: &dyn MemoryStore,
    reach: &Reach,
    model: &str,
    pairs: Vec<(MemoryId, MemoryId)>,
) -> Result<(), StoreError> {
    transact(store, reach, model, false, move |transaction| {
        Box::pin(async move {
            let lookup = Lookup {
                ids: pairs
                    .iter()
                    .flat_map(|(newer, older)| [*newer, *older])
                    .collect(),
                ..Lookup::default()
            };
            let mut set = WorkingSet::new(transaction.look_up(&lookup).await?, Timestamp(0));
            for (newer, older) in pairs {
                let (memory, _) = (set.get(newer)?, set.get(older)?);
                if memory.supersedes.is_none() && newer != older {
                    let linked = Memory {
                        supersedes: Some(older),
                        ..memory.clone()
                    };
                    set.write(linked, None);
                }
            }
            transaction.apply(set.writes).await
        })
    })
    .await
}

fn lookup(records: &[ImportRecord]) -> Lookup {
    let mut lookup = Lookup::default();
    for record in records {
        let project = || record.fields.project.clone();
        lookup.identities.push(record.identity(record.text.key));
        if record.state == MemoryState::Active {
            lookup.texts.push((project(), record.text.key));
            let topic = record.fields.topic_key.iter().cloned();
            lookup.topics.extend(topic.map(|topic| (project(), topic)));
        }
    }
    lookup
}

fn import_one(
    set: &mut WorkingSet,
    new: ImportRecord,
) -> Result<(MemoryId, ImportOutcome), StoreError> {
    // Checked here again: it may have been stored since, or occur in the batch twice.
    let identity = new.identity(new.text.key);
    if let Some(known) = set.memories.values().find(|memory| identity.is_of(memory)) {
        return Ok((known.id, ImportOutcome::Known));
    }
    let (mut state, mut retired_at, mut supersedes) = (new.state, new.retired_at, None);
    if new.state == MemoryState::Active {
        let project = &new.fields.project;
        if let Some(twin) = set.with_text(project, &new.text.key) {
            let twin = twin.clone();
            return Ok((twin.id, join(set, twin, new)));
        }
        let holder = set.with_topic(project, new.fields.topic_key.as_deref());
        if let Some(holder) = holder {
            // A protected memory stays active even if the import is newer.
            let (id, held) = (holder.id, holder.when());
            let arrived = new.fields.said_at.or(new.created_at).unwrap_or(set.at);
            if holder.protected || arrived <= held {
                state = MemoryState::Superseded;
                retired_at = Some(held.max(arrived));
            } else {
                set.retire(id)?;
                supersedes = Some(id);
            }
        }
    }
    if state == MemoryState::Superseded && retired_at.is_none() {
        retired_at = Some(new.updated_at.unwrap_or(set.at));
    }
    // Ids are never reused, and must not run out.
    let free = set.next_id..=limits::IMPORT_ID_MAX;
    let memory = Memory {
        id: new.id.filter(|id| free.contains(id)).unwrap_or(set.next_id),
        fields: new.fields,
        content: new.text.content.clone(),
        text_key: new.text.key,
        entities: Vec::new(),
        state,
        protected: new.protected,
        supersedes,
        position: new.position,
        created_at: new.created_at.unwrap_or(set.at),
        recorded_at: new.recorded_at,
        updated_at: new.updated_at.unwrap_or(set.at),
        retired_at,
        recalled_at: new.recalled_at,
        recall_count: new.recall_count,
        revision: 1,
    };
    let id = set.insert(memory, Index::Text(new.text));
    Ok((id, ImportOutcome::Created))
}

/// Merges an imported memory into the stored one with the same text.
fn join(set: &mut WorkingSet, twin: Memory, new: ImportRecord) -> ImportOutcome {
    let mut joined = twin.clone();
    let topic = new.fields.topic_key.clone();
    let is_free = set
        .with_topic(&twin.fields.project, topic.as_deref())
        .is_none();
    join_fields(&mut joined.fields, new.fields);
    if is_free {
        joined.fields.topic_key = joined.fields.topic_key.or(topic);
    }
    joined.protected |= new.protected;
    joined.recall_count = joined.recall_count.max(new.recall_count);
    joined.recalled_at = joined.recalled_at.max(new.recalled_at);
    if joined == twin {
        return ImportOutcome::Known;
    }
    set.update(joined);
    ImportOutcome::Merged
}

/// Merges the fields of two equal texts, except their topic keys.
fn join_fields(fields: &mut MemoryFields, new: MemoryFields) {
    fields.importance = fields.importance.max(new.importance);
    fields.tags.extend(new.tags);
    // No end wins over any end, and a later end over an earlier one.
    let both = fields.valid_until.zip(new.valid_until);
    fields.valid_until = both.map(|(held, new)| held.max(new));
    fields.said_at = fields.said_at.or(new.said_at);
}
