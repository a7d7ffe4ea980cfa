//! Erases memories permanently.

use std::collections::BTreeSet;

use super::Memories;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::StoreError;
use crate::store::erasure::Traces;
use crate::store::memory::{Memory, MemoryId};

#[derive(Debug)]
pub(crate) struct Erasure {
    pub(crate) ids: Vec<MemoryId>,
    /// The erased texts, including earlier versions.
    pub(crate) texts: Vec<String>,
    /// Other places that contain one of them.
    pub(crate) traces: Vec<String>,
    /// Whether the database's log is free of them.
    pub(crate) log_emptied: bool,
}

impl Memories {
    /// The memories in any state whose text, or an earlier one, contains `text`.
    pub(crate) async fn containing(&self, text: &str) -> Result<Vec<MemoryId>, Failure> {
        Ok(self.store.containing(text.to_owned()).await?)
    }

    /// The archived memories that were forgotten on purpose.
    pub(crate) async fn forgotten(&self) -> Result<Vec<MemoryId>, Failure> {
        let ever = Timestamp(i64::MIN);
        let mut ids = self.store.archived_since(ever, true).await?;
        let by_cleanups = self.store.archived_since(ever, false).await?;
        ids.retain(|id| by_cleanups.binary_search(id).is_err());
        Ok(ids)
    }

    /// The memories that `erase` would erase: these and the older versions that they
    /// replaced, which mostly hold the same text. Fails where one is missing, protected
    /// or beyond what the caller may write.
    pub(crate) async fn erasable(
        &self,
        reach: &Reach,
        ids: &[MemoryId],
    ) -> Result<Vec<Memory>, Failure> {
        let mut memories: Vec<Memory> = Vec::with_capacity(ids.len());
        let mut known: BTreeSet<MemoryId> = ids.iter().copied().collect();
        let mut next: Vec<MemoryId> = known.iter().copied().collect();
        while !next.is_empty() {
            let mut older = Vec::new();
            for batch in next.chunks(limits::PORTION_MEMORIES_MAX) {
                let found = self.store.fetch(reach, batch.to_vec()).await?;
                let replaced = found.iter().filter_map(|memory| memory.supersedes);
                older.extend(replaced.filter(|id| known.insert(*id)));
                memories.extend(found);
            }
            next = older;
        }
        let found: BTreeSet<MemoryId> = memories.iter().map(|memory| memory.id).collect();
        let missing: Vec<MemoryId> = known.difference(&found).copied().collect();
        if !missing.is_empty() {
            let failure = Failure::from(StoreError::NoSuchMemory(missing));
            return Err(failure.hint("nothing was erased; name existing ids"));
        }
        if let Some(other) = memories
            .iter()
            .find(|memory| !reach.can_write(&memory.fields.project))
        {
            return Err(StoreError::NoAccess(other.fields.project.clone()).into());
        }
        let protected = memories.iter().filter(|memory| memory.protected);
        let protected: Vec<MemoryId> = protected.map(|memory| memory.id).collect();
        match protected.is_empty() {
            true => Ok(memories),
            false => Err(StoreError::Protected(protected).into()),
        }
    }

    /// Erases these memories from every table, index, log and free page, and names
    /// other places that contain their texts, or the text that a person `typed` to
    /// choose them. `report` gets the number done.
    pub(crate) async fn erase(
        &self,
        reach: &Reach,
        ids: &[MemoryId],
        typed: Option<&str>,
        report: impl Fn(usize),
    ) -> Result<Erasure, Failure> {
        let erasable = self.erasable(reach, ids).await?;
        let ids: Vec<MemoryId> = erasable.iter().map(|memory| memory.id).collect();
        let mut texts = Vec::new();
        let mut done = 0;
        for batch in ids.chunks(limits::RETENTION_PURGED_AT_ONCE_MAX) {
            texts.extend(self.store.erase(batch.to_vec()).await?);
            done += batch.len();
            report(done);
        }
        let mut wanted = texts.clone();
        wanted.retain(|text| text.len() >= limits::ERASED_TRACE_BYTES_MIN);
        wanted.truncate(limits::ERASED_TRACES_MAX);
        let traces = Traces {
            texts: wanted,
            typed: typed.map(str::to_owned),
            dry_run: false,
        };
        let traces = self.store.erase_traces(traces).await?;
        Ok(Erasure {
            ids,
            texts,
            traces,
            log_emptied: self.compact().await?,
        })
    }

    /// Where a text that a person `typed` is stored outside the memories' own texts.
    pub(crate) async fn traces(&self, typed: &str) -> Result<Vec<String>, Failure> {
        let wanted = Traces {
            texts: Vec::new(),
            typed: Some(typed.to_owned()),
            dry_run: true,
        };
        Ok(self.store.erase_traces(wanted).await?)
    }

    /// Rewrites the file without what was erased earlier. Returns whether its log was
    /// emptied as well.
    pub(crate) async fn compact(&self) -> Result<bool, Failure> {
        self.store.compact().await.map_err(|error| {
            let failure = Failure::from(error);
            let message = format!(
                "the memories are erased, but what held them could not be rewritten, so their \
                 bytes are still there: {}",
                failure.message
            );
            // The store's own hint, if any, is more specific.
            let hint = failure.hint.filter(|hint| hint.contains("--compact"));
            Failure::new(Kind::Unavailable, message).hint(hint.unwrap_or_else(|| {
                "make room on the disk, close the clients, then run mimo memory erase --compact"
                    .into()
            }))
        })
    }
}
