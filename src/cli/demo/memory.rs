//! The steps about memories: storing, finding, correcting, forgetting.

use serde_json::{Value, json};

use super::session::Session;
use super::step_log::{FoundMemory, StepLog, expect, outcomes};
use crate::failure::Failure;

const DATABASE: usize = 0;
const LEAVE: usize = 1;
const THERMOMETER: usize = 2;
const SATURDAY: usize = 3;
const TOKYO: usize = 4;

/// What the client stores, in the order of the indices above.
pub(super) const LEARNED: [(&str, &str); 7] = [
    (
        "fact",
        "The ordering site keeps its orders in PostgreSQL, on a rented server",
    ),
    (
        "fact",
        "Ines starts parental leave on 1 March; Raj takes over deployments",
    ),
    (
        "observation",
        "Error E1187 shows up whenever the oven thermometer loses power",
    ),
    (
        "plan",
        "Never release on Saturdays: it is the busiest morning of the week.",
    ),
    ("fact", "東京の取引先への納品は毎週木曜日です"),
    (
        "action",
        "Moved the photos to WebP; the front page is a third of its old size",
    ),
    (
        "plan",
        "Next, regulars can repeat last week's basket with one tap",
    ),
];

/// Shares no word with the memory it must find.
pub(super) const ASKED_BY_MEANING: &str = "when does our colleague's maternity break begin?";

pub(super) fn store(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let memories: Vec<Value> = LEARNED
        .iter()
        .enumerate()
        .map(|(index, (category, content))| match index {
            DATABASE => json!({"content": content, "category": category,
                               "topic_key": "decision/database", "importance": 0.8}),
            _ => json!({"content": content, "category": category, "tags": ["bakery"]}),
        })
        .collect();
    let stored = log.call(
        &mut session.client,
        "memory_store",
        json!({"memories": memories}),
    )?;
    let results = outcomes(&stored);
    session.ids = results.iter().map(|(id, _)| *id).collect();
    let created = results.iter().all(|(_, outcome)| outcome == "created");
    expect(created && results.len() == LEARNED.len(), || {
        format!("it answered {stored}")
    })?;
    for ((_, content), id) in LEARNED.iter().zip(&session.ids) {
        log.note(format!("memory {id}: {content}"));
    }
    Ok(())
}

pub(super) fn by_meaning(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let question = json!({"query": ASKED_BY_MEANING, "limit": 1});
    finds_first(session, log, question, LEAVE)
}

pub(super) fn by_keyword(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    finds_first(
        session,
        log,
        json!({"query": "what was E1187 again?", "limit": 1}),
        THERMOMETER,
    )
}

pub(super) fn in_japanese(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    finds_first(
        session,
        log,
        json!({"query": "東京の取引先", "limit": 1}),
        TOKYO,
    )?;
    log.note("(deliveries to the partner in Tokyo are every Thursday)");
    Ok(())
}

pub(super) fn correct(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let before = session.now();
    let correction = json!({
        "content": "The ordering site keeps its orders in SQLite, on the shop's own computer",
        "topic_key": "decision/database"
    });
    let stored = log.call(&mut session.client, "memory_store", correction)?;
    let upserted = outcomes(&stored)
        .first()
        .is_some_and(|(_, outcome)| outcome == "upserted");
    expect(upserted, || format!("it answered {stored}"))?;

    let query = "where are the orders kept?";
    let now = log.search(&mut session.client, json!({"query": query, "limit": 1}))?;
    note_best(log, &now);
    expect(
        begins(&now, "The ordering site keeps its orders in SQLite"),
        || format!("now it finds {now:?}"),
    )?;

    let then = json!({"query": query, "as_of": before, "limit": 1});
    let then = log.search(&mut session.client, then)?;
    note_best(log, &then);
    expect(begins(&then, LEARNED[DATABASE].1), || {
        format!("then it finds {then:?}")
    })
}

pub(super) fn merge(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let again = LEARNED[SATURDAY].1.trim_end_matches('.').to_uppercase();
    let stored = log.call(
        &mut session.client,
        "memory_store",
        json!({"content": again}),
    )?;
    let results = outcomes(&stored);
    expect(
        results == [(session.ids[SATURDAY], "merged".to_owned())],
        || format!("it answered {stored}"),
    )?;
    log.note(format!("merged into memory {}", session.ids[SATURDAY]));
    Ok(())
}

pub(super) fn forget(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let id = session.ids[THERMOMETER];
    let query = json!({"query": "E1187", "mode": "keyword"});
    for (action, is_found) in [("forget", false), ("restore", true)] {
        let edit = json!({"action": action, "ids": [id]});
        let edited = log.call(&mut session.client, "memory_edit", edit)?;
        expect(edited["changed"] == json!([id]), || {
            format!("it answered {edited}")
        })?;
        let found = log.search(&mut session.client, query.clone())?;
        match found.is_empty() {
            true => log.note("nothing found"),
            false => note_best(log, &found),
        }
        let there = found.iter().any(|each| each.id == id);
        expect(there == is_found, || {
            format!("after {action} it finds {found:?}")
        })?;
    }
    Ok(())
}

pub(super) fn mistake(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let wrong = json!({"content": "The oven is on", "importance": 7});
    let (document, is_error) = log.try_call(&mut session.client, "memory_store", wrong)?;
    let error = &document["error"];
    let explained = is_error
        && error["kind"] == "invalid_arguments"
        && error["path"] == "/importance"
        && error["message"].is_string();
    expect(explained, || format!("it answered {document}"))?;
    for part in ["message", "hint"] {
        if let Some(text) = error[part].as_str() {
            log.note(format!("{part}: {text}"));
        }
    }
    let found = json!({"query": "oven is on", "mode": "keyword"});
    let found = log.search(&mut session.client, found)?;
    let stored = found.iter().any(|each| each.content == "The oven is on");
    expect(!stored, || format!("it was stored all the same: {found:?}"))
}

fn finds_first(
    session: &mut Session<'_>,
    log: &mut StepLog,
    question: Value,
    wanted: usize,
) -> Result<(), Failure> {
    let found = log.search(&mut session.client, question)?;
    note_best(log, &found);
    let best = found.first().map(|best| best.id);
    expect(best == Some(session.ids[wanted]), || {
        format!("it finds {found:?}")
    })
}

fn note_best(log: &mut StepLog, found: &[FoundMemory]) {
    if let Some(best) = found.first() {
        log.note(format!("{} (score {:.2})", best.content, best.score));
    }
}

fn begins(found: &[FoundMemory], text: &str) -> bool {
    found
        .first()
        .is_some_and(|best| best.content.starts_with(text))
}
