//! The graph's part of the contract: scans agree with a plain model, and nothing
//! beyond a caller's reach is read or written.

use futures::future::BoxFuture;
use mimo::caller::{Access, Reach};
use mimo::clock::Timestamp;
use mimo::store::graph::{
    Closed, Edge, EntityName, GraphRead, GraphSnapshot, GraphTransaction, GraphWrite, NewEntity,
    Range, ScanLimits, Triple, View, WordId,
};
use mimo::store::names::SpelledKind;
use mimo::store::{Store, StoreError};

use crate::Room;
use crate::support::{Chance, at, new, only, store_one};

async fn read<T: Send + 'static>(
    store: &dyn Store,
    reach: Reach,
    work: impl for<'a> FnOnce(&'a dyn GraphSnapshot) -> BoxFuture<'a, Result<T, StoreError>>
    + Send
    + 'static,
) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    let work: GraphRead = Box::new(move |graph| {
        Box::pin(async move {
            sender.send(work(graph).await?).expect("it is awaited");
            Ok(())
        })
    });
    store.read_graph(reach, work).await.expect("read");
    receiver.recv().expect("a value")
}

async fn write<T: Send + 'static>(
    store: &dyn Store,
    reach: Reach,
    work: impl for<'a> FnOnce(&'a dyn GraphTransaction) -> BoxFuture<'a, Result<T, StoreError>>
    + Send
    + 'static,
) -> Result<T, StoreError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let work: GraphWrite = Box::new(move |graph| {
        Box::pin(async move {
            sender.send(work(graph).await?).expect("it is awaited");
            Ok(())
        })
    });
    store.write_graph(reach, work).await?;
    Ok(receiver.recv().expect("a value"))
}

/// Stores an entity for each name, which is known in that project.
async fn entities(
    graph: &dyn GraphTransaction,
    kind: WordId,
    names: &[(&str, WordId)],
) -> Result<Vec<i64>, StoreError> {
    let new = names.iter().map(|(name, _)| NewEntity {
        kind,
        key: format!("thing:{name}"),
        name: (*name).to_owned(),
    });
    let ids = graph.create(&new.collect::<Vec<_>>()).await?;
    let known = ids
        .iter()
        .zip(names)
        .map(|(id, (name, project))| EntityName {
            entity: *id,
            project: *project,
            key: (*name).to_owned(),
            name: (*name).to_owned(),
        });
    graph.add_names(&known.collect::<Vec<_>>()).await?;
    Ok(ids)
}

fn triple(subject: i64, predicate: WordId, object: i64, project: WordId) -> Triple {
    Triple {
        id: 0,
        subject,
        predicate,
        object,
        project,
        confidence: 1.0,
        source: None,
        since: at(0),
        until: None,
        recorded_at: at(0),
        closed: None,
    }
}

/// What is seen of `triples`, by a sort and a filter: for each statement its edge
/// of the highest confidence, the first of equals.
fn model(triples: &[Triple], range: Range, projects: &[WordId], view: &View) -> Vec<Edge> {
    let is = |part: Option<i64>, value: i64| part.is_none_or(|part| part == value);
    let mut seen: Vec<&Triple> = triples
        .iter()
        .filter(|triple| {
            let ends = is(range.subject, triple.subject) && is(range.object, triple.object);
            let has_begun = triple.since <= view.at;
            let holds = view.include_ended || triple.until.is_none_or(|until| until > view.at);
            ends && is(range.predicate, triple.predicate)
                && projects.contains(&triple.project)
                && has_begun
                && holds
                && triple.confidence >= view.min_confidence
        })
        .collect();
    // The index that serves the range puts the known parts first.
    seen.sort_by_key(|t| match (range.subject, range.predicate, range.object) {
        (None, Some(_), _) => [t.predicate, t.object, t.subject],
        (_, None, Some(_)) => [t.object, t.subject, t.predicate],
        _ => [t.subject, t.predicate, t.object],
    });
    let mut edges: Vec<Edge> = Vec::new();
    for triple in seen {
        let edge = Edge {
            triple: triple.id,
            subject: triple.subject,
            predicate: triple.predicate,
            object: triple.object,
            confidence: triple.confidence,
        };
        let said = |edge: &Edge| (edge.subject, edge.predicate, edge.object);
        match edges.last_mut().filter(|last| said(last) == said(&edge)) {
            Some(last) if edge.confidence > last.confidence => *last = edge,
            Some(_) => {}
            None => edges.push(edge),
        }
    }
    edges
}

/// Of statements in several projects only the confidence counts.
fn said(edges: &[Edge]) -> Vec<(i64, i64, i64, u64)> {
    let each = edges.iter();
    each.map(|e| (e.subject, e.predicate, e.object, e.confidence.to_bits()))
        .collect()
}

