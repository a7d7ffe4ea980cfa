//! Links between stores: memories that name what the question is about by
//! whatever name, and triples around what the best memories name.

use tokio::time::{Instant, timeout_at};

use super::StoreKind;
use super::answer::Hit;
use super::fan_out::Findings;
use super::fetch::memory_hit;
use super::relevance::Relevance;
use super::service::{Ask, StoreQuery};
use crate::failure::Failure;
use crate::limits;

impl Ask {
    /// Adds linked hits to the results of the stores that answered, unless that
    /// takes longer than until `deadline`.
    pub(super) async fn follow_links(
        &self,
        findings: &mut Findings,
        query: &StoreQuery,
        deadline: Instant,
    ) {
        let hits_of = |store| findings.hits.get(&store);
        let memories = async {
            match hits_of(StoreKind::Episodic) {
                Some(known) => self.linked_memories(query, known).await,
                None => Ok(Vec::new()),
            }
        };
        let triples = async {
            match (hits_of(StoreKind::Episodic), hits_of(StoreKind::Semantic)) {
                (Some(best), Some(known)) => self.linked_triples(query, best, known).await,
                _ => Ok(Vec::new()),
            }
        };
        let both = async { tokio::join!(memories, triples) };
        let Ok((memories, triples)) = timeout_at(deadline, both).await else {
            let why = "links between memories and triples were not followed: no time was left";
            findings.degraded.push(why.to_owned());
            return;
        };
        for (store, linked) in [
            (StoreKind::Episodic, memories),
            (StoreKind::Semantic, triples),
        ] {
            match linked {
                Ok(hits) => findings.extend(store, hits),
                Err(failure) => findings.degraded.push(failure.message),
            }
        }
    }

    /// Of the latest memories that name an entity of the question, those most
    /// similar to it.
    async fn linked_memories(
        &self,
        query: &StoreQuery,
        known: &[Hit],
    ) -> Result<Vec<Hit>, Failure> {
        let entities = self.graph.named(
            &query.grants.reach,
            query.projects.clone(),
            query.text.clone(),
            query.entities.clone(),
        );
        let entities = entities.await?;
        if entities.is_empty() {
            return Ok(Vec::new());
        }
        let (filter, limit) = (self.filter(query), limits::ASK_NAMING_MAX);
        let latest = self.memories.mentioning(entities, filter, limit).await?;
        let latest = latest.into_iter().map(|memory| memory_hit(memory, None));
        let mut hits = without(latest.collect(), known);
        if query.vector.is_some() {
            self.compare_memories(query, &mut hits).await?;
            let similarity = |hit: &Hit| hit.evidence.similarity.unwrap_or(0.0);
            hits.sort_by(|a, b| similarity(b).total_cmp(&similarity(a)));
        }
        hits.truncate(limits::ASK_LINKED_HITS_MAX);
        Ok(hits)
    }

    /// The triples around what the best memories name.
    async fn linked_triples(
        &self,
        query: &StoreQuery,
        best: &[Hit],
        known: &[Hit],
    ) -> Result<Vec<Hit>, Failure> {
        let relevance = Relevance::to(&query.text);
        let is_near = |hit: &&Hit| relevance.is_near(&hit.evidence);
        let best = best.iter().filter(is_near);
        let best = best.take(limits::ASK_LINKING_MEMORIES_MAX);
        let entities: Vec<String> = best.flat_map(|hit| hit.entities.clone()).collect();
        if entities.is_empty() {
            return Ok(Vec::new());
        }
        let mut hits = without(self.triples_about(query, entities).await?, known);
        hits.truncate(limits::ASK_LINKED_HITS_MAX);
        Ok(hits)
    }
}

fn without(mut hits: Vec<Hit>, known: &[Hit]) -> Vec<Hit> {
    let is_known = |hit: &Hit| {
        let citation = &hit.evidence.citation;
        known
            .iter()
            .any(|known| known.evidence.citation == *citation)
    };
    hits.retain(|hit| !is_known(hit));
    hits
}
