//! What there is, and taking back what has left.

use tokio_util::sync::CancellationToken;

use super::{Action, Memories};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;

pub use crate::store::inventory::{Group, Inventory};
pub use crate::store::memory::MemoryId;

/// What restoring came to.
#[derive(Debug, Default)]
pub struct Restored {
    /// Memories that are back.
    pub restored: Vec<MemoryId>,
    /// Memories that were not archived.
    pub unchanged: Vec<MemoryId>,
    /// Memories that cannot come back, each with the reason.
    pub failed: Vec<(MemoryId, Failure)>,
}

impl Memories {
    /// Counts of everything.
    pub async fn inventory(&self) -> Result<Inventory, Failure> {
        Ok(self.store.inventory().await?)
    }

    /// The memories that were archived at or after `since`, by id; those that
    /// somebody forgot on purpose only if `forgotten`.
    pub async fn archived_since(
        &self,
        since: Timestamp,
        forgotten: bool,
    ) -> Result<Vec<MemoryId>, Failure> {
        Ok(self.store.archived_since(since, forgotten).await?)
    }

    /// Brings archived memories back, each by itself: one that cannot come keeps
    /// no other away. `report` is told how many are done.
    pub async fn restore(
        &self,
        ids: Vec<MemoryId>,
        report: impl Fn(usize),
    ) -> Result<Restored, Failure> {
        let mut all = Restored::default();
        let mut done = 0;
        for batch in ids.chunks(limits::MEMORY_EDIT_IDS_MAX) {
            // Together while all can come, else one by one.
            if self.restore_together(batch, &mut all).await.is_err() {
                for id in batch {
                    if let Err(failure) = self.restore_together(&[*id], &mut all).await {
                        all.failed.push((*id, failure));
                    }
                }
            }
            done += batch.len();
            report(done);
        }
        Ok(all)
    }

    async fn restore_together(&self, ids: &[MemoryId], all: &mut Restored) -> Result<(), Failure> {
        let reason = Some("mimo memory restore".to_owned());
        let never = CancellationToken::new();
        let edited = self
            .edit(
                &Reach::Everything,
                ids.to_vec(),
                Action::Restore,
                reason,
                false,
                &never,
            )
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
