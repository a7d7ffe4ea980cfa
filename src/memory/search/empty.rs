//! What a search that finds nothing says: how much there is to find without its filters.

use crate::failure::Failure;
use crate::limits;
use crate::memory::Memories;
use crate::store::memory::{CandidateQuery, Category, Filter, Memory};
use crate::text;

impl Memories {
    /// Explains an empty result: how many memories each filter alone matches, and the
    /// memory nearest to the query without filters.
    pub(super) async fn explain_empty(
        &self,
        filter: Filter,
        query: Option<CandidateQuery>,
    ) -> Result<String, Failure> {
        let open = filter.without_narrowing();
        let mut counts = Vec::new();
        for (name, alone) in parts(&filter, &open) {
            counts.push(format!("{} {name}", self.count(alone).await?));
        }
        if counts.is_empty() {
            counts.push(format!(
                "{} here",
                memories(&self.count(open.clone()).await?)
            ));
        } else {
            counts.push(format!("{} in all", self.count(open.clone()).await?));
        }
        let nearest = match query {
            Some(query) => self.nearest(open, query).await?,
            None => None,
        };
        let nearest = nearest.map_or(String::new(), |memory| {
            let text = text::beginning(&memory.content, limits::EMPTY_RESULT_NEAREST_BYTES_MAX);
            let mark = if text.len() < memory.content.len() {
                "\u{2026}"
            } else {
                ""
            };
            format!("; nearest: {} \"{text}{mark}\"", memory.id)
        });
        let are = match counts[0].starts_with("1 ") {
            true => "there is",
            false => "there are",
        };
        Ok(format!(
            "nothing found; {are} {}{nearest}",
            counts.join(", ")
        ))
    }

    /// Counts up to a bound, beyond which it says "100+".
    async fn count(&self, filter: Filter) -> Result<String, Failure> {
        let most = limits::EMPTY_RESULT_COUNT_MAX;
        let found = self.store.newest(filter, None, most + 1).await?.len();
        Ok(match found > most {
            true => format!("{most}+"),
            false => found.to_string(),
        })
    }

    async fn nearest(
        &self,
        open: Filter,
        query: CandidateQuery,
    ) -> Result<Option<Memory>, Failure> {
        let query = CandidateQuery {
            filter: open.clone(),
            limit: 1,
            ..query
        };
        let model = self.model();
        let found = self.store.candidates(model, query).await?;
        let best = found.semantic.first().or(found.keyword.first());
        let ids = best.map(|hit| hit.id).into_iter().collect();
        Ok(self.store.fetch_matching(ids, open).await?.pop())
    }
}

fn memories(count: &str) -> String {
    match count {
        "1" => "1 memory".to_owned(),
        _ => format!("{count} memories"),
    }
}

/// Each narrowing condition of `filter` alone, with its name for a count.
fn parts(filter: &Filter, open: &Filter) -> Vec<(String, Filter)> {
    let mut parts = Vec::new();
    if let Some(category) = filter.category {
        let name = match category {
            Category::Fact => "facts",
            Category::Decision => "decisions",
            Category::Preference => "preferences",
            Category::Action => "actions",
            Category::Observation => "observations",
            Category::Plan => "plans",
        };
        let alone = Filter {
            category: Some(category),
            ..open.clone()
        };
        parts.push((name.to_owned(), alone));
    }
    for tag in &filter.tags {
        let alone = Filter {
            tags: vec![tag.clone()],
            ..open.clone()
        };
        let name = tag.first().map_or("", String::as_str);
        parts.push((format!("tagged {name}"), alone));
    }
    if let Some(thread) = &filter.thread {
        let alone = Filter {
            thread: Some(thread.clone()),
            ..open.clone()
        };
        parts.push((format!("in the thread {thread}"), alone));
    }
    if let Some(since) = filter.since {
        let alone = Filter {
            since: Some(since),
            ..open.clone()
        };
        parts.push((format!("since {}", since.to_iso()), alone));
    }
    if let Some(until) = filter.until {
        let alone = Filter {
            until: Some(until),
            ..open.clone()
        };
        parts.push((format!("before {}", until.to_iso()), alone));
    }
    parts
}
