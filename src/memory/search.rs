//! Searching memories: by a query, newest first, by ids. Ranking itself is in `recall`.

mod empty;

use std::collections::HashMap;

use super::when::{Overview, When, asks_newest};
use super::{Memories, Mode, Page, Search, recall};
use crate::caller::{PROJECT_SHARED, Reach};
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::meter::calls as metrics;
use crate::store::memory::{Candidate, CandidateQuery, Filter, Hit, Memory, MemoryId};
use crate::text::{self, dates};

/// The least cosine of a memory that shares no word with the query, where the caller
/// names none.
const THRESHOLD: f32 = 0.3;
/// The shares of the best score and of the best cosine from which the newer of two is
/// the better answer, if the newest is asked for.
const NEARLY_BEST: f32 = 0.6;
const NEARLY_NEAREST: f32 = 0.75;
/// The share of the best score below which a memory is shown only if more are asked for.
/// Measured in `tests/recall`.
const SHOWN_SCORE_SHARE: f32 = 0.4;
/// Below every cosine.
const NO_THRESHOLD: f32 = -1.0;

impl Memories {
    /// The memories that answer a query, best first: of the time that it names, if the
    /// filter names none and there are any; and the newest or most important ones if it
    /// names no subject.
    pub(crate) async fn search(&self, search: Search) -> Result<Page, Failure> {
        if let Some(overview) = Overview::of(&search.query) {
            return self.overview(search, overview).await;
        }
        let has_time = {
            let filter = &search.filter;
            filter.since.is_some() || filter.until.is_some() || filter.as_of.is_some()
        };
        let when = When::of(&search.query, self.here()).filter(|_| !has_time);
        match when {
            Some(when) => self.search_of_time(search, when).await,
            None => Ok(self.search_ranked(search).await?.0),
        }
    }

    /// The memories of the time that a question names, or all that answer it if there
    /// are none of that time.
    async fn search_of_time(&self, search: Search, when: When) -> Result<Page, Failure> {
        let filter = Filter {
            since: when.since,
            until: when.until,
            ..search.filter.clone()
        };
        let phrase = &when.phrase;
        if when.has_no_subject() {
            let newest = self.newest_from(filter, search.offset, search.limit);
            if let Some(page) = newest.await? {
                return Ok(page);
            }
        } else {
            let narrowed = Search {
                query: when.rest.clone(),
                filter,
                explains_empty: false,
                ..search.clone()
            };
            let (mut page, found) = self.search_ranked(narrowed).await?;
            if found > 0 {
                page.hint = Some(format!("only what was stored \"{phrase}\""));
                return Ok(page);
            }
        }
        let (mut page, _) = self.search_ranked(search).await?;
        let why = format!("nothing was stored \"{phrase}\"; searched without it");
        page.degraded = Some(match page.degraded {
            Some(other) => format!("{why}; {other}"),
            None => why,
        });
        Ok(page)
    }

    /// An answer to a question without a subject.
    async fn overview(&self, search: Search, overview: Overview) -> Result<Page, Failure> {
        let filter = search.filter.clone();
        let mut page = match overview {
            Overview::Newest => {
                let newest = self.newest_from(search.filter, search.offset, search.limit);
                newest.await?.unwrap_or_default()
            }
            Overview::User => {
                let most = limits::OVERVIEW_MEMORIES_MAX;
                let mut memories = self.store.newest(search.filter, None, most).await?;
                // They come newest first, and equal ones stay so.
                memories.sort_by(|a, b| overview_weight(b).total_cmp(&overview_weight(a)));
                page_of(memories, search.offset, search.limit)
            }
        };
        if page.items.is_empty() && search.offset == 0 && search.explains_empty {
            page.hint = Some(self.explain_empty(filter, None).await?);
        }
        Ok(page)
    }

    /// The newest memories of `filter` from an offset; `None` if it matches none at
    /// all.
    async fn newest_from(
        &self,
        filter: Filter,
        offset: usize,
        limit: usize,
    ) -> Result<Option<Page>, Failure> {
        let most = (offset + limit).min(limits::CANDIDATES_MAX) + 1;
        let memories = self.store.newest(filter, None, most).await?;
        Ok((!memories.is_empty()).then(|| page_of(memories, offset, limit)))
    }

