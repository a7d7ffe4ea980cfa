//! Where a question is looked for, and what is there: the stores that the
//! router or the caller chose, then, where none of the router's has an answer,
//! the others.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::Ask;
use super::answer::searched;
use super::bridge::bridge;
use super::compare::compare;
use super::request::Time;
use super::sources::{self, Wanted};
use crate::ask::{Decision, Gathered, Relevance, Store, gather};
use crate::failure::Failure;

/// What of the time the searches may take, in tenths; the rest is the answer's.
const SEARCH_TENTHS: u32 = 8;
/// By when they and what follows of them have to be compared with it, in tenths.
const COMPARE_TENTHS: u32 = 9;
/// What of the time encoding the question may take, in tenths.
const ENCODE_TENTHS: u32 = 4;

/// Decides where to look, and looks there.
pub async fn look(
    ask: &Arc<Ask>,
    wanted: &mut Wanted,
    chosen: Option<&[Store]>,
    time: Time,
) -> Result<(Decision, Gathered), Failure> {
    let encoding = ask.memories.encode(vec![wanted.query.clone()]);
    let encoding = timeout_at(time.tenths(ENCODE_TENTHS), encoding).await;
    wanted.vector = encoding.ok().and_then(Result::ok).and_then(|mut v| v.pop());
    let mut decision = decide(ask, wanted, chosen)?;
    let mut gathered = Gathered::default();
    let first: Vec<Store> = searched(&decision).collect();
    search(ask, wanted, &first, &mut gathered, time).await;
    if chosen.is_none() && first.len() < Store::ALL.len() && !has_answer(wanted, &gathered) {
        let rest = Store::ALL.into_iter();
        let rest: Vec<Store> = rest.filter(|store| !first.contains(store)).collect();
        if Instant::now() < time.tenths(SEARCH_TENTHS) {
            search(ask, wanted, &rest, &mut gathered, time).await;
            decision.secondary.extend(rest);
            decision.reasoning += "; nothing there answers, so the other stores were asked too";
        }
    }
    if wanted.vector.is_none() {
        let why = "compared by words only: the question could not be encoded in time";
        gathered.degraded.push(why.to_owned());
    }
    Ok((decision, gathered))
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

/// Adds what `stores` have, what leads on from it, and how near all of it is to
/// the question.
async fn search(
    ask: &Arc<Ask>,
    wanted: &Wanted,
    stores: &[Store],
    gathered: &mut Gathered,
    time: Time,
) {
    let search = |store: &Store| (*store, sources::search(ask, *store, wanted.clone()));
    let searches = stores.iter().map(search).collect();
    gathered.join(gather(searches, time.tenths(SEARCH_TENTHS)).await);
    let compared_by = time.tenths(COMPARE_TENTHS);
    bridge(ask, gathered, wanted, compared_by).await;
    if let Some(vector) = &wanted.vector {
        compare(ask, gathered, vector, compared_by).await;
    }
}

fn has_answer(wanted: &Wanted, gathered: &Gathered) -> bool {
    let hits = gathered.found.values().flatten();
    Relevance::to(&wanted.query).is_answered_by(hits.map(|hit| &hit.item))
}
