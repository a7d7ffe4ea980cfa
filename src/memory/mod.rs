//! Memories: storing, searching, editing. The rules are here; the store persists, the
//! encoder encodes, the tools parse and render.

mod clock_jump;
pub(crate) mod contradiction;
pub(crate) mod credentials;
mod encoding;
mod erasure;
pub(crate) mod inventory;
mod model;
pub(crate) mod moment;
pub mod portable;
mod recall;
mod reembed;
mod remember;
pub mod retention;
pub mod rules;
mod search;
pub(crate) mod spelling;
mod when;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use encoding::Encoding;
pub(crate) use model::{Action, Draft, Edited, Mode, Page, Remembered, Search};
pub use model::{RememberOutcome, Settings};
use moment::Here;
pub(crate) use recall::fuse;
pub(crate) use recall::{Weights, Why};
use rules::edit::{Destination, Edit, MemoryChange};

use crate::caller::Reach;
use crate::clock::{Clock, Timestamp};
use crate::embed::Embedder;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::graph::EntityId;
use crate::store::memory::{Filter, IndexedText, Memory, MemoryCensus, MemoryId, MemoryStore};

pub struct Memories {
    store: Arc<dyn MemoryStore>,
    encoding: Encoding,
    clock: Arc<dyn Clock>,
    settings: Settings,
    /// Recalls that are not written yet.
    recalls: Arc<Mutex<Vec<MemoryId>>>,
    /// Tasks that count them after the answer was sent.
    background: TaskTracker,
    closing: CancellationToken,
}

