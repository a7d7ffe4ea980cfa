//! Counts of all memories, and restoring archived ones.

use tokio_util::sync::CancellationToken;

use super::{Action, Memories};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::store::memory::Filter;
use crate::text;

pub(crate) use crate::store::inventory::{Group, Inventory};
pub(crate) use crate::store::memory::MemoryId;

#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) restored: Vec<MemoryId>,
    /// Memories that were not archived.
    pub(crate) unchanged: Vec<MemoryId>,
    /// Memories that cannot be restored, each with the reason.
    pub(crate) failed: Vec<(MemoryId, Failure)>,
}

/// How many of the newest memories have a known language, and how many of those are not
/// English.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Languages {
    pub(crate) told: usize,
    pub(crate) foreign: usize,
}

impl Memories {
    pub(crate) async fn languages(&self) -> Result<Languages, Failure> {
        let filter = Filter::within(&Reach::Everything, Vec::new(), self.now());
        let most = limits::LANGUAGE_MEMORIES_MAX;
        let newest = self.store.newest(filter, None, most).await?;
        let mut languages = Languages::default();
        for english in newest
            .iter()
            .filter_map(|memory| text::is_english(&memory.content))
        {
            languages.told += 1;
            languages.foreign += usize::from(!english);
        }
        Ok(languages)
    }

    pub(crate) async fn inventory(&self) -> Result<Inventory, Failure> {
        Ok(self.store.inventory().await?)
    }

    /// The memories that were archived at or after `since`, by id; those forgotten on
    /// purpose only if `forgotten`.
    pub(crate) async fn archived_since(
        &self,
        reach: &Reach,
        since: Timestamp,
        forgotten: bool,
    ) -> Result<Vec<MemoryId>, Failure> {
        let ids = self.store.archived_since(since, forgotten).await?;
        if *reach == Reach::Everything {
            return Ok(ids);
        }
        let mut reachable = Vec::new();
        for batch in ids.chunks(limits::MEMORY_EDIT_IDS_MAX) {
            let memories = self.store.fetch(reach, batch.to_vec()).await?;
            reachable.extend(
                memories
                    .iter()
                    .filter(|each| reach.can_write(&each.fields.project))
                    .map(|each| each.id),
            );
        }
        Ok(reachable)
    }

    /// Restores archived memories one by one: a failure does not stop the others.
    /// `report` gets how many are done.
    pub(crate) async fn restore(
        &self,
        reach: &Reach,
        ids: Vec<MemoryId>,
        report: impl Fn(usize),
    ) -> Result<Restored, Failure> {
        let mut all = Restored::default();
        let mut done = 0;
        for batch in ids.chunks(limits::MEMORY_EDIT_IDS_MAX) {
            // One edit if all of them can be restored, else one by one.
            if self.restore_batch(reach, batch, &mut all).await.is_err() {
                for id in batch {
                    if let Err(failure) = self.restore_batch(reach, &[*id], &mut all).await {
                        all.failed.push((*id, failure));
                    }
                }
            }
            done += batch.len();
            report(done);
        }
        Ok(all)
    }

    async fn restore_batch(
        &self,
        reach: &Reach,
        ids: &[MemoryId],
        all: &mut Restored,
    ) -> Result<(), Failure> {
        let reason = Some("mimo memory restore".to_owned());
        let never = CancellationToken::new();
        let edited = self
            .edit(reach, ids.to_vec(), Action::Restore, reason, false, &never)
            .await?;
        for id in ids {
            match edited.changed.contains(id) {
                true => all.restored.push(*id),
                false => all.unchanged.push(*id),
            }
        }
        Ok(())
    }
}
