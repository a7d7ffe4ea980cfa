//! A call of `ask_mimo`: where to look, what is there, what of it answers, and
//! what the next question may lean on. Everything has one deadline, of which
//! the searches get a part.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Ask;
use super::answer::{Answer, Said, Shown, searched, turn};
use super::request::Request;
use super::sources::{self, Wanted};
use crate::ask::{
    Decision, FollowUp, Found, Gathered, Hit, Opened, Question, Store, beginning, checked,
    follow_up, gather, keep, prompt,
};
use crate::failure::Failure;
use crate::limits;
use crate::tools::{Arguments, Context, Document};

/// What of the time the searches may take, in tenths; the rest is the answer's.
const SEARCH_TENTHS: u32 = 8;
/// What of the time encoding the question may take, in tenths.
const ENCODE_TENTHS: u32 = 4;
/// Results get this much of the room, in tenths; the answer in words the rest.
const RESULT_TENTHS: usize = 6;

/// When a call began, and how long it may take.
#[derive(Clone, Copy)]
struct Time {
    began: Instant,
    patience: Duration,
}

/// What was looked at, and what was found.
struct Looked {
    vector: Option<Vec<f32>>,
    decision: Decision,
    gathered: Gathered,
}

/// Handles a call.
pub async fn call(
    ask: Arc<Ask>,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let began = Instant::now();
    let request = Request::read(&arguments)?;
    let left = context.deadline.saturating_duration_since(began);
    let patience = request.patience.min(left);
    let time = Time { began, patience };
    let opened = ask.contexts.open(request.context_id.as_deref());
    let wanted = wanted(&opened, &request.query);
    let mut looked = look(&ask, &wanted, request.stores.as_deref(), time).await?;
    if opened.forgotten {
        let why = "this context_id is not kept any more; asked without it";
        looked.gathered.degraded.push(why.to_owned());
    }

    let (decision, gathered) = (&looked.decision, &looked.gathered);
    let mut answer = Answer {
        query_id: ask.memories.clock().new_id(),
        context_id: &opened.id,
        decision,
        failed: &gathered.failed,
        degraded: gathered.degraded.clone(),
        now: ask.memories.now(),
        budget_bytes: request.budget_bytes,
    };
    let hits: Vec<Hit> = gathered.found.values().flatten().cloned().collect();
    let question = Question {
        text: &wanted.query,
        vector: looked.vector.as_deref(),
    };
    let room = answer.room() * RESULT_TENTHS / 10 / limits::TOKEN_BYTES;
    let by_router = request.stores.is_none().then_some(decision);
    let kept = keep(question, by_router, &weighed(gathered), room);
    let shown = Shown {
        hits: kept.places.iter().map(|place| &hits[*place]).collect(),
        truncated: kept.truncated,
    };
    let said = say(&ask, &context, question, &mut answer, &shown, time).await;
    ask.memories.count_recall(shown.memories());
    let turn = turn(wanted.query, &said.synthesis, &shown.hits);
    ask.contexts.note(&opened.id, turn);
    Document::of(&said.document)
}

/// Decides where to look, and looks there.
async fn look(
    ask: &Arc<Ask>,
    wanted: &Wanted,
    chosen: Option<&[Store]>,
    Time { began, patience }: Time,
) -> Result<Looked, Failure> {
    let encoding = ask.memories.encode(vec![wanted.query.clone()]);
    let encoding = timeout_at(began + patience * ENCODE_TENTHS / 10, encoding).await;
    let vector = encoding.ok().and_then(Result::ok).and_then(|mut v| v.pop());
    let decision = decide(ask, &wanted.query, vector.as_deref(), chosen)?;
    let search = |store| (store, sources::search(ask, store, wanted.clone()));
    let searches = searched(&decision).map(search);
    let mut gathered = gather(searches.collect(), began + patience * SEARCH_TENTHS / 10).await;
    if vector.is_some() {
        compare(ask, &mut gathered, began + patience * 9 / 10).await;
    } else {
        let why = "compared by words only: the question could not be encoded in time";
        gathered.degraded.push(why.to_owned());
    }
    Ok(Looked {
        vector,
        decision,
        gathered,
    })
}

/// The answer in words: quotations, or where a model may be asked and does
/// better in the time that is left, what it writes.
async fn say(
    ask: &Ask,
    context: &Context,
    question: Question<'_>,
    answer: &mut Answer<'_>,
    shown: &Shown<'_>,
    time: Time,
) -> Said {
    let quoted = answer.quoted(question, shown);
    let wanted = answer.decision.requires_synthesis && !quoted.synthesis.citations.is_empty();
    if !wanted {
        return quoted;
    }
    let margin = Duration::from_millis(limits::ASK_MODEL_MARGIN_MILLIS);
    let deadline = time.began + time.patience.saturating_sub(margin);
    if let Some(written) = written(ask, context, question, answer, shown, deadline).await {
        return written;
    }
    // Once more with the reasons, unless they leave no room for the answer.
    let told = answer.quoted(question, shown);
    match told.synthesis.citations.is_empty() {
        true => quoted,
        false => told,
    }
}

/// What the first model writes whose answer stands; why the others' do not goes
/// into the answer.
async fn written(
    ask: &Ask,
    context: &Context,
    question: Question<'_>,
    answer: &mut Answer<'_>,
    shown: &Shown<'_>,
    deadline: Instant,
) -> Option<Said> {
    let writers = ask.writers.of(context);
    if writers.is_empty() {
        return None;
    }
    let tokens = answer.spare(shown) / limits::TOKEN_BYTES;
    let mark = ask.memories.clock().new_id();
    let prompt = prompt(question, &shown.items(), answer.now, &mark, tokens)?;
    for writer in writers {
        let text = writer.write(&prompt, deadline, &context.cancel).await;
        let said = text.and_then(|text| {
            let stands = |most| checked(&text, &prompt.citations, most);
            Ok(answer.written(writer.by(), shown, stands)?)
        });
        match said {
            Ok(said) => return Some(said),
            Err(why) => answer.degraded.push(format!("{} {why}", writer.name())),
        }
    }
    None
}

/// The question with what the conversation says.
fn wanted(opened: &Opened, query: &str) -> Wanted {
    match follow_up(&opened.turns, query) {
        FollowUp::NewTopic => Wanted {
            query: query.to_owned(),
            entities: Vec::new(),
        },
        FollowUp::Continues { query, entities } => Wanted { query, entities },
    }
}

fn decide(
    ask: &Ask,
    query: &str,
    vector: Option<&[f32]>,
    chosen: Option<&[Store]>,
) -> Result<Decision, Failure> {
    let vector = vector.map(|vector| (ask.memories.model(), vector));
    let routed = ask.router()?.route(query, vector);
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

/// Makes vectors for the best of each store. Those that are not made in time
/// are compared by their words.
async fn compare(ask: &Ask, gathered: &mut Gathered, deadline: Instant) {
    let mut hits: Vec<(usize, &mut Hit)> = Vec::new();
    for list in gathered.found.values_mut() {
        hits.extend(list.iter_mut().enumerate());
    }
    hits.sort_by_key(|(rank, _)| *rank);
    hits.truncate(limits::ASK_VECTORS_MAX);
    let text = |hit: &Hit| beginning(&hit.item.text, limits::ASK_VECTOR_BYTES_MAX).to_owned();
    let texts = hits.iter().map(|(_, hit)| text(hit)).collect();
    let why = match timeout_at(deadline, ask.memories.encode(texts)).await {
        Ok(Ok(vectors)) => {
            for ((_, hit), vector) in hits.into_iter().zip(vectors) {
                hit.item.vector = Some(vector);
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