impl Memories {
    pub fn new(
        store: Arc<dyn MemoryStore>,
        embedder: Arc<dyn Embedder>,
        clock: Arc<dyn Clock>,
        mut settings: Settings,
    ) -> Self {
        settings.weights.notes = embedder.note_weights();
        Memories {
            store,
            encoding: Encoding::new(embedder),
            clock,
            settings,
            recalls: Arc::default(),
            background: TaskTracker::new(),
            closing: CancellationToken::new(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// For reading the moments that the user names.
    pub(crate) fn here(&self) -> Here {
        Here::of(&*self.clock)
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// The name of the vector space in use.
    pub(crate) fn model(&self) -> &str {
        self.encoding.embedder.model_id()
    }

    fn refuse_credential(&self, found: Option<&&'static str>) -> Result<(), Failure> {
        match found.filter(|_| self.settings.refuse_credentials) {
            None => Ok(()),
            Some(what) => Err(Failure::new(
                Kind::Refused,
                format!("the text seems to hold {what}, so nothing was stored"),
            )
            .hint("say where the secret is kept instead, for example in a password manager")),
        }
    }

    /// Of the latest memories that name one of these entities, those that
    /// `filter` lets through, newest first, at most `limit`.
    pub(crate) async fn mentioning(
        &self,
        entities: Vec<EntityId>,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<Memory>, Failure> {
        Ok(self.store.mentioning(entities, filter, limit).await?)
    }

    /// The cosine between `probe` and each memory that has a vector.
    pub(crate) async fn similarities(
        &self,
        reach: &Reach,
        ids: Vec<MemoryId>,
        probe: Vec<f32>,
    ) -> Result<HashMap<MemoryId, f32>, Failure> {
        let model = self.model();
        let found = self.store.similarities(reach, model, ids, probe).await?;
        Ok(found.into_iter().collect())
    }

    /// Counts a recall of each memory. Recalls are collected for a moment and written
    /// together, so that searches do not write; [`Memories::settle`] writes the last
    /// ones.
    pub(crate) fn count_recall(&self, ids: Vec<MemoryId>) {
        if ids.is_empty() {
            return;
        }
        let is_first = {
            let mut recalls = lock(&self.recalls);
            let is_first = recalls.is_empty();
            recalls.extend(ids);
            is_first
        };
        if !is_first {
            return;
        }
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let (recalls, closing) = (self.recalls.clone(), self.closing.clone());
        self.background.spawn(async move {
            let collected = Duration::from_millis(limits::RECALL_MILLIS_MAX);
            let _ended = tokio::time::timeout(collected, closing.cancelled()).await;
            let ids = std::mem::take(&mut *lock(&recalls));
            if let Err(error) = store.record_recalls(ids, clock.now()).await {
                tracing::warn!(%error, "recalls were not counted");
            }
        });
    }

    /// Waits until all background tasks are done, or the store takes too long.
    pub(crate) async fn settle(&self) {
        self.closing.cancel();
        self.background.close();
        let most = Duration::from_millis(limits::RECALL_CLOSE_MILLIS_MAX);
        if tokio::time::timeout(most, self.background.wait())
            .await
            .is_err()
        {
            tracing::warn!("the last recalls were not counted: the store does not answer");
        }
    }

    /// Edits all of these memories or none.
    pub(crate) async fn edit(
        &self,
        reach: &Reach,
        ids: Vec<MemoryId>,
        action: Action,
        reason: Option<String>,
        dry_run: bool,
        cancel: &CancellationToken,
    ) -> Result<Edited, Failure> {
        let change = match action {
            Action::Update {
                content,
                importance,
                tags,
                said_at,
                project,
            } => {
                let (tags, project) = self.edit_as_written(reach, tags, project).await?;
                let found = content.as_deref().and_then(credentials::find);
                self.refuse_credential(found.as_ref())?;
                let contents = content.into_iter().collect();
                let mut texts = self.encoding.documents(contents, cancel, |_, _| ()).await?;
                let text = texts.pop();
                let mut destinations = match project {
                    Some(project) => {
                        self.destinations(reach, &ids, project, &text, cancel)
                            .await?
                    }
                    None => HashMap::new(),
                };
                let changes = ids.into_iter().map(|id| {
                    let change = MemoryChange::Update {
                        text: text.clone(),
                        importance,
                        tags: tags.clone(),
                        said_at: said_at.map(Some),
                        destination: destinations.remove(&id).map(Box::new),
                    };
                    (id, change)
                });
                let changes = changes.collect();
                return self.make_edit(reach, changes, reason, None, dry_run).await;
            }
            Action::Forget => MemoryChange::Forget,
            Action::Restore => MemoryChange::Restore,
            Action::Protect(protected) => MemoryChange::Protect(protected),
        };
        let changes = ids.into_iter().map(|id| (id, change.clone())).collect();
        self.make_edit(reach, changes, reason, None, dry_run).await
    }

    /// The text of each memory that is to move to `project` (the new text, if one is
    /// given), indexed for that project.
    async fn destinations(
        &self,
        reach: &Reach,
        ids: &[MemoryId],
        project: String,
        text: &Option<IndexedText>,
        cancel: &CancellationToken,
    ) -> Result<HashMap<MemoryId, Destination>, Failure> {
        let mut found = self.store.fetch(reach, ids.to_vec()).await?;
        found.retain(|memory| memory.fields.project != project);
        let texts = match text {
            Some(text) => vec![text.clone(); found.len()],
            None => {
                let contents = found.iter().map(|memory| memory.content.clone()).collect();
                self.encoding.documents(contents, cancel, |_, _| ()).await?
            }
        };
        let to = found.iter().zip(texts).map(|(memory, text)| {
            let project = project.clone();
            (memory.id, Destination { project, text })
        });
        Ok(to.collect())
    }

    /// Undoes an edit. The undo is itself an edit, so it can be undone too.
    pub(crate) async fn undo(
        &self,
        reach: &Reach,
        undo_id: String,
        dry_run: bool,
        cancel: &CancellationToken,
    ) -> Result<Edited, Failure> {
        let records = self.store.edit_records(reach, undo_id.clone()).await?;
        let ids = records.iter().map(|record| record.memory).collect();
        let now = self.store.fetch(reach, ids).await?;
        rules::edit::refuse_changed_since(&undo_id, &records, &now)?;
        let mut changes = Vec::with_capacity(records.len());
        for record in records {
            let current = now.iter().find(|memory| memory.id == record.memory);
            let Some(current) = current else { continue };
            let content = record.text_changed.then(|| record.content.clone());
            let mut texts = self
                .encoding
                .documents(content.into_iter().collect(), cancel, |_, _| ())
                .await?;
            let inverse = rules::edit::inverse(record, current, texts.pop());
            changes.push((current.id, inverse));
        }
        let reason = Some(format!("undoes {undo_id}"));
        self.make_edit(reach, changes, reason, Some(undo_id), dry_run)
            .await
    }

    async fn make_edit(
        &self,
        reach: &Reach,
        changes: Vec<(MemoryId, MemoryChange)>,
        reason: Option<String>,
        undoes: Option<String>,
        dry_run: bool,
    ) -> Result<Edited, Failure> {
        let undo_id = self.clock.new_id();
        let edit = Edit {
            changes,
            reason,
            undo_id: undo_id.clone(),
            undoes,
            dry_run,
        };
        let model = self.model();
        let at = self.clock.now();
        let changed = rules::edit::edit(&*self.store, reach, model, edit, at).await?;
        let undo_id = (!dry_run && !changed.is_empty()).then_some(undo_id);
        let stored = self.store.fetch(reach, changed.clone()).await?;
        let projects = stored.into_iter().map(|memory| memory.fields.project);
        Ok(Edited {
            projects: projects.collect(),
            changed,
            undo_id,
        })
    }

    pub(crate) async fn census(&self, reach: &Reach) -> Result<MemoryCensus, Failure> {
        Ok(self.store.census(reach).await?)
    }

    async fn encode_query(&self, query: String) -> Result<Vec<f32>, Failure> {
        let mut vectors = self.encode(vec![query]).await?;
        vectors
            .pop()
            .ok_or_else(|| Failure::internal("a query without a vector"))
    }

    /// The vectors of short texts, encoded as queries, in their order.
    pub(crate) async fn encode(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Failure> {
        self.encoding.queries(texts).await
    }
}

fn cancelled() -> Failure {
    Failure::new(
        Kind::Cancelled,
        "the request was cancelled; nothing was changed",
    )
}

fn lock(recalls: &Mutex<Vec<MemoryId>>) -> MutexGuard<'_, Vec<MemoryId>> {
    recalls.lock().unwrap_or_else(PoisonError::into_inner)
}