    /// The memories that answer a query, best first, and how many there are.
    ///
    /// If the filter names what is wanted, the query only ranks: memories that it does
    /// not find follow those that it finds, newest first.
    async fn search_ranked(&self, search: Search) -> Result<(Page, usize), Failure> {
        let wanted = search.offset.saturating_add(search.limit);
        let only_ranks = search.threshold.is_none() && search.filter.is_narrow();
        let threshold = match only_ranks {
            true => NO_THRESHOLD,
            false => search.threshold.unwrap_or(THRESHOLD),
        };
        let words = match search.mode {
            Mode::Semantic => Vec::new(),
            Mode::Hybrid | Mode::Keyword => text::query_words(&search.query),
        };
        let question = recall::Question::of(&search.query);
        let newest_first = asks_newest(&search.query);
        let (vector, mut degraded) = self.query_vector(&search).await?;
        if search.mode == Mode::Keyword && words.is_empty() {
            degraded = Some("the query has no words that could be looked up".to_owned());
        }
        let query = CandidateQuery {
            filter: search.filter.clone(),
            words,
            vector,
            limit: limits::CANDIDATES_DEFAULT
                .max(wanted.saturating_add(1))
                .min(limits::CANDIDATES_MAX),
        };
        let model = self.model();
        let mut candidates = self.store.candidates(model, query.clone()).await?;
        self.date_by_saying(&mut candidates.pool);
        let ranked = recall::rank(&question, &candidates, self.settings.weights, threshold);
        let mut found: Vec<(MemoryId, Option<f32>)> = ranked
            .into_iter()
            .map(|ranked| (ranked.id, Some(ranked.score)))
            .collect();
        if newest_first {
            self.put_newest_first(&mut found, &candidates.semantic, &search.filter)
                .await?;
        }
        if only_ranks && found.len() <= wanted {
            self.append_newest(&mut found, &search.filter, wanted)
                .await?;
        }
        let limit = match search.ends_early && search.offset == 0 && !only_ranks {
            true => shown_count(&found).min(search.limit),
            false => search.limit,
        };
        let page = found.iter().skip(search.offset).take(limit);
        let page: Vec<(MemoryId, Option<f32>)> = page.copied().collect();
        let ids = page.iter().map(|(id, _)| *id).collect();
        // Filters again, because a memory may have been forgotten meanwhile.
        let memories = self.store.fetch_matching(ids, search.filter).await?;
        let score = |id| page.iter().find(|found| found.0 == id)?.1;
        let items: Vec<(Memory, Option<f32>)> = memories
            .into_iter()
            .map(|memory| {
                let score = score(memory.id);
                (memory, score)
            })
            .collect();
        let why = match search.explains {
            true => {
                let shown: Vec<MemoryId> = page.iter().map(|(id, _)| *id).collect();
                recall::explain(&question, &candidates, self.settings.weights, &shown)
            }
            false => HashMap::new(),
        };
        let hint = match found.is_empty() && search.explains_empty {
            true => Some(
                self.explain_empty(query.filter.clone(), Some(query))
                    .await?,
            ),
            false => None,
        };
        let page = Page {
            items,
            more: found.len() > search.offset + limit,
            degraded,
            hint,
            why,
            is_overview: false,
        };
        Ok((page, found.len()))
    }

    /// The vector of the query, if the semantic side is searched, and why the answer is
    /// degraded, if it is.
    async fn query_vector(
        &self,
        search: &Search,
    ) -> Result<(Option<Vec<f32>>, Option<String>), Failure> {
        let vector = match (search.mode, &search.vector) {
            (Mode::Keyword, _) => return Ok((None, None)),
            (_, Some(vector)) => vector.clone(),
            (mode, None) => match self.encode_query(search.query.clone()).await {
                Ok(vector) => vector,
                // A partial answer marked as degraded is better than none.
                Err(failure) if mode == Mode::Hybrid => {
                    tracing::warn!(%failure, "searching by keywords only");
                    metrics::SEARCH_DEGRADED.increment(());
                    let why = &failure.message;
                    return Ok((
                        None,
                        Some(format!(
                            "searched by keywords only: the query could not be encoded ({why})"
                        )),
                    ));
                }
                Err(failure) => return Err(failure),
            },
        };
        Ok((Some(vector), self.unencoded_note()))
    }

    /// Appends the newest memories of `filter` that are not in `found`, enough for `wanted`.
    async fn append_newest(
        &self,
        found: &mut Vec<(MemoryId, Option<f32>)>,
        filter: &Filter,
        wanted: usize,
    ) -> Result<(), Failure> {
        let most = found.len() + wanted + 1;
        for memory in self.store.newest(filter.clone(), None, most).await? {
            if !found.iter().any(|(id, _)| *id == memory.id) {
                found.push((memory.id, None));
            }
        }
        Ok(())
    }

