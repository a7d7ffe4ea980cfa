//! Gives every memory a vector of the encoder in use: after a change of the model, and
//! for texts stored while it was unavailable. Vectors of two models are never compared,
//! so until then a memory is found by its words only.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Memories;
use crate::failure::Failure;
use crate::limits;

impl Memories {
    /// Encodes the memories that have no vector of the model in use; then removes those of
    /// other models. Returns how many were encoded. `report` gets how many are done and
    /// about how many there are to do. What was done before a failure stays.
    pub(crate) async fn reembed(
        &self,
        cancel: &CancellationToken,
        report: impl Fn(usize, usize),
    ) -> Result<usize, Failure> {
        let done = self.encode_missing(cancel, report).await?;
        while self.store.remove_other_vectors(self.model()).await? {}
        Ok(done)
    }

    async fn encode_missing(
        &self,
        cancel: &CancellationToken,
        report: impl Fn(usize, usize),
    ) -> Result<usize, Failure> {
        let model = self.model();
        let most = limits::REEMBED_MEMORIES_MAX;
        let mut found = self.store.unencoded(model, 0, most).await?;
        let total = match found.len() == most {
            true => self.count_unencoded().await?,
            false => found.len(),
        };
        let mut done = 0;
        while let Some((last, _)) = found.last() {
            let left = total.saturating_sub(done);
            self.encoding.unencoded.store(left, Ordering::Relaxed);
            let after = *last;
            let (ids, contents): (Vec<_>, Vec<String>) = found.into_iter().unzip();
            let unheard = |_, _| ();
            let texts = self
                .encoding
                .prepare(contents, cancel, unheard, Err)
                .await?;
            done += texts.len();
            let texts = ids.into_iter().zip(texts).collect();
            self.store.add_vectors(model, texts).await?;
            report(done, total.max(done));
            found = self.store.unencoded(model, after, most).await?;
        }
        self.encoding.unencoded.store(0, Ordering::Relaxed);
        Ok(done)
    }

    /// About how many memories have no vector of the model in use.
    pub(crate) async fn count_unencoded(&self) -> Result<usize, Failure> {
        let inventory = self.store.inventory().await?;
        let groups = inventory.groups.iter();
        let all: u64 = groups
            .map(|group| group.active + group.superseded + group.archived)
            .sum();
        let own = inventory.vectors.iter().find(|of| of.model == self.model());
        let encoded = own.map_or(0, |of| of.memories);
        Ok(usize::try_from(all.saturating_sub(encoded)).unwrap_or(usize::MAX))
    }

    /// Encodes what has no vector of the model in use, for as long as it is polled. It
    /// removes nothing: a Mimo with other settings may use the vectors of its model. It
    /// makes no store where `exists` says that there is none.
    pub async fn keep_encoded(&self, exists: impl Fn() -> bool) {
        let mut logged = String::new();
        if !self.encoding.embedder.may_be_unavailable() {
            pause().await;
        }
        loop {
            if exists() {
                match self.encode_if_missing().await {
                    Ok(0) => {}
                    Ok(done) => {
                        tracing::info!(done, model = self.model(), "memories were encoded");
                    }
                    Err(failure) if logged != failure.message => {
                        tracing::warn!("memories were not encoded: {failure}");
                        logged = failure.message;
                    }
                    Err(_) => {}
                }
            }
            pause().await;
        }
    }

    async fn encode_if_missing(&self) -> Result<usize, Failure> {
        // The built-in encoder leaves none, so nothing has to be looked through.
        let is_other = |models: Vec<String>| models.iter().any(|model| model != self.model());
        if !self.encoding.embedder.may_be_unavailable() && !is_other(self.store.models().await?) {
            return Ok(0);
        }
        self.encode_missing(&CancellationToken::new(), |_, _| ())
            .await
    }

    /// A note that some memories have no vector yet, if that is known.
    pub(super) fn unencoded_note(&self) -> Option<String> {
        let count = self.encoding.unencoded.load(Ordering::Relaxed);
        (count > 0).then(|| {
            format!(
                "memories without a vector of the model {} yet, found by their words only: {count}",
                self.model()
            )
        })
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_secs(limits::REEMBED_SECONDS)).await;
}
