//! A call of `ask_mimo`: where to look, what is there, what of it answers, and
//! what the next question may lean on. Everything has one deadline, of which
//! the searches get a part.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Ask;
use super::answer::Answer;
use super::bridge::bridge;
use super::sources::{self, Wanted, memory_id};
use crate::ask::{
    Decision, FollowUp, Found, Gathered, Hit, Opened, Store, asks_for_the_past, beginning,
    follow_up, gather, keep,
};
use crate::failure::Failure;
use crate::limits;
use crate::tools::arguments::Reader;
use crate::tools::{Arguments, Context, Document};

/// What of the time the searches may take, in tenths; the rest is the answer's.
const SEARCH_TENTHS: u32 = 8;
/// By when they and what follows of them have to be compared with it, in tenths.
const COMPARE_TENTHS: u32 = 9;
/// What of the time encoding the question may take, in tenths.
const ENCODE_TENTHS: u32 = 4;
/// Results get this much of the room, in tenths; the answer in words the rest.
const RESULT_TENTHS: usize = 6;

/// Handles a call.
pub async fn call(
    ask: Arc<Ask>,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let began = Instant::now();
    let reader = Reader::new(&arguments);
    let query = query(&reader)?;
    let chosen = stores(&reader)?;
    let patience = patience(&reader)?.min(context.deadline.saturating_duration_since(began));
    let budget_bytes = budget(&reader)?;
    let opened = ask.contexts.open(reader.name("context_id")?.as_deref());
    let mut wanted = wanted(&opened, query);

    let encoding = ask.memories.encode(vec![wanted.query.clone()]);
    let encoding = timeout_at(began + patience * ENCODE_TENTHS / 10, encoding).await;
    wanted.vector = encoding.ok().and_then(Result::ok).and_then(|mut v| v.pop());
    let decision = decide(&ask, &wanted, chosen.as_deref())?;
    let searched: Vec<Store> = std::iter::once(decision.primary)
        .chain(decision.secondary.iter().copied())
        .collect();
    let searches = searched.iter();
    let searches = searches.map(|store| (*store, sources::search(&ask, *store, wanted.clone())));
    let mut gathered = gather(searches.collect(), began + patience * SEARCH_TENTHS / 10).await;
    let compared_by = began + patience * COMPARE_TENTHS / 10;
    bridge(&ask, &mut gathered, &wanted, compared_by).await;
    if let Some(vector) = &wanted.vector {
        compare(&ask, &mut gathered, vector, compared_by).await;
    } else {
        let why = "compared by words only: the question could not be encoded in time";
        gathered.degraded.push(why.to_owned());
    }
    if opened.forgotten {
        let why = "this context_id is not kept any more; asked without it";
        gathered.degraded.push(why.to_owned());
    }

    let answer = Answer {
        query_id: ask.memories.clock().new_id(),
        context_id: &opened.id,
        decision: &decision,
        failed: &gathered.failed,
        degraded: degraded(&gathered.degraded),
        searched: &searched,
        now: ask.memories.now(),
        budget_bytes,
    };
    let hits: Vec<Hit> = gathered.found.values().flatten().cloned().collect();
    let found = weighed(&gathered);
    let room = answer.room() * RESULT_TENTHS / 10 / limits::TOKEN_BYTES;
    let by_router = chosen.is_none().then_some(&decision);
    let kept = keep(&wanted.query, by_router, &found, room);
    let shown: Vec<&Hit> = kept.places.iter().map(|place| &hits[*place]).collect();
    let (document, synthesis) = answer.document(&wanted.query, &shown, kept.truncated);
    let ids = shown.iter().filter_map(|hit| memory_id(hit));
    ask.memories.count_recall(ids.collect());
    let turn = super::answer::turn(wanted.query, &synthesis, &shown);
    ask.contexts.note(&opened.id, turn);
    Document::of(&document)
}

fn query<'a>(reader: &Reader<'a>) -> Result<&'a str, Failure> {
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