    /// Adds the day on which it was said to a text that begins with no date.
    fn date_by_saying(&self, pool: &mut [Candidate]) {
        let zone = self.here().zone;
        for candidate in pool {
            let said = candidate.said_at.and_then(|time| zone.local(time));
            let day = said.map(|time| dates::day_of(time.date()));
            candidate.features.day = candidate.features.day.or(day);
        }
    }

    /// Moves the best results that are nearly as good as the first to the front, newest
    /// first.
    async fn put_newest_first(
        &self,
        found: &mut [(MemoryId, Option<f32>)],
        semantic: &[Hit],
        filter: &Filter,
    ) -> Result<(), Failure> {
        let most = found.len().min(limits::SORTED_BY_AGE_MAX);
        let best = &mut found[..most];
        let ids = best.iter().map(|(id, _)| *id).collect();
        let memories = self.store.fetch_matching(ids, filter.clone()).await?;
        let least_score = best.first().and_then(|best| best.1).unwrap_or(0.0) * NEARLY_BEST;
        let cosines = semantic.iter().map(|hit| hit.score);
        let least_cosine = cosines.fold(0.0, f32::max) * NEARLY_NEAREST;
        best.sort_by_cached_key(|(id, score)| {
            let cosine = semantic.iter().find(|hit| hit.id == *id);
            // Of few memories, the last one scores 0, however near it is.
            let is_near = cosine.is_some_and(|hit| hit.score >= least_cosine);
            let is_good = score.is_some_and(|score| score >= least_score) || is_near;
            let memory = memories.iter().find(|memory| memory.id == *id);
            let age = memory.filter(|_| is_good);
            std::cmp::Reverse(age.map(|memory| (memory.when(), memory.id)))
        });
        Ok(())
    }

    /// The newest memories of `filter`, older than `after`.
    pub(crate) async fn newest(
        &self,
        filter: Filter,
        after: Option<(Timestamp, MemoryId)>,
        limit: usize,
    ) -> Result<Page, Failure> {
        let found = self.store.newest(filter.clone(), after, limit + 1);
        let mut memories = found.await?;
        let more = memories.len() > limit;
        memories.truncate(limit);
        let hint = match memories.is_empty() && after.is_none() {
            true => Some(self.explain_empty(filter, None).await?),
            false => None,
        };
        Ok(Page {
            items: memories.into_iter().map(|memory| (memory, None)).collect(),
            more,
            hint,
            ..Page::default()
        })
    }

    /// The memories with these ids, in their order, in any state.
    pub(crate) async fn by_ids(&self, reach: &Reach, ids: Vec<MemoryId>) -> Result<Page, Failure> {
        let found = self.store.fetch(reach, ids.clone()).await?;
        let missing: Vec<String> = ids
            .iter()
            .filter(|id| !found.iter().any(|memory| memory.id == **id))
            .map(i64::to_string)
            .collect();
        if found.is_empty() {
            return Err(Failure::new(
                Kind::NotFound,
                format!("there is no memory with the id {}", missing.join(", ")),
            )
            .at("/ids")
            .hint("search without ids to see which there are"));
        }
        let degraded = (!missing.is_empty())
            .then(|| format!("there is no memory with the id {}", missing.join(", ")));
        Ok(Page {
            items: found.into_iter().map(|memory| (memory, None)).collect(),
            degraded,
            ..Page::default()
        })
    }
}

/// How many of the ranked memories are worth showing.
fn shown_count(found: &[(MemoryId, Option<f32>)]) -> usize {
    let best = found.iter().filter_map(|(_, score)| *score);
    let best = best.fold(0.0, f32::max);
    let weak = found
        .iter()
        .position(|(_, score)| score.is_none_or(|score| score < best * SHOWN_SCORE_SHARE));
    weak.unwrap_or(found.len()).max(limits::WEAK_RESULTS_MIN)
}

/// Sort key: importance, with user-wide memories before those of one project.
fn overview_weight(memory: &Memory) -> f64 {
    const EVERYWHERE: f64 = 0.2;
    let everywhere = match memory.fields.project == PROJECT_SHARED {
        true => EVERYWHERE,
        false => 0.0,
    };
    memory.fields.importance + everywhere
}

fn page_of(memories: Vec<Memory>, offset: usize, limit: usize) -> Page {
    Page {
        more: memories.len() > offset + limit,
        items: memories
            .into_iter()
            .skip(offset)
            .take(limit)
            .map(|memory| (memory, None))
            .collect(),
        is_overview: true,
        ..Page::default()
    }
}
