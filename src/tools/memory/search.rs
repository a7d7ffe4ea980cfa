//! `memory_search`: reads the query and picks the page.

use std::sync::Arc;

use super::render::{Cursor, Rendering};
use super::store::category;
use crate::caller::Caller;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::memory::moment::{Edge, Here, SpanDirection};
use crate::memory::{Memories, Mode, Page, Search};
use crate::store::memory::Filter;
use crate::text;
use crate::tools::arguments::{ArgumentReader, fingerprint, moment};
use crate::tools::scope::in_one_sentence;
use crate::tools::{Arguments, Context, Document, scope};

pub(crate) async fn call(
    memories: Arc<Memories>,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let reader = ArgumentReader::new(&arguments);
    let fingerprint = fingerprint(&arguments);
    let cursor = reader
        .text("cursor")?
        .map(|text| Cursor::parse(text, fingerprint))
        .transpose()?;
    let query = query(&reader)?;
    let rendering = Rendering {
        budget_bytes: reader.budget(2000)?,
        caller: &context.caller,
        fingerprint,
        asked: query.map(text::query_words).unwrap_or_default(),
    };
    let ids = reader.ids("ids", limits::SEARCH_IDS_MAX)?;
    let document = match (query, ids.filter(|ids| !ids.is_empty())) {
        (Some(_), Some(_)) => {
            return Err(
                Failure::invalid("/ids", "ids and query cannot be answered together")
                    .hint("give ids for full texts, or a query to search"),
            );
        }
        (None, Some(ids)) => by_ids(&memories, &rendering, ids, cursor).await?,
        (Some(query), None) => ranked(&memories, &reader, &rendering, query, cursor).await?,
        (None, None) => newest(&memories, &reader, &rendering, cursor).await?,
    };
    Ok(Document(document))
}

async fn ranked(
    memories: &Memories,
    reader: &ArgumentReader<'_>,
    rendering: &Rendering<'_>,
    query: &str,
    cursor: Option<Cursor>,
) -> Result<String, Failure> {
    let offset = match cursor {
        None => 0,
        Some(Cursor::Ranked { offset }) => offset,
        Some(_) => return Err(Cursor::unknown()),
    };
    let (filter, unknown) = filter(memories, reader, rendering.caller).await?;
    let search = Search {
        vector: None,
        query: query.to_owned(),
        filter,
        mode: mode(reader)?,
        threshold: threshold(reader)?,
        offset,
        limit: limit(reader)?,
        ends_early: reader.value("limit").is_none() && reader.value("threshold").is_none(),
        explains_empty: offset == 0,
        explains: reader.boolean("explain")?.unwrap_or(false),
    };
    let mut page = memories.search(search).await?;
    page.degraded = in_one_sentence(unknown.into_iter().chain(page.degraded));
    let (document, shown) = rendering.page(&page, |shown, _| Cursor::Ranked {
        offset: offset + shown,
    });
    count_recall(memories, &page, shown);
    Ok(document)
}

async fn newest(
    memories: &Memories,
    reader: &ArgumentReader<'_>,
    rendering: &Rendering<'_>,
    cursor: Option<Cursor>,
) -> Result<String, Failure> {
    let after = match cursor {
        None => None,
        Some(Cursor::Newest { time, id }) => Some((time, id)),
        Some(_) => return Err(Cursor::unknown()),
    };
    let (filter, unknown) = filter(memories, reader, rendering.caller).await?;
    let mut page = memories.newest(filter, after, limit(reader)?).await?;
    page.degraded = in_one_sentence(unknown.into_iter().chain(page.degraded));
    let (document, _) = rendering.page(&page, |_, last| Cursor::Newest {
        time: last.when(),
        id: last.id,
    });
    Ok(document)
}

async fn by_ids(
    memories: &Memories,
    rendering: &Rendering<'_>,
    ids: Vec<i64>,
    cursor: Option<Cursor>,
) -> Result<String, Failure> {
    let (start, byte) = match cursor {
        None => (0, 0),
        Some(Cursor::Ids { nth, byte }) => (nth, byte),
        Some(_) => return Err(Cursor::unknown()),
    };
    let page = memories.by_ids(rendering.caller.reach(), ids).await?;
    let (document, shown) = rendering.full_texts(&page, start, byte);
    count_recall(memories, &page, shown);
    Ok(document)
}

fn count_recall(memories: &Memories, page: &Page, shown: usize) {
    let shown = page.items.iter().take(shown);
    memories.count_recall(shown.map(|(memory, _)| memory.id).collect());
}

fn query<'a>(reader: &ArgumentReader<'a>) -> Result<Option<&'a str>, Failure> {
    match reader.query("query")? {
        Some(query) if query.len() > limits::QUERY_BYTES_MAX => Err(Failure::invalid(
            "/query",
            format!(
                "the query has {} bytes; at most {} fit",
                query.len(),
                limits::QUERY_BYTES_MAX
            ),
        )
        .hint("ask for what you want to know in a sentence")),
        query => Ok(query),
    }
}

/// The searched scope, and the names in it that do not exist.
async fn filter(
    memories: &Memories,
    reader: &ArgumentReader<'_>,
    caller: &Caller,
) -> Result<(Filter, Vec<String>), Failure> {
    let here = memories.here();
    let projects = scope::projects(reader, memories.names(), caller).await?;
    let tags = scope::tags(reader, memories.names(), caller).await?;
    let unknown = projects.unknown.into_iter().chain(tags.unknown).collect();
    let filter = Filter {
        category: category(reader)?,
        tags: tags.names,
        since: moment(reader, "since", Edge::Start, SpanDirection::Past, here)?,
        until: moment(reader, "until", Edge::End, SpanDirection::Past, here)?,
        as_of: as_of(reader, here)?,
        thread: reader.name("thread")?,
        include_superseded: reader.boolean("include_superseded")?.unwrap_or(false),
        ..Filter::within(caller.reach(), projects.names, here.now)
    };
    Ok((filter, unknown))
}

/// The last moment of a period: what is said on a day is often said first thing.
fn as_of(reader: &ArgumentReader<'_>, here: Here) -> Result<Option<Timestamp>, Failure> {
    let at = |edge| moment(reader, "as_of", edge, SpanDirection::Past, here);
    let (start, end) = (at(Edge::Start)?, at(Edge::End)?);
    Ok(match start == end {
        true => end,
        false => end.map(|end| Timestamp(end.0 - 1)),
    })
}

fn mode(reader: &ArgumentReader<'_>) -> Result<Mode, Failure> {
    match reader.text("mode")?.unwrap_or("hybrid") {
        "hybrid" => Ok(Mode::Hybrid),
        "semantic" => Ok(Mode::Semantic),
        "keyword" => Ok(Mode::Keyword),
        other => Err(
            Failure::invalid("/mode", format!("there is no mode {other:?}"))
                .hint("use hybrid, semantic or keyword"),
        ),
    }
}

fn threshold(reader: &ArgumentReader<'_>) -> Result<Option<f32>, Failure> {
    match reader.number("threshold")? {
        None => Ok(None),
        Some(cosine) if (-1.0..=1.0).contains(&cosine) => Ok(Some(cosine as f32)),
        Some(other) => Err(Failure::invalid(
            "/threshold",
            format!("{other} is not between -1 and 1"),
        )
        .hint("the threshold is a cosine; 0 lets everything through")),
    }
}

fn limit(reader: &ArgumentReader<'_>) -> Result<usize, Failure> {
    let limit = reader.limit(10, limits::SEARCH_LIMIT_MAX);
    limit.map_err(|failure| failure.hint("next_cursor leads to further results"))
}
