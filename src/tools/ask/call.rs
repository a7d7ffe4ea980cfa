//! A call of `ask_mimo`: where to look, what is there, what of it answers, and
//! what the next question may lean on. Everything has one deadline, of which
//! the searches get a part.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::Ask;
use super::answer::{Answer, Shown, searched, turn};
use super::bridge::bridge;
use super::request::{Request, Time};
use super::say::say;
use super::sources::{self, Wanted, memory_id};
use crate::ask::{
    Decision, FollowUp, Found, Gathered, Hit, Opened, Store, asks_for_the_past, beginning,
    follow_up, gather, keep,
};
use crate::failure::Failure;
use crate::limits;
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
    let request = Request::read(&arguments)?;
    let left = context.deadline.saturating_duration_since(began);
    let time = Time {
        began,
        patience: request.patience.min(left),
    };
    let opened = ask.contexts.open(request.context_id.as_deref());
    let mut wanted = wanted(&opened, &request.query);
    let (decision, mut gathered) = look(&ask, &mut wanted, request.stores.as_deref(), time).await?;
    if opened.forgotten {
        let why = "this context_id is not kept any more; asked without it";
        gathered.degraded.push(why.to_owned());
    }

    let mut answer = Answer {
        query_id: ask.memories.clock().new_id(),
        context_id: &opened.id,
        decision: &decision,
        failed: &gathered.failed,
        degraded: gathered.degraded.clone(),
        now: ask.memories.now(),
        budget_bytes: request.budget_bytes,
    };
    let hits: Vec<Hit> = gathered.found.values().flatten().cloned().collect();
    let room = answer.room() * RESULT_TENTHS / 10 / limits::TOKEN_BYTES;
    let by_router = request.stores.is_none().then_some(&decision);
    let kept = keep(&wanted.query, by_router, &weighed(&gathered), room);
    let shown = Shown {
        hits: kept.places.iter().map(|place| &hits[*place]).collect(),
        truncated: kept.truncated,
    };
    let said = say(&ask, &context, &wanted.query, &mut answer, &shown, time).await;
    let ids = shown.hits.iter().filter_map(|hit| memory_id(hit));
    ask.memories.count_recall(ids.collect());
    let turn = turn(wanted.query, &said.synthesis, &shown.hits);
    ask.contexts.note(&opened.id, turn);
    Document::of(&said.document)
}

/// Decides where to look, and looks there.
async fn look(
    ask: &Arc<Ask>,
    wanted: &mut Wanted,
    chosen: Option<&[Store]>,
    time: Time,
) -> Result<(Decision, Gathered), Failure> {
    let encoding = ask.memories.encode(vec![wanted.query.clone()]);
    let encoding = timeout_at(time.tenths(ENCODE_TENTHS), encoding).await;
    wanted.vector = encoding.ok().and_then(Result::ok).and_then(|mut v| v.pop());
    let decision = decide(ask, wanted, chosen)?;
    let search = |store| (store, sources::search(ask, store, wanted.clone()));
    let searches = searched(&decision).map(search);
    let mut gathered = gather(searches.collect(), time.tenths(SEARCH_TENTHS)).await;
    let compared_by = time.tenths(COMPARE_TENTHS);
    bridge(ask, &mut gathered, wanted, compared_by).await;
    if let Some(vector) = &wanted.vector {
        compare(ask, &mut gathered, vector, compared_by).await;
    } else {
        let why = "compared by words only: the question could not be encoded in time";
        gathered.degraded.push(why.to_owned());
    }
    Ok((decision, gathered))
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
