//! `recall`: brings the stored knowledge about a topic into the conversation.

use serde_json::json;

use super::quoted::Quoted;
use super::{Argument, Composer, PromptArguments, places, short};
use crate::caller::Caller;
use crate::failure::Failure;
use crate::graph::about::Topic;
use crate::graph::query::Scope;
use crate::limits;
use crate::store::memory::Category;
use crate::tools::memory::named_category;
use crate::tools::scope;

pub(super) const ARGUMENTS: [Argument; 4] = [
    Argument {
        name: "topic",
        description: "What you want to know about: a question, a name, a tag or a topic key.",
        required: true,
    },
    Argument {
        name: "project",
        description: "Only this project; * for all. Left out: the current one and global.",
        required: false,
    },
    Argument {
        name: "category",
        description: "Only fact, decision, preference, action, observation or plan.",
        required: false,
    },
    Argument {
        name: "tag",
        description: "Only memories with this tag.",
        required: false,
    },
];

/// Memories less similar than this are included only where they share words.
const SIMILARITY_MIN: f32 = 0.3;
/// Triples with less confidence are left out.
const CONFIDENCE_MIN: f64 = 0.3;

pub(super) async fn message(
    composer: &Composer,
    given: &PromptArguments,
    caller: &Caller,
) -> Result<(String, String), Failure> {
    let reader = given.reader();
    let topic = given.text("topic").unwrap_or_default();
    let projects = scope::projects(&reader, &*composer.names, caller)
        .await?
        .names;
    let category = category(given)?;
    let tag = match reader.name("tag")? {
        Some(tag) => Some(scope::spellings(tag, &*composer.names, caller).await?),
        None => None,
    };
    let filtered = category.is_some() || tag.is_some();
    let filter = composer.filter(caller, &projects, category, tag);

    let mut quoted = Quoted::default();
    for memory in composer.by_name(topic, &filter).await? {
        quoted.memory(&memory, caller.project());
    }
    let (found, degraded) = composer.search(topic, filter, SIMILARITY_MIN).await?;
    // The triples go before the last memories, which are the least relevant.
    let (best, rest) = found.split_at(found.len().min(limits::PROMPT_MEMORIES_MAX / 2));
    for memory in best {
        quoted.memory(memory, caller.project());
    }
    // A triple has no category and no tag.
    if !filtered {
        let about = Topic {
            scope: Scope {
                reach: caller.reach().clone(),
                projects: projects.clone(),
                at: composer.graph.now(),
                min_confidence: CONFIDENCE_MIN,
                limit: limits::PROMPT_TRIPLES_MAX,
            },
            text: topic.to_owned(),
            others: vec![topic.to_owned()],
            include_ended: false,
        };
        for said in composer.graph.about(about).await? {
            quoted.triple(&said);
        }
    }
    for memory in rest {
        quoted.memory(memory, caller.project());
    }
    composer.memories.count_recall(quoted.shown());

    let description = format!("What Mimo remembers about {}", short(topic));
    let (shown, places) = (json!(topic), places(&projects));
    let note = degraded.map_or(String::new(), |why| format!("\n\n({why}.)"));
    if quoted.is_empty() {
        let text = format!(
            "I asked Mimo what it remembers about {shown}, and it remembers nothing about it in \
             {places}. Do not guess: tell me so, ask me what you need to know, and store what is \
             worth keeping with memory_store.{note}"
        );
        return Ok((description, text));
    }
    let more = match composer.has_graph_tools {
        true => "memory_search and graph_query find more",
        false => "memory_search finds more",
    };
    let text = format!(
        "Work with what Mimo remembers about {shown} in {places}.\n\n{}\n\nTell me in a few \
         sentences what of this matters here, naming the source (such as memory:12) of each \
         statement, and say so where it does not answer or contradicts itself. Then go on with \
         it; {more}.{note}",
        quoted.block()
    );
    Ok((description, text))
}

fn category(given: &PromptArguments) -> Result<Option<Category>, Failure> {
    let name = given.text("category").map(str::to_lowercase);
    name.map(|name| named_category(&name, "/category"))
        .transpose()
}
