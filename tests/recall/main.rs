//! How well searches and questions find what was meant, on the real server.
//!
//! `cargo test --test recall -- --nocapture` prints a table: for each set, each mode of
//! `memory_search` and `ask_mimo`, the recall at 10, the nDCG at 10, the share of
//! questions whose first result is right, the right ones among all results, the bytes of
//! a reply, the share of them that are texts of right ones, and the share of questions
//! without any result. With
//! `MIMO_RECALL_SETS` naming a folder of conversations (`{"turns": [{"id", "text"}],
//! "questions": [{"text", "evidence"}]}`, as LoCoMo reduced to these), they are scored
//! too; with `MIMO_RECALL_ROOM=postgres` everything is stored in PostgreSQL, and with
//! `MIMO_RECALL_MODEL` naming a model's file, that encodes. Without `--nocapture` it only
//! holds the figures to their floors.

#![allow(clippy::print_stdout, reason = "the table is its output")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use support::Server;
use support::postgres;
use support::server::{ask, initialize, mimo};

/// Texts of one thread in their order, and questions with the right ones of them.
struct Set {
    texts: Vec<String>,
    questions: Vec<(String, Question)>,
    /// Questions that have nothing to do with the texts.
    off: Vec<String>,
}

struct Question {
    text: String,
    right: BTreeSet<usize>,
}

/// The sums over the questions of a set in one mode.
#[derive(Clone, Copy, Default)]
struct Figures {
    questions: f64,
    recall: f64,
    ndcg: f64,
    first: f64,
    /// The share of the right ones among all results, beyond 10 too.
    all: f64,
    bytes: f64,
    /// Bytes of right texts among them.
    useful: f64,
    /// Questions without an answer.
    silent: f64,
    /// Those of them for which hybrid search has one in its first two.
    lost: f64,
}

const SHOWN: usize = 10;
/// Few enough to be encoded within the time of a call on a busy machine.
const BATCH: usize = 20;
/// `short` is a search as a model makes it: with a query alone.
const MODES: [&str; 5] = ["hybrid", "short", "semantic", "keyword", "ask"];

#[test]
fn notes_and_chats_are_found_as_well_as_measured() {
    let mut sets = vec![notes()];
    sets.extend(own());
    sets.extend(foreign_sets());
    let mut table: BTreeMap<(String, &str), Figures> = BTreeMap::new();
    for set in &sets {
        score(set, &mut table);
    }
    println!("set               mode      R@10  nDCG  first all   bytes useful silent");
    for ((name, mode), sum) in &table {
        let mean = |sum: f64, all: f64| sum / all;
        println!(
            "{name:17} {mode:9} {:.3} {:.3} {:.3} {:.3} {:5.0} {:.3} {:.3}",
            mean(sum.recall, sum.questions),
            mean(sum.ndcg, sum.questions),
            mean(sum.first, sum.questions),
            mean(sum.all, sum.questions),
            mean(sum.bytes, sum.questions),
            mean(sum.useful, sum.bytes),
            mean(sum.silent, sum.questions),
        );
    }
    for name in ["notes, English", "notes, others"] {
        let of = |mode| table[&(name.to_owned(), mode)];
        assert_eq!(of("ask").lost, 0.0, "{name}: questions without an answer");
        assert!(of("ask").first >= of("hybrid").first, "{name}: citations");
    }
    // About two questions below what was measured.
    for (name, mode, first, recall) in FLOORS {
        let sum = table[&(name.to_owned(), mode)];
        assert!(sum.first / sum.questions >= first, "{name} {mode}: first");
        assert!(sum.recall / sum.questions >= recall, "{name} {mode}: R@10");
    }
}

/// Set, mode, right first, recall at 10.
const FLOORS: [(&str, &str, f64, f64); 2] = [
    ("notes, English", "hybrid", 0.78, 0.94),
    ("notes, others", "hybrid", 0.58, 0.84),
];

