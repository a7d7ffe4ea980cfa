//! From one store into another: memories that the graph leads to, because they
//! name what the question names by whatever name, and triples around what the
//! best memories name. What is known already is not brought twice.

use tokio::time::{Instant, timeout_at};

use super::Ask;
use super::sources::{Wanted, filter, liken, of_memory, triples};
use crate::ask::{Gathered, Hit, Store};
use crate::caller::Reach;
use crate::failure::Failure;
use crate::limits;
use crate::tools::arguments::visible_to;

/// Brings them to the results of the stores that answered, unless it takes
/// longer than until `deadline`.
pub async fn bridge(ask: &Ask, gathered: &mut Gathered, wanted: &Wanted, deadline: Instant) {
    let of = |store| gathered.found.get(&store);
    let led_to = async {
        match of(Store::Episodic) {
            Some(known) => memories(ask, wanted, known).await,
            None => Ok(Vec::new()),
        }
    };
    let around = async {
        match (of(Store::Episodic), of(Store::Semantic)) {
            (Some(best), Some(known)) => triples_of(ask, wanted, best, known).await,
            _ => Ok(Vec::new()),
        }
    };
    let both = async { tokio::join!(led_to, around) };
    let Ok((led_to, around)) = timeout_at(deadline, both).await else {
        let why = "memories and triples were not followed into each other: there was no time";
        gathered.degraded.push(why.to_owned());
        return;
    };
    for (store, brought) in [(Store::Episodic, led_to), (Store::Semantic, around)] {
        match brought {
            Ok(more) => gathered.bring(store, more),
            Err(failure) => gathered.degraded.push(failure.message),
        }
    }
}

/// The latest memories that name an entity of the question, those nearest to
/// it first.
async fn memories(ask: &Ask, wanted: &Wanted, known: &[Hit]) -> Result<Vec<Hit>, Failure> {
    let entities = ask.graph.named(
        &Reach::Everything,
        visible_to(&ask.project),
        wanted.query.clone(),
        wanted.entities.clone(),
    );
    let entities = entities.await?;
    if entities.is_empty() {
        return Ok(Vec::new());
    }
    let latest = ask
        .memories
        .naming(entities, filter(ask, wanted.past), limits::ASK_NAMING_MAX);
    let latest = latest.await?.into_iter();
    let hits = latest.map(|memory| of_memory(ask, memory, None)).collect();
    let mut more = without(hits, known);
    if let Some(vector) = &wanted.vector {
        liken(ask, &mut more, vector.clone()).await?;
        let likeness = |hit: &Hit| hit.item.likeness.unwrap_or(0.0);
        more.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    }
    more.truncate(limits::ASK_BROUGHT_MAX);
    Ok(more)
}

/// The triples around what the best memories name.
async fn triples_of(
    ask: &Ask,
    wanted: &Wanted,
    best: &[Hit],
    known: &[Hit],
) -> Result<Vec<Hit>, Failure> {
    let best = best.iter().take(limits::ASK_BRIDGES_MAX);
    let entities: Vec<String> = best.flat_map(|hit| hit.entities.clone()).collect();
    if entities.is_empty() {
        return Ok(Vec::new());
    }
    let mut more = without(triples(ask, wanted, entities).await?, known);
    more.truncate(limits::ASK_BROUGHT_MAX);
    Ok(more)
}

fn without(mut hits: Vec<Hit>, known: &[Hit]) -> Vec<Hit> {
    let is_known = |hit: &Hit| known.iter().any(|k| k.item.citation == hit.item.citation);
    hits.retain(|hit| !is_known(hit));
    hits
}
