//! The story: a bakery builds its ordering site, and a client remembers for
//! it. Each step asks, tells, and checks the answer.

use std::path::Path;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::ask::ask;
use super::client::{Client, hello};
use super::procedure::procedure;
use super::scene::{Found, Scene, document_of, expect};
use super::skill::{self, Stage};
use crate::clock::Clock;
use crate::failure::Failure;

/// Stores sent in one go before the server is killed.
const BURST: usize = 100;
/// Acknowledgements read before it is killed.
const ACKNOWLEDGED: usize = 20;

const DATABASE: usize = 0;
const LEAVE: usize = 1;
const THERMOMETER: usize = 2;
const SATURDAY: usize = 3;
const TOKYO: usize = 4;

/// What the client learned, in the order of the indices above.
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

/// What the steps share.
pub(super) struct Play<'a> {
    executable: &'a Path,
    pub(super) folder: &'a Path,
    clock: &'a dyn Clock,
    pub(super) client: Client,
    /// The skill, or why there is none.
    pub(super) stage: Result<Stage, String>,
    ids: Vec<i64>,
}

/// A title and what happens under it.
pub(super) type Step = (
    &'static str,
    fn(&mut Play<'_>, &mut Scene) -> Result<(), Failure>,
);

pub(super) const STEPS: [Step; 14] = [
    ("A client starts Mimo and says hello", hello_step),
    ("It stores what it learned, in one transaction", store),
    (
        "Later it asks in other words: no word is shared",
        by_meaning,
    ),
    ("A code is found by its letters", by_keyword),
    ("So is Japanese", in_japanese),
    (
        "A decision changes; what was believed before stays known",
        correct,
    ),
    ("The same statement again is no second memory", merge),
    ("Forgetting can be undone", forget),
    (
        "Relations told in passing answer what nobody said: three hops",
        relate,
    ),
    ("A mistake changes nothing and is explained", mistake),
    (
        "A procedure runs without a model; where it fails, it is undone",
        procedure,
    ),
    (
        "Another server's tools run in a sandbox, behind the same door",
        skill::step,
    ),
    (
        "Killed in the middle of its work, it loses nothing it acknowledged",
        kill,
    ),
    (
        "One question needs all of it: each part is answered with its source",
        ask,
    ),
];

impl<'a> Play<'a> {
    /// Starts the server of the first step.
    pub(super) fn begin(
        executable: &'a Path,
        folder: &'a Path,
        clock: &'a dyn Clock,
        stage: Result<Stage, String>,
    ) -> Result<Self, Failure> {
        Ok(Play {
            stage,
            executable,
            folder,
            clock,
            client: Client::start(executable, folder)?,
            ids: Vec::new(),
        })
    }

    /// The client quits; Mimo must end by itself, and well.
    pub(super) fn end(self) -> Result<(), Failure> {
        let ended_well = self.client.leave()?;
        expect(ended_well, || {
            "Mimo did not end well when the client left".into()
        })
    }

    /// The client that the story is told to.
    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    fn now(&self) -> String {
        let now = self.clock.now();
        // To the microsecond: the correction follows at once.
        DateTime::from_timestamp_micros(now.0)
            .map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
            .unwrap_or_else(|| now.to_iso())
    }
}

fn hello_step(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let client = &mut play.client;
    let answer = scene.timed("initialize", hello(), || client.initialize())?;
    let server = &answer["serverInfo"];
    expect(server["name"] == "mimo", || {
        format!("serverInfo is {server}")
    })?;
    let version = answer["protocolVersion"].as_str().unwrap_or("unknown");
    let number = server["version"].as_str().unwrap_or("?");
    scene.tell(format!("mimo {number}, protocol {version}"));
    scene.documents.push(answer.clone());

    let listed = scene.timed("tools/list", json!({}), || {
        client.request("tools/list", json!({}))
    })?;
    let tools = listed["tools"].as_array().cloned().unwrap_or_default();
    let names: Vec<_> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    scene.tell(names.join(", "));
    for needed in [
        "memory_store",
        "memory_search",
        "memory_edit",
        "graph_update",
        "graph_query",
        "mimo_status",
    ] {
        expect(names.contains(&needed), || {
            format!("{needed} is not listed")
        })?;
    }
    Ok(())
}

fn store(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let memories: Vec<Value> = LEARNED
        .iter()
        .enumerate()
        .map(|(index, (category, content))| match index {
            DATABASE => json!({"content": content, "category": category,
                               "topic_key": "decision/database", "importance": 0.8}),
            _ => json!({"content": content, "category": category, "tags": ["bakery"]}),
        })
        .collect();
    let stored = scene.call(
        &mut play.client,
        "memory_store",
        json!({"memories": memories}),
    )?;
    let results = outcomes(&stored);
    play.ids = results.iter().map(|(id, _)| *id).collect();
    let created = results.iter().all(|(_, outcome)| outcome == "created");
    expect(created && results.len() == LEARNED.len(), || {
        format!("it answered {stored}")
    })?;
    for ((_, content), id) in LEARNED.iter().zip(&play.ids) {
        scene.tell(format!("memory {id}: {content}"));
    }
    Ok(())
}

fn by_meaning(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let question = json!({"query": ASKED_BY_MEANING, "limit": 1});
    finds_first(play, scene, question, LEAVE)
}

fn by_keyword(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    finds_first(
        play,
        scene,
        json!({"query": "what was E1187 again?", "limit": 1}),
        THERMOMETER,
    )
}

fn in_japanese(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    finds_first(
        play,
        scene,
        json!({"query": "東京の取引先", "limit": 1}),
        TOKYO,
    )?;
    scene.tell("(deliveries to the partner in Tokyo are every Thursday)");
    Ok(())
}

fn correct(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let before = play.now();
    let correction = json!({
        "content": "The ordering site keeps its orders in SQLite, on the shop's own computer",
        "topic_key": "decision/database"
    });
    let stored = scene.call(&mut play.client, "memory_store", correction)?;
    let upserted = outcomes(&stored)
        .first()
        .is_some_and(|(_, outcome)| outcome == "upserted");
    expect(upserted, || format!("it answered {stored}"))?;

    let query = "where are the orders kept?";
    let now = scene.search(&mut play.client, json!({"query": query, "limit": 1}))?;
    tell_best(scene, &now);
    expect(
        begins(&now, "The ordering site keeps its orders in SQLite"),
        || format!("now it finds {now:?}"),
    )?;

    let then = json!({"query": query, "as_of": before, "limit": 1});
    let then = scene.search(&mut play.client, then)?;
    tell_best(scene, &then);
    expect(begins(&then, LEARNED[DATABASE].1), || {
        format!("then it finds {then:?}")
    })
}

fn merge(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let again = LEARNED[SATURDAY].1.trim_end_matches('.').to_uppercase();
    let stored = scene.call(&mut play.client, "memory_store", json!({"content": again}))?;
    let results = outcomes(&stored);
    expect(
        results == [(play.ids[SATURDAY], "merged".to_owned())],
        || format!("it answered {stored}"),
    )?;
    scene.tell(format!("merged into memory {}", play.ids[SATURDAY]));
    Ok(())
}

fn forget(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let id = play.ids[THERMOMETER];
    let query = json!({"query": "E1187", "mode": "keyword"});
    for (action, is_found) in [("forget", false), ("restore", true)] {
        let edit = json!({"action": action, "ids": [id]});
        let edited = scene.call(&mut play.client, "memory_edit", edit)?;
        expect(edited["changed"] == json!([id]), || {
            format!("it answered {edited}")
        })?;
        let found = scene.search(&mut play.client, query.clone())?;
        match found.is_empty() {
            true => scene.tell("nothing found"),
            false => tell_best(scene, &found),
        }
        let there = found.iter().any(|each| each.id == id);
        expect(there == is_found, || {
            format!("after {action} it finds {found:?}")
        })?;
    }
    Ok(())
}

/// Whom to call when the site is down follows from three sentences, none of
/// which says it.
fn relate(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let told = "The ordering site runs on the shop computer. The shop computer depends on \
                the router. Jonas maintains the router.";
    let update = json!({"text": told, "accept": true});
    let stored = scene.call(&mut play.client, "graph_update", update)?;
    let triples = stored["triples"].as_array().map_or(0, Vec::len);
    expect(triples == 3, || format!("it answered {stored}"))?;

    let question = json!({"start": "ordering site", "direction": "both", "max_depth": 3});
    let found = scene.call(&mut play.client, "graph_query", question)?;
    let paths = found["paths"].as_array().cloned().unwrap_or_default();
    let ends = |path: &&Value| path["entities"][3] == "thing:jonas";
    let path = paths.iter().find(ends);
    scene.tell(drawn(path.unwrap_or(&Value::Null)));
    let predicates = json!(["runs_on", "depends_on", "^maintains"]);
    expect(
        path.is_some_and(|path| path["predicates"] == predicates),
        || format!("it answered {found}"),
    )
}

/// A path as an arrow after the other; `^` was followed backwards.
fn drawn(path: &Value) -> String {
    let names = path["entities"].as_array().cloned().unwrap_or_default();
    let mut names = names.iter().filter_map(Value::as_str);
    let mut text = names.next().unwrap_or_default().to_owned();
    let predicates = path["predicates"].as_array().cloned().unwrap_or_default();
    for (predicate, name) in predicates.iter().filter_map(Value::as_str).zip(names) {
        let arrow = match predicate.strip_prefix('^') {
            Some(backwards) => format!(" <-{backwards}- "),
            None => format!(" -{predicate}-> "),
        };
        text.push_str(&arrow);
        text.push_str(name);
    }
    text.replace("thing:", "")
}

fn mistake(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let wrong = json!({"content": "The oven is on", "importance": 7});
    let (document, is_error) = scene.try_call(&mut play.client, "memory_store", wrong)?;
    let error = &document["error"];
    let explained = is_error
        && error["kind"] == "invalid_arguments"
        && error["path"] == "/importance"
        && error["message"].is_string();
    expect(explained, || format!("it answered {document}"))?;
    for part in ["message", "hint"] {
        if let Some(text) = error[part].as_str() {
            scene.tell(format!("{part}: {text}"));
        }
    }
    let found = json!({"query": "oven is on", "mode": "keyword"});
    let found = scene.search(&mut play.client, found)?;
    let stored = found.iter().any(|each| each.content == "The oven is on");
    expect(!stored, || format!("it was stored all the same: {found:?}"))
}

/// Sends many stores at once, kills the server while it works on them, starts
/// it again, and looks for each memory whose store was acknowledged.
fn kill(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let reading =
        |number: usize| format!("Reading {number}: the oven stood at {} °C", 180 + number);
    let client = &mut play.client;
    let acknowledged = scene.timed(
        "memory_store",
        json!({"content": format!("{} .. and {} more", reading(1), BURST - 1)}),
        || {
            for number in 1..=BURST {
                let arguments = json!({"content": reading(number)});
                client.send(
                    "tools/call",
                    json!({"name": "memory_store", "arguments": arguments}),
                )?;
            }
            let mut answers = Vec::new();
            while answers.len() < ACKNOWLEDGED {
                answers.push(client.next()?);
            }
            Ok(answers)
        },
    )?;
    let mut answers = acknowledged;
    answers.extend(play.client.kill()?);
    play.client = Client::start(play.executable, play.folder)?;
    let ids = answers
        .iter()
        .map(stored_id)
        .collect::<Result<Vec<i64>, _>>()?;
    scene.tell(format!(
        "SIGKILL after {} of {BURST} were acknowledged; started again",
        ids.len()
    ));

    play.client.initialize()?;
    let mut kept = 0;
    for some in ids.chunks(50) {
        let wanted = json!({"ids": some, "limit": 50, "max_tokens": 20_000});
        let found = scene.search(&mut play.client, wanted)?;
        kept += found
            .iter()
            .filter(|each| each.content.starts_with("Reading "))
            .count();
    }
    scene.tell(format!("{kept} of {} are there", ids.len()));
    expect(kept == ids.len(), || {
        format!("{} acknowledged, {kept} kept", ids.len())
    })?;

    let status = scene.call(&mut play.client, "mimo_status", json!({}))?;
    let memory = &status["memory"];
    scene.tell(format!(
        "mimo {}: {} memories, store {}",
        status["version"].as_str().unwrap_or("?"),
        memory["active"],
        memory["state"].as_str().unwrap_or("?"),
    ));
    expect(status["version"] == env!("CARGO_PKG_VERSION"), || {
        format!("its status is {status}")
    })
}

fn stored_id(answer: &Value) -> Result<i64, Failure> {
    let (document, is_error) = document_of(&answer["result"])?;
    let stored = outcomes(&document);
    expect(!is_error && stored.len() == 1, || {
        format!("a store was answered with {document}")
    })?;
    Ok(stored[0].0)
}

fn finds_first(
    play: &mut Play<'_>,
    scene: &mut Scene,
    question: Value,
    wanted: usize,
) -> Result<(), Failure> {
    let found = scene.search(&mut play.client, question)?;
    tell_best(scene, &found);
    let best = found.first().map(|best| best.id);
    expect(best == Some(play.ids[wanted]), || {
        format!("it finds {found:?}")
    })
}

fn tell_best(scene: &mut Scene, found: &[Found]) {
    if let Some(best) = found.first() {
        scene.tell(format!("{} (score {:.2})", best.content, best.score));
    }
}

fn begins(found: &[Found], text: &str) -> bool {
    found
        .first()
        .is_some_and(|best| best.content.starts_with(text))
}

/// The ids and outcomes in a `memory_store` document.
fn outcomes(document: &Value) -> Vec<(i64, String)> {
    let results = document["results"].as_array().cloned().unwrap_or_default();
    results
        .iter()
        .filter_map(|each| Some((each["id"].as_i64()?, each["outcome"].as_str()?.to_owned())))
        .collect()
}