/// The stores that the caller chose, without doubles.
fn stores(reader: &Reader<'_>) -> Result<Option<Vec<Store>>, Failure> {
    let names = reader.names("stores", 2 * Store::ALL.len())?;
    let mut stores: Vec<Store> = Vec::new();
    for (nth, name) in names.into_iter().flatten().enumerate() {
        let store = Store::ALL.into_iter().find(|store| store.name() == name);
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

fn patience(reader: &Reader<'_>) -> Result<Duration, Failure> {
    let millis = reader.integer("timeout_ms")?.unwrap_or(5000);
    let (least, most) = (limits::ASK_MILLIS_MIN, limits::ASK_MILLIS_MAX);
    let fits = u64::try_from(millis).ok();
    let fits = fits.filter(|millis| (least..=most).contains(millis));
    fits.map(Duration::from_millis).ok_or_else(|| {
        Failure::invalid(
            "/timeout_ms",
            format!("{millis} is not between {least} and {most}"),
        )
    })
}

fn budget(reader: &Reader<'_>) -> Result<usize, Failure> {
    let bytes = reader.budget(2000)?;
    let least = limits::ASK_TOKENS_MIN;
    if bytes < least * limits::TOKEN_BYTES {
        let why = format!("an answer with its sources needs at least {least} tokens");
        return Err(Failure::invalid("/max_tokens", why)
            .hint("memory_search answers in fewer, where a memory is wanted"));
    }
    Ok(bytes)
}

/// The question with what the conversation says.
fn wanted(opened: &Opened, query: &str) -> Wanted {
    let (query, entities) = match follow_up(&opened.turns, query) {
        FollowUp::NewTopic => (query.to_owned(), Vec::new()),
        FollowUp::Continues { query, entities } => (query, entities),
    };
    Wanted {
        past: asks_for_the_past(&query),
        query,
        vector: None,
        entities,
    }
}

fn decide(ask: &Ask, wanted: &Wanted, chosen: Option<&[Store]>) -> Result<Decision, Failure> {
    let vector = wanted.vector.as_deref();
    let vector = vector.map(|vector| (ask.memories.model(), vector));
    let routed = ask.router()?.route(&wanted.query, vector);
    Ok(match chosen {
        Some([primary, secondary @ ..]) => Decision {
            primary: *primary,
            secondary: secondary.to_vec(),
            confidence: 1.0,
            reasoning: "the caller chose the stores".to_owned(),
            requires_synthesis: routed.requires_synthesis,
        },
        _ => routed,
    })
}

/// Compares the best of each store with the question, where the store keeps no
/// vectors. Those that are not encoded in time are compared by their words.
async fn compare(ask: &Ask, gathered: &mut Gathered, question: &[f32], deadline: Instant) {
    let mut hits: Vec<(usize, &mut Hit)> = Vec::new();
    for list in gathered.found.values_mut() {
        let without = list.iter_mut().enumerate();
        hits.extend(without.filter(|(_, hit)| hit.item.likeness.is_none()));
    }
    hits.sort_by_key(|(rank, _)| *rank);
    hits.truncate(limits::ASK_VECTORS_MAX);
    let text = |hit: &Hit| beginning(&hit.item.text, limits::ASK_VECTOR_BYTES_MAX).to_owned();
    let texts = hits.iter().map(|(_, hit)| text(hit)).collect();
    let why = match timeout_at(deadline, ask.memories.encode(texts)).await {
        Ok(Ok(vectors)) => {
            for ((_, hit), vector) in hits.into_iter().zip(vectors) {
                let cosine = vector.iter().zip(question).map(|(a, b)| a * b).sum();
                hit.item.likeness = Some(cosine);
            }
            return;
        }
        Ok(Err(failure)) => failure.message,
        Err(_) => "there was no time".to_owned(),
    };
    let why = format!("compared by words only: the results could not be encoded ({why})");
    gathered.degraded.push(why);
}

/// The hits of all stores, in the order of [`Gathered::found`].
fn weighed(gathered: &Gathered) -> Vec<Found> {
    let ranked = gathered.found.values();
    let ranked = ranked.flat_map(|list| list.iter().enumerate());
    let found = |(rank, hit): (usize, &Hit)| Found {
        item: hit.item.clone(),
        rank,
        bytes: hit.row.to_string().len() + 1,
    };
    ranked.map(found).collect()
}

fn degraded(parts: &[String]) -> Option<String> {
    let whole = parts.join("; ");
    let short = beginning(&whole, limits::ASK_DEGRADED_BYTES_MAX);
    (!short.is_empty()).then(|| short.to_owned())
}