pub(crate) async fn scans_agree_with_a_plain_model<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let numbers: Vec<u64> = (0..240 * 8).map(|_| chance.below(1 << 20)).collect();
    let stored = write(&*store, Reach::Everything, move |graph| {
        Box::pin(async move {
            let words = graph.intern(&["mine", "theirs", "p", "q", "thing"]).await?;
            let names = ["a", "b", "c", "d", "e"].map(|name| (name, words[0]));
            let ends = entities(graph, words[4], &names).await?;
            let new = numbers.chunks(8).map(|n| Triple {
                confidence: [1.0, 0.9, 0.5][(n[4] % 3) as usize],
                since: at((n[5] % 20) as i64),
                until: (n[6] % 3 == 0).then(|| at(20 + (n[6] % 20) as i64)),
                closed: (n[7] % 4 == 0).then(|| (Closed::Retracted, at(30))),
                ..triple(
                    ends[(n[0] % 5) as usize],
                    words[2 + (n[1] % 2) as usize],
                    ends[(n[2] % 5) as usize],
                    words[(n[3] % 2) as usize],
                )
            });
            let mut new: Vec<Triple> = new.collect();
            let ids = graph.insert(&new).await?;
            assert!(ids.is_sorted_by(|one, other| one < other), "ids grow");
            for (triple, id) in new.iter_mut().zip(ids) {
                triple.id = id;
            }
            Ok((new, words, ends))
        })
    });
    let (triples, words, ends) = stored.await.expect("stored");
    for _ in 0..200 {
        let part = |chance: &mut Chance, of: &[i64]| {
            let is_known = chance.one_in(2);
            is_known.then(|| *chance.pick(of))
        };
        let ranges: Vec<Range> = (0..1 + chance.below(4))
            .map(|_| Range {
                subject: part(&mut chance, &ends),
                predicate: part(&mut chance, &words[2..4]),
                object: part(&mut chance, &ends),
            })
            .collect();
        let view = View {
            projects: chance.one_in(3).then(|| vec![words[1]]),
            at: Timestamp(at(chance.below(50) as i64).0),
            include_ended: chance.one_in(2),
            min_confidence: *chance.pick(&[0.0, 0.6, 1.0]),
        };
        let (reach, readable) = match chance.one_in(2) {
            true => (only(&["mine"]), vec![words[0]]),
            false => (Reach::Everything, words[..2].to_vec()),
        };
        let wanted = view.projects.clone().unwrap_or_else(|| words.clone());
        let projects: Vec<WordId> = readable
            .into_iter()
            .filter(|id| wanted.contains(id))
            .collect();
        let expected: Vec<Vec<Edge>> = ranges
            .iter()
            .map(|range| model(&triples, *range, &projects, &view))
            .collect();
        let (whole, pages) = read(&*store, reach, move |graph| {
            Box::pin(async move {
                let all = ScanLimits {
                    edges_per_range: usize::MAX,
                    reads: usize::MAX,
                };
                let few = ScanLimits {
                    edges_per_range: 3,
                    reads: 1,
                };
                let whole = graph.scan_many(&ranges, None, all, &view).await?;
                let mut pages = Vec::new();
                let (mut rest, mut after) = (&ranges[..], None);
                while !rest.is_empty() {
                    let page = graph.scan_many(rest, after, few, &view).await?;
                    assert_eq!(page.ranges.len(), 1, "no further range is begun");
                    after = page
                        .edges
                        .last()
                        .copied()
                        .filter(|_| page.ranges[0].has_more);
                    pages.extend(page.edges);
                    rest = if after.is_none() { &rest[1..] } else { rest };
                }
                Ok((whole, pages))
            })
        })
        .await;
        let ends = whole.ranges.iter().map(|range| range.end);
        let lengths = expected.iter().scan(0, |end, edges| {
            *end += edges.len();
            Some(*end)
        });
        assert!(ends.eq(lengths));
        assert_eq!(said(&whole.edges), said(&expected.concat()));
        assert_eq!(pages, whole.edges, "page by page");
    }
}

