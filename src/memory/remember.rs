//! Stores memories, and reports stored ones that are similar or contradict them.

use std::collections::{BTreeSet, HashMap};

use tokio_util::sync::CancellationToken;

use super::contradiction::{self, contradict};
use super::rules::remember::StoredOutcome;
use super::{Draft, Memories, Remembered, cancelled, credentials, rules};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::store::memory::{Category, IndexedText, MemoryId, NewMemory};
use crate::{limits, text};

/// The number of words by which a replaced text must be longer to be shown.
const MORE_WORDS: usize = 4;

impl Memories {
    /// Stores all drafts or none; the results are in their order. `report` gets
    /// how many are encoded and their total.
    pub(crate) async fn remember(
        &self,
        reach: &Reach,
        drafts: Vec<Draft>,
        cancel: &CancellationToken,
        report: impl Fn(usize, usize) + Send + Sync,
    ) -> Result<Vec<Remembered>, Failure> {
        let credentials: Vec<_> = drafts
            .iter()
            .map(|draft| credentials::find(&draft.text))
            .collect();
        self.refuse_credential(credentials.iter().flatten().next())?;
        let drafts = self.as_written(reach, drafts).await?;
        self.encoding
            .admit(drafts.iter().map(|draft| draft.text.as_str()))?;
        let contents = drafts.iter().map(|draft| draft.text.clone()).collect();
        let texts = self.encoding.documents(contents, cancel, report).await?;
        let at = self.clock.now();
        let nearby = self.nearby(reach, &drafts, &texts, at).await?;
        let said: Vec<(String, Category)> = drafts
            .iter()
            .map(|draft| (draft.text.clone(), draft.fields.category))
            .collect();
        let ended: Vec<Option<Timestamp>> = drafts
            .iter()
            .map(|draft| draft.fields.valid_until.filter(|until| *until <= at))
            .collect();
        let replaced: Vec<MemoryId> = drafts.iter().filter_map(|draft| draft.supersedes).collect();
        let unencoded: Vec<bool> = texts.iter().map(|text| text.vectors.is_empty()).collect();
        let batch = drafts
            .into_iter()
            .zip(texts)
            .map(|(draft, text)| NewMemory {
                fields: draft.fields,
                explicit: draft.explicit,
                text,
                supersedes: draft.supersedes,
            })
            .collect();
        // The last moment at which the caller can cancel.
        if cancel.is_cancelled() {
            return Err(cancelled());
        }
        let model = self.model();
        let stored = rules::remember::remember(&*self.store, reach, model, batch, at).await;
        let stored = match stored {
            Ok(stored) => stored,
            Err(error) => return Err(self.with_versions(reach, error.into(), &replaced).await),
        };
        let warned = credentials.into_iter().zip(ended).zip(unencoded);
        let each = stored.into_iter().zip(said).zip(nearby).zip(warned);
        Ok(each
            .map(|(((stored, said), nearby), warned)| {
                let warning = warning(stored.id, warned);
                self.remembered(stored, said, nearby, warning)
            })
            .collect())
    }

    /// A refusal with the active versions of the memories that were to be `replaced`.
    async fn with_versions(
        &self,
        reach: &Reach,
        refusal: Failure,
        replaced: &[MemoryId],
    ) -> Failure {
        if refusal.kind != Kind::Conflict || refusal.hint.is_some() {
            return refusal;
        }
        for id in replaced {
            let versions = self.store.active_versions(*id).await.unwrap_or_default();
            let versions = self.store.fetch(reach, versions).await.unwrap_or_default();
            if let Some(version) = versions.iter().find(|version| version.id != *id) {
                let version = version.id;
                return refusal.hint(format!(
                    "the active version of memory {id} is {version}: give supersedes_id {version}"
                ));
            }
        }
        refusal
    }