fn score(set: &Set, table: &mut BTreeMap<(String, &'static str), Figures>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = mimo(folder.path());
    on_room(&mut command, folder.path());
    with_model(folder.path());
    let mut server = Server::of(&mut command);
    initialize(&mut server);
    let ids = store(&mut server, &set.texts);
    score_off(set, &mut server, table);
    for (part, question) in &set.questions {
        let mut is_in_first_two = false;
        for mode in MODES {
            let (ranked, bytes) = answer(&mut server, mode, &question.text);
            let is_right = |id: &i64| ids.get(id).is_some_and(|nth| question.right.contains(nth));
            let right: Vec<bool> = ranked.iter().take(SHOWN).map(is_right).collect();
            let gain = |nth: usize| 1.0 / ((nth + 2) as f64).log2();
            let found = right.iter().filter(|right| **right).count() as f64;
            let gained: f64 = (0..right.len()).filter(|nth| right[*nth]).map(gain).sum();
            let best: f64 = (0..question.right.len().min(SHOWN)).map(gain).sum();
            let sum = table.entry((part.clone(), mode)).or_default();
            sum.questions += 1.0;
            sum.recall += found / question.right.len() as f64;
            sum.ndcg += gained / best;
            sum.first += f64::from(u8::from(right.first() == Some(&true)));
            sum.all += ranked.iter().filter(|id| is_right(id)).count() as f64
                / question.right.len() as f64;
            sum.bytes += bytes as f64;
            let found = ranked.iter().filter(|id| is_right(id));
            let useful: usize = found.map(|id| set.texts[ids[id]].len()).sum();
            sum.useful += useful as f64;
            sum.silent += f64::from(u8::from(ranked.is_empty()));
            match mode {
                "hybrid" => is_in_first_two = right.iter().take(2).any(|right| *right),
                "ask" if is_in_first_two && ranked.is_empty() => sum.lost += 1.0,
                _ => {}
            }
        }
    }
}

/// Asks what has nothing to do with the texts: best is no answer.
fn score_off(
    set: &Set,
    server: &mut Server,
    table: &mut BTreeMap<(String, &'static str), Figures>,
) {
    for question in &set.off {
        let (ranked, bytes) = answer(server, "ask", question);
        let sum = table
            .entry(("off the subject".to_owned(), "ask"))
            .or_default();
        sum.questions += 1.0;
        sum.bytes += bytes as f64;
        sum.silent += f64::from(u8::from(ranked.is_empty()));
    }
}

/// Has the server store where `MIMO_RECALL_ROOM` says: `postgres`, in a schema of its own,
/// or else in a file.
fn on_room(command: &mut Command, folder: &Path) {
    if std::env::var_os("MIMO_RECALL_ROOM").is_none_or(|room| room != "postgres") {
        return;
    }
    let database = postgres::server().expect("a database");
    let config = folder.join("config");
    std::fs::create_dir(&config).expect("made");
    let settings = format!("[store]\nschema = \"{}\"\n", database.new_schema());
    std::fs::write(config.join("config.toml"), settings).expect("written");
    command.env("MIMO_DATABASE_URL", database.url());
}

/// Has the model of `MIMO_RECALL_MODEL` encode.
fn with_model(folder: &Path) {
    let Some(file) = std::env::var_os("MIMO_RECALL_MODEL") else {
        return;
    };
    for arguments in [
        &[Path::new("model"), Path::new("add"), Path::new(&file)],
        &["model", "use", "multilingual-e5-small"].map(Path::new),
    ] {
        let ran = mimo(folder).args(arguments).output().expect("it starts");
        assert!(ran.status.success(), "{ran:?}");
    }
}

/// Stores the texts; which of them each memory is.
fn store(server: &mut Server, texts: &[String]) -> HashMap<i64, usize> {
    let mut ids = HashMap::new();
    for (start, batch) in texts.chunks(BATCH).enumerate() {
        let memories: Value = batch
            .iter()
            .map(|text| json!({"content": text, "category": "observation"}))
            .collect();
        let stored = ask(server, "memory_store", json!({ "memories": memories })).good();
        let stored = stored["results"].as_array().expect("results").iter();
        for (nth, outcome) in stored.enumerate() {
            ids.entry(outcome["id"].as_i64().expect("an id"))
                .or_insert(start * BATCH + nth);
        }
    }
    ids
}

/// The memories that answer, best first, and the bytes of the reply.
fn answer(server: &mut Server, mode: &str, question: &str) -> (Vec<i64>, usize) {
    if mode == "ask" {
        let reply = ask(server, "ask_mimo", json!({ "query": question })).good();
        let cited = reply["synthesis"]["citations"].as_array();
        let cited = cited.into_iter().flatten().filter_map(Value::as_str);
        let ids = cited.filter_map(|cited| cited.strip_prefix("memory:")?.parse().ok());
        return (ids.collect(), reply.to_string().len());
    }
    let arguments = match mode {
        "short" => json!({ "query": question }),
        mode => json!({"query": question, "mode": mode, "limit": SHOWN, "threshold": 0}),
    };
    let reply = ask(server, "memory_search", arguments).good();
    let items = reply["items"].as_array().expect("items").iter();
    let ids = items.map(|item| item["id"].as_i64().expect("an id"));
    (ids.collect(), reply.to_string().len())
}

/// 240 notes of one thread, in six languages.
fn notes() -> Set {
    let document: Value = serde_json::from_str(include_str!("notes.json")).expect("notes");
    let memories = document["memories"].as_array().expect("memories");
    let ids: HashMap<&str, usize> = memories
        .iter()
        .enumerate()
        .map(|(nth, memory)| (text_of(&memory["id"]), nth))
        .collect();
    let questions = document["questions"].as_array().expect("questions");
    let questions = questions.iter().map(|question| {
        let part = match text_of(&question["lang"]) {
            "en" => "notes, English",
            _ => "notes, others",
        };
        let right = question["right"].as_array().expect("ids").iter();
        let question = Question {
            text: text_of(&question["text"]).to_owned(),
            right: right.map(|id| ids[text_of(id)]).collect(),
        };
        (part.to_owned(), question)
    });
    Set {
        texts: memories
            .iter()
            .map(|memory| text_of(&memory["text"]).to_owned())
            .collect(),
        questions: questions.collect(),
        off: Vec::new(),
    }
}

/// Notes of a team, and short chats of two people each, with and without their names.
fn own() -> Vec<Set> {
    let document: Value = serde_json::from_str(include_str!("own.json")).expect("own");
    let of_team = &document["notes"];
    let mut sets = vec![Set {
        texts: texts(&of_team["texts"]),
        questions: questions(&of_team["questions"], "team notes"),
        off: texts(&of_team["off"]),
    }];
    for chat in document["chats"].as_array().expect("chats") {
        let people = texts(&chat["people"]);
        let turns = texts(&chat["turns"]);
        let said = |(nth, turn): (usize, &String)| format!("{}: {turn}", people[nth % 2]);
        let labelled = turns.iter().enumerate().map(said).collect();
        for (name, texts) in [("chats, names", labelled), ("chats, no names", turns)] {
            sets.push(Set {
                texts,
                questions: questions(&chat["questions"], name),
                off: Vec::new(),
            });
        }
    }
    sets
}

/// Conversations that may not be part of the repository.
fn foreign_sets() -> Vec<Set> {
    let Some(folder) = std::env::var_os("MIMO_RECALL_SETS") else {
        return Vec::new();
    };
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let document = std::fs::read_to_string(path).expect("readable");
        let document: Value = serde_json::from_str(&document).expect("JSON");
        let turns = document["turns"].as_array().expect("turns");
        let ids: HashMap<&str, usize> = turns
            .iter()
            .enumerate()
            .map(|(nth, turn)| (text_of(&turn["id"]), nth))
            .collect();
        let questions = document["questions"].as_array().expect("questions").iter();
        let questions = questions.map(|question| {
            let right = question["evidence"].as_array().expect("ids").iter();
            let question = Question {
                text: text_of(&question["text"]).to_owned(),
                right: right.map(|id| ids[text_of(id)]).collect(),
            };
            ("conversations".to_owned(), question)
        });
        Set {
            texts: turns
                .iter()
                .map(|turn| text_of(&turn["text"]).to_owned())
                .collect(),
            questions: questions.collect(),
            off: Vec::new(),
        }
    };
    paths.iter().map(read).collect()
}

fn questions(list: &Value, part: &str) -> Vec<(String, Question)> {
    let list = list.as_array().expect("questions").iter();
    list.map(|question| {
        let right = question["right"].as_array().expect("numbers").iter();
        let question = Question {
            text: text_of(&question["text"]).to_owned(),
            right: right
                .map(|nth| nth.as_u64().expect("a number") as usize)
                .collect(),
        };
        (part.to_owned(), question)
    })
    .collect()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("texts").iter();
    list.map(|text| text_of(text).to_owned()).collect()
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a text")
}