pub(crate) async fn the_graph_ends_at_reach<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let filled = write(&*store, Reach::Everything, |graph| {
        Box::pin(async move {
            let words = graph.intern(&["mine", "theirs", "p", "thing"]).await?;
            let names = [("open", words[0]), ("secret", words[1])];
            let ids = entities(graph, words[3], &names).await?;
            let theirs = triple(ids[1], words[2], ids[1], words[1]);
            let triples = graph.insert(&[theirs]).await?;
            Ok((words, ids, triples))
        })
    });
    let (words, ids, triples) = filled.await.expect("stored");
    let (all, own) = (Reach::Everything, only(&["mine"]));
    let shared = Reach::of([
        ("mine".to_owned(), Access::Write),
        ("theirs".to_owned(), Access::Read),
    ]);
    for (reach, seen) in [
        (all, 2),
        (own.clone(), 1),
        (shared.clone(), 2),
        (only(&[]), 0),
    ] {
        let (ids, triples, words) = (ids.clone(), triples.clone(), words.clone());
        let found = read(&*store, reach, move |graph| {
            Box::pin(async move {
                let keys = ["thing:open", "thing:secret"];
                let names = ["open", "secret"];
                let has_triple = graph.triples(&triples).await?.len();
                assert_eq!(has_triple, usize::from(seen == 2));
                assert_eq!(graph.triples_after(None, 0, 9).await?.len(), has_triple);
                let census = graph.census().await?;
                assert_eq!(census.triples as usize, has_triple);
                let uses = graph.predicate_uses(&words[2..3]).await?;
                assert_eq!(uses[0] > 0, has_triple > 0);
                Ok([
                    graph.entities(&ids).await?.len(),
                    graph.keys(&ids).await?.len(),
                    graph.names(&ids).await?.len(),
                    graph.entities_by_key(&keys, None).await?.len(),
                    graph.named(&names, None).await?.len(),
                    graph.near(&names[1..], None, 9).await?[0].len(),
                    census.entities as usize,
                ])
            })
        })
        .await;
        assert_eq!(found, [seen; 7]);
    }
    for reach in [own, shared] {
        let new = triple(ids[0], words[2], ids[0], words[1]);
        let name = EntityName {
            entity: ids[0],
            project: words[1],
            key: "another".to_owned(),
            name: "another".to_owned(),
        };
        let changed = Triple {
            id: triples[0],
            confidence: 0.1,
            ..new.clone()
        };
        let inserted = write(&*store, reach.clone(), move |graph| {
            Box::pin(async move { graph.insert(&[new]).await })
        });
        let updated = write(&*store, reach.clone(), move |graph| {
            Box::pin(async move { graph.update(&[changed]).await })
        });
        let named = write(&*store, reach, move |graph| {
            Box::pin(async move { graph.add_names(&[name]).await })
        });
        let refused = |done: Result<(), StoreError>| matches!(done, Err(StoreError::NoAccess(_)));
        assert!(refused(inserted.await.map(drop)));
        assert!(refused(updated.await) && refused(named.await));
    }
}

pub(crate) async fn projects_of_the_graph_are_found_in_any_case<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let filled = write(&*store, Reach::Everything, |graph| {
        Box::pin(async move {
            let words = graph.intern(&["Drawings", "p", "Thing", "site"]).await?;
            let names = [("a", words[0]), ("b", words[3])];
            let ids = entities(graph, words[2], &names).await?;
            let mine = triple(ids[0], words[1], ids[0], words[0]);
            let other = triple(ids[1], words[1], ids[1], words[3]);
            graph.insert(&[mine, other]).await
        })
    });
    filled.await.expect("stored");
    store_one(&*store, new("SITE", "a plan"), at(0))
        .await
        .expect("stored");
    let wanted = ["drawings", "DRAWINGS", "thing", "site"];
    let spelled = async |reach: Reach| {
        let wanted = wanted.map(str::to_owned).to_vec();
        let found = store.spellings(&reach, SpelledKind::Project, wanted).await;
        found.expect("read")
    };
    assert_eq!(
        spelled(Reach::Everything).await,
        [&["Drawings"][..], &["Drawings"], &[], &["SITE", "site"]]
    );
    let own = spelled(only(&["Drawings"])).await;
    assert_eq!(own, [&["Drawings"][..], &["Drawings"], &[], &[]]);
}

pub(crate) async fn failed_work_leaves_the_graph_as_it_was<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let failed: Result<(), StoreError> = write(&*store, Reach::Everything, |graph| {
        Box::pin(async move {
            let words = graph.intern(&["mine", "p", "thing"]).await?;
            let ids = entities(graph, words[2], &[("a", words[0])]).await?;
            graph
                .insert(&[triple(ids[0], words[1], ids[0], words[0])])
                .await?;
            Err(StoreError::Abandoned)
        })
    })
    .await;
    assert!(matches!(failed, Err(StoreError::Abandoned)), "{failed:?}");
    let (census, word) = read(&*store, Reach::Everything, |graph| {
        Box::pin(async move {
            let word = graph.word_ids(&["mine"]).await?;
            Ok((graph.census().await?, word))
        })
    })
    .await;
    assert_eq!((census, word), (Default::default(), vec![None]));
}