    /// For each draft the stored memories that are like it, nearest first.
    async fn nearby(
        &self,
        reach: &Reach,
        drafts: &[Draft],
        texts: &[IndexedText],
        at: Timestamp,
    ) -> Result<Vec<Vec<NearMemory>>, Failure> {
        let probes = drafts
            .iter()
            .zip(texts)
            .map(|(draft, text)| (draft.fields.project.clone(), text.vectors.clone()))
            .collect();
        let model = self.model();
        let threshold = self.settings.similar_threshold;
        let near = self
            .store
            .similar(
                reach,
                model,
                probes,
                threshold.min(contradiction::COSINE_MIN),
                limits::NEAREST_TO_NEW_MAX,
                at,
            )
            .await?;
        let ids: BTreeSet<MemoryId> = near.iter().flatten().map(|(id, _)| *id).collect();
        let found = self.store.fetch(reach, ids.into_iter().collect()).await?;
        let found: HashMap<MemoryId, _> = found
            .into_iter()
            .map(|memory| (memory.id, (memory.content, memory.fields.category)))
            .collect();
        let each = near.into_iter().map(|near| {
            let near = near.into_iter().filter_map(|(id, cosine)| {
                let (content, category) = found.get(&id)?.clone();
                Some(NearMemory {
                    id,
                    is_similar: cosine >= threshold,
                    content,
                    category,
                })
            });
            near.collect()
        });
        Ok(each.collect())
    }

    fn remembered(
        &self,
        stored: StoredOutcome,
        (said, category): (String, Category),
        nearby: Vec<NearMemory>,
        warning: Option<String>,
    ) -> Remembered {
        let id = stored.id;
        let replaced = stored.replaced.as_ref().map(|(older, _)| *older);
        // The memory itself may be among them, and the one that it replaced.
        let others = nearby
            .into_iter()
            .filter(|near| near.id != id && Some(near.id) != replaced);
        let (mut similar, mut contradicts) = (Vec::new(), Vec::new());
        for near in others {
            let is_contradicted = category.is_statement()
                && near.category.is_statement()
                && contradict(&said, &near.content);
            if is_contradicted && contradicts.len() < limits::SIMILAR_MAX {
                contradicts.push((near.id, near.content.clone()));
            }
            if near.is_similar && similar.len() < limits::SIMILAR_MAX {
                similar.push((near.id, near.content));
            }
        }
        Remembered {
            id,
            outcome: stored.outcome,
            project: stored.project,
            text_updated: stored.text_updated,
            supersedes: replaced,
            held_more: stored
                .replaced
                .map(|(_, text)| text)
                .filter(|older| holds_more(older, &said)),
            similar,
            contradicts,
            warning,
        }
    }
}

/// Notes on the memory `id`: a credential in it, a `valid_until` in the past, a missing
/// vector.
fn warning(
    id: MemoryId,
    ((credential, ended), unencoded): ((Option<&'static str>, Option<Timestamp>), bool),
) -> Option<String> {
    let credential = credential.map(|what| {
        format!(
            "the text seems to hold {what}; `mimo memory erase {id}` takes it out of the file \
             for good"
        )
    });
    let ended = ended.map(|until| {
        format!(
            "valid_until is in the past ({}), so searches do not find it; store it again \
             without valid_until, or with a later one, if it still holds",
            until.to_iso()
        )
    });
    let unencoded = unencoded.then(|| {
        "the encoder was not available, so searches find it by its words only until a Mimo \
         that serves, or `mimo memory reembed`, has encoded it"
            .to_owned()
    });
    let all = credential.into_iter().chain(ended).chain(unencoded);
    let all: Vec<String> = all.collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// A stored memory that is like a new one.
struct NearMemory {
    id: MemoryId,
    /// Whether its similarity is reported.
    is_similar: bool,
    content: String,
    category: Category,
}

/// Whether an older text says clearly more than the one that replaces it.
fn holds_more(older: &str, newer: &str) -> bool {
    let words = |text| text::query_words(text).len();
    words(older) >= words(newer) + MORE_WORDS
}
