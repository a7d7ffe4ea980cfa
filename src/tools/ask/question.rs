//! The arguments of `ask_mimo`.

use std::time::Duration;

use super::render::Detail;
use crate::ask::{Question, StoreKind};
use crate::failure::Failure;
use crate::limits;
use crate::tools::arguments::ArgumentReader;

/// `projects` are those that the question covers.
pub(super) fn read(
    reader: &ArgumentReader<'_>,
    projects: Vec<String>,
    detail: Detail,
) -> Result<Question, Failure> {
    Ok(Question {
        query: query(reader)?.to_owned(),
        stores: stores(reader)?,
        timeout: timeout(reader)?,
        max_bytes: max_bytes(reader)?,
        quoted_bytes: match detail {
            Detail::Cited => Some(limits::ASK_QUOTED_BYTES_MAX),
            Detail::Full => None,
        },
        context_id: reader.name("context_id")?,
        projects,
    })
}

pub(super) fn detail(reader: &ArgumentReader<'_>) -> Result<Detail, Failure> {
    match reader.text("detail")?.unwrap_or("cited") {
        "cited" => Ok(Detail::Cited),
        "full" => Ok(Detail::Full),
        other => Err(
            Failure::invalid("/detail", format!("there is no detail {other:?}"))
                .hint("use cited or full"),
        ),
    }
}

fn query<'a>(reader: &ArgumentReader<'a>) -> Result<&'a str, Failure> {
    let query = reader.text("query")?.unwrap_or_default();
    if query.trim().is_empty() {
        return Err(Failure::invalid("/query", "nothing is asked")
            .hint("ask for what you want to know in a sentence"));
    }
    if query.len() > limits::QUERY_BYTES_MAX {
        let (bytes, most) = (query.len(), limits::QUERY_BYTES_MAX);
        return Err(Failure::invalid(
            "/query",
            format!("the query has {bytes} bytes; at most {most} fit"),
        )
        .hint("ask for what you want to know in a sentence"));
    }
    Ok(query)
}

/// The stores that the caller chose, each once.
fn stores(reader: &ArgumentReader<'_>) -> Result<Option<Vec<StoreKind>>, Failure> {
    let names = reader.names("stores", 2 * StoreKind::ALL.len())?;
    let mut stores: Vec<StoreKind> = Vec::new();
    for (nth, name) in names.into_iter().flatten().enumerate() {
        let store = StoreKind::ALL
            .into_iter()
            .find(|store| store.name() == name);
        let store = store.ok_or_else(|| {
            let path = format!("/stores/{nth}");
            Failure::invalid(path, format!("there is no store {name:?}"))
                .hint("use episodic, semantic, procedural or skills")
        })?;
        if !stores.contains(&store) {
            stores.push(store);
        }
    }
    Ok((!stores.is_empty()).then_some(stores))
}

fn timeout(reader: &ArgumentReader<'_>) -> Result<Duration, Failure> {
    let millis = reader.integer("timeout_ms")?.unwrap_or(5000);
    let (least, most) = (limits::ASK_MILLIS_MIN, limits::ASK_MILLIS_MAX);
    let valid = u64::try_from(millis).ok();
    let valid = valid.filter(|millis| (least..=most).contains(millis));
    valid.map(Duration::from_millis).ok_or_else(|| {
        Failure::invalid(
            "/timeout_ms",
            format!("{millis} is not between {least} and {most}"),
        )
    })
}

fn max_bytes(reader: &ArgumentReader<'_>) -> Result<usize, Failure> {
    let bytes = reader.budget(2000)?;
    let least = limits::ASK_TOKENS_MIN;
    if bytes < least * limits::TOKEN_BYTES {
        let why = format!("an answer with its sources needs at least {least} tokens");
        return Err(Failure::invalid("/max_tokens", why)
            .hint("memory_search answers in fewer, where a memory is wanted"));
    }
    Ok(bytes)
}
