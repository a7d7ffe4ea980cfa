//! What would take too long is answered in parts: each reads about as much as
//! it may, and together they are the whole answer.

use mimo::graph::join::{Join, Row};
use mimo::graph::pattern::{self, Query};
use mimo::graph::reach::{Direction, Hops, traverse};
use mimo::graph::reading::Reader;
use mimo::graph::{plan, view};
use mimo::store::StoreError;
use mimo::store::graph::GraphSnapshot;

use super::bench::Bench;

/// Everybody knows a few others, and all are in one of three rooms.
fn crowd() -> Bench {
    let bench = Bench::new(&[]);
    let name = |n: usize| format!("person:p{}", n % 40);
    let mut triples = Vec::new();
    for n in 0..40 {
        for step in [1, 3, 7] {
            triples.push((name(n), "knows", name(n * step + step)));
        }
        triples.push((name(n), "in", format!("room:r{}", n % 3)));
    }
    let triples: Vec<(&str, &str, &str)> = triples
        .iter()
        .map(|(s, p, o)| (s.as_str(), *p, o.as_str()))
        .collect();
    bench.assert(&triples);
    bench
}

fn query(graph: &dyn GraphSnapshot) -> Result<Query, StoreError> {
    let patterns = [
        ["?a", "knows", "?b"],
        ["?b", "knows", "?c"],
        ["?a", "in", "?r"],
        ["?c", "in", "?r"],
    ];
    let patterns = patterns.map(|pattern| pattern.map(str::to_owned));
    pattern::parse(graph, &patterns, None, "")
}

/// The rows in as many parts as a reader of `triples` makes of them.
fn rows(bench: &Bench, triples: usize) -> (Vec<Row>, usize) {
    let at = bench.scope(&[]).at;
    let answer = bench.graph.read(move |graph| {
        let query = query(graph)?;
        let view = view(graph, &[], at, 0.0)?;
        let order = plan::order(&mut Reader::new(graph, view.clone()), &query)?;
        let (mut rows, mut parts, mut after) = (Vec::new(), 0, Vec::new());
        loop {
            let mut reader = Reader::bounded(graph, view.clone(), triples);
            let join = Join::new(&mut reader, &query, &order, 0.0, 1_000);
            let joined = join.run(&after)?.expect("a cursor of this question");
            rows.extend(joined.rows);
            parts += 1;
            let Some(next) = joined.next else {
                return Ok((rows, parts));
            };
            after.clear();
            for id in next {
                after.push(graph.triple(id)?.expect("a triple").edge());
            }
        }
    });
    bench.wait(answer).expect("an answer")
}

#[test]
fn a_join_that_reads_too_much_goes_on_where_it_stopped() {
    let bench = crowd();
    let (whole, parts) = rows(&bench, 1_000_000);
    assert_eq!(parts, 1);
    assert!(whole.len() > 50, "{}", whole.len());
    for triples in [1, 10, 100] {
        let (found, parts) = rows(&bench, triples);
        assert_eq!(found, whole, "{triples} at a time");
        assert!(parts > 1, "{triples} at a time");
    }
}

#[test]
fn a_traversal_that_reads_too_much_tells_what_it_has() {
    let bench = crowd();
    let at = bench.scope(&[]).at;
    let reached = |triples: usize| {
        let answer = bench.graph.read(move |graph| {
            let start = graph.entity_by_key("person:p0")?.expect("known").id;
            let view = view(graph, &[], at, 0.0)?;
            let mut reader = Reader::bounded(graph, view, triples);
            let hops = Hops {
                direction: Direction::Both,
                depth: 8,
                ..Hops::default()
            };
            let reached = traverse(&mut reader, &[start], &hops, None, 1_000)?;
            Ok((reached.paths.len(), reader.is_spent()))
        });
        bench.wait(answer).expect("an answer")
    };
    let (all, spent) = reached(1_000_000);
    assert_eq!((all, spent), (42, false));
    let (some, spent) = reached(20);
    assert!(spent && some > 0 && some < all, "{some}");
}
