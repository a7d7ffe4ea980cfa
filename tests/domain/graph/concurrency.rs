//! Three processes on one file assert and retract the same triples at once: no
//! duplicates, no losses, and each retraction belongs to one process.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::Server;
use crate::support::server::{ask, mimo};

const ROUNDS: usize = 60;
/// Triples that all processes assert and retract.
const SHARED: usize = 7;

/// The results that one process got.
#[derive(Default)]
struct Told {
    created: Vec<i64>,
    retracted: Vec<i64>,
    own: Vec<i64>,
}

/// Each round asserts an own triple and some shared ones, and retracts one of
/// the last results.
fn work(folder: &Path, process: usize) -> Told {
    let mut server = Server::of(&mut mimo(folder));
    let mut told = Told::default();
    let mut shared: Vec<Value> = Vec::new();
    for round in 0..ROUNDS {
        let triple = |object: String| json!({"subject": "Shared Entity", "predicate": "has", "object": object});
        let common = |nth: usize| triple(format!("part {}", (round * process + nth) % SHARED));
        let own = json!({"subject": format!("person:own_{process}"), "predicate": "did", "object": format!("round {process} {round}")});
        let retract: Vec<Value> = shared.drain(..).take(1 + process % 2).collect();
        let update = json!({"assert": [common(0), own, common(3)], "retract": retract});
        let answer = ask(&mut server, "graph_update", update).good();
        let ids = |list: &Value| -> Vec<i64> {
            let list = list.as_array().cloned().unwrap_or_default();
            list.iter().filter_map(Value::as_i64).collect()
        };
        told.retracted.extend(ids(&answer["retracted"]));
        let triples = answer["triples"].as_array().expect("triples");
        for (nth, triple) in triples.iter().enumerate() {
            let id = triple["id"].as_i64().expect("an id");
            match nth {
                1 => told.own.push(id),
                _ => shared.push(json!(id)),
            }
            if triple["outcome"] == "created" {
                told.created.push(id);
            }
        }
    }
    assert!(server.exit().success());
    told
}

#[test]
fn three_processes_neither_duplicate_nor_lose_a_triple() {
    let folder = tempfile::tempdir().expect("a folder");
    let told: Vec<Told> = std::thread::scope(|scope| {
        let processes: Vec<_> = (0..3)
            .map(|process| {
                scope.spawn({
                    let folder = folder.path();
                    move || work(folder, process)
                })
            })
            .collect();
        processes
            .into_iter()
            .map(|p| p.join().expect("it works"))
            .collect()
    });
    let all =
        |of: fn(&Told) -> &Vec<i64>| -> Vec<i64> { told.iter().flat_map(of).copied().collect() };
    let (created, retracted, own) = (all(|t| &t.created), all(|t| &t.retracted), all(|t| &t.own));
    let once = |ids: &[i64]| ids.iter().collect::<BTreeSet<_>>().len() == ids.len();
    assert!(once(&created), "one triple was created by two");
    assert!(once(&retracted), "one triple was retracted by two");
    assert!(!retracted.is_empty());
    assert_eq!(own.len(), 3 * ROUNDS);

    let file = Connection::open(folder.path().join("data/mimo.db")).expect("the database");
    let ids = |sql: &str| -> BTreeSet<i64> {
        let mut statement = file.prepare(sql).expect("SQL");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("ids")
    };
    let stored = ids("SELECT id FROM triple");
    assert_eq!(stored, created.iter().copied().collect());
    let closed = ids("SELECT id FROM triple WHERE closed = 'retracted'");
    assert_eq!(closed, retracted.iter().copied().collect());
    assert!(
        own.iter()
            .all(|id| stored.contains(id) && !closed.contains(id))
    );
    let doubles = ids("SELECT count(*) FROM triple WHERE closed IS NULL \
                       GROUP BY subject, predicate, object, project HAVING count(*) > 1");
    assert!(doubles.is_empty());
    let check: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("a check");
    assert_eq!(check, "ok");
    // An entity named by all three was created once.
    let made = ids("SELECT count(*) FROM entity WHERE key LIKE '%shared_entity'");
    assert_eq!(made, BTreeSet::from([1]));
}
