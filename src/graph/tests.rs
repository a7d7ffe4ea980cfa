//! Questions that would read too much are answered in parts: each reads about as
//! much as its budget, and together they are the whole answer.

use std::sync::Arc;

use super::error::GraphError;
use super::join::{Join, Row};
use super::mention::Mention;
use super::pattern::{self, Query};
use super::query::{self, Scope};
use super::reach::{Direction, HopFilter, traverse};
use super::reading::Reader;
use super::update::{Assertion, Update};
use super::{Graph, Settings, plan};
use crate::caller::Reach;
use crate::clock::{FixedClock, Timestamp};
use crate::store::graph::{GraphSnapshot, View};
use crate::store::sqlite::SqliteStore;

const NOW: Timestamp = Timestamp(1_795_348_800_000_000);

/// Everybody knows a few others, and all are in one of three rooms.
fn crowd() -> (Graph, tempfile::TempDir) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = SqliteStore::start(folder.path().join("mimo.db")).expect("threads start");
    let clock = Arc::new(FixedClock::at(NOW));
    let graph = Graph::new(Arc::new(store), clock, Settings::default());
    let assertion = |subject: String, predicate: &str, object: String| {
        let [subject, object] =
            [subject, object].map(|name| Mention::parse(&name).expect("a name"));
        Assertion::new(subject, predicate.to_owned(), object)
    };
    let person = |n: usize| format!("person:p{}", n % 40);
    let each = (0..40).flat_map(|n| {
        let known = [1, 3, 7].map(|step| assertion(person(n), "knows", person(n * step + step)));
        let room = assertion(person(n), "in", format!("room:r{}", n % 3));
        known.into_iter().chain([room])
    });
    let update = Update {
        assertions: each.collect(),
        project: "global".to_owned(),
        ..Update::default()
    };
    wait(graph.update(&Reach::Everything, update)).expect("stored");
    (graph, folder)
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(work)
}

async fn view(graph: &dyn GraphSnapshot) -> Result<View, GraphError> {
    let scope = Scope {
        reach: Reach::Everything,
        projects: Vec::new(),
        at: NOW,
        min_confidence: 0.0,
        limit: 1_000,
    };
    Ok(scope.view(graph).await?)
}

async fn query(graph: &dyn GraphSnapshot) -> Result<Query, GraphError> {
    let patterns = [
        ["?a", "knows", "?b"],
        ["?b", "knows", "?c"],
        ["?a", "in", "?r"],
        ["?c", "in", "?r"],
    ];
    let patterns = patterns.map(|pattern| pattern.map(str::to_owned));
    pattern::parse(graph, &patterns, None).await
}

/// The rows, and in how many parts a reader with this budget finds them.
fn rows(graph: &Graph, budget: usize) -> (Vec<Row>, usize) {
    let answer = graph.read(&Reach::Everything, move |graph| {
        Box::pin(async move {
            let query = query(graph).await?;
            let view = view(graph).await?;
            let order = plan::order(&mut Reader::new(graph, view.clone()), &query).await?;
            let (mut rows, mut parts, mut after) = (Vec::new(), 0, Vec::new());
            loop {
                let mut reader = Reader::with_budget(graph, view.clone(), budget);
                let join = Join::new(&mut reader, &query, &order, 0.0, 1_000);
                let joined = join.run(&after).await?.expect("a cursor of this question");
                rows.extend(joined.rows);
                parts += 1;
                let Some(next) = joined.next else {
                    return Ok((rows, parts));
                };
                after = query::edges(graph, &next).await?.expect("its triples");
            }
        })
    });
    wait(answer).expect("an answer")
}

#[test]
fn a_join_continues_where_its_budget_ended() {
    let (graph, _folder) = crowd();
    let (whole, parts) = rows(&graph, 1_000_000);
    assert_eq!(parts, 1);
    assert!(whole.len() > 50, "{}", whole.len());
    for budget in [1, 10, 100] {
        let (found, parts) = rows(&graph, budget);
        assert_eq!(found, whole, "{budget} at a time");
        assert!(parts > 1, "{budget} at a time");
    }
}

#[test]
fn a_traversal_returns_what_it_found_within_its_budget() {
    let (graph, _folder) = crowd();
    let reached = |budget: usize| {
        let answer = graph.read(&Reach::Everything, move |graph| {
            Box::pin(async move {
                let start = graph.entities_by_key(&["person:p0"], None).await?;
                let mut reader = Reader::with_budget(graph, view(graph).await?, budget);
                let hops = HopFilter {
                    direction: Direction::Both,
                    depth: 8,
                    ..HopFilter::default()
                };
                let (paths, _) = traverse(&mut reader, &[start[0].id], &hops, None, 1_000).await?;
                Ok((paths.len(), reader.is_exhausted()))
            })
        });
        wait(answer).expect("an answer")
    };
    assert_eq!(reached(1_000_000), (42, false));
    let (some, is_exhausted) = reached(20);
    assert!(is_exhausted && some > 0 && some < 42, "{some}");
}
