//! A call of `ask_mimo`: where to look, what is there, what of it answers, and
//! what the next question may lean on. Everything has one deadline, of which
//! the searches get a part.

use std::sync::Arc;

use tokio::time::Instant;

use super::Ask;
use super::answer::{Answer, Shown, turn};
use super::look::look;
use super::request::{Request, Time};
use super::say::say;
use super::sources::{Wanted, memory_id};
use crate::ask::{FollowUp, Found, Gathered, Hit, Opened, asks_for_the_past, follow_up, keep};
use crate::failure::Failure;
use crate::limits;
use crate::tools::{Arguments, Context, Document};

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
    let mut wanted = wanted(&opened, &request.query, &context);
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

/// The question with what the conversation says.
fn wanted(opened: &Opened, query: &str, context: &Context) -> Wanted {
    let (query, entities) = match follow_up(&opened.turns, query) {
        FollowUp::NewTopic => (query.to_owned(), Vec::new()),
        FollowUp::Continues { query, entities } => (query, entities),
    };
    Wanted {
        past: asks_for_the_past(&query),
        query,
        vector: None,
        entities,
        grants: context.caller.grants.clone(),
    }
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
