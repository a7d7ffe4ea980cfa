//! A reference model of the graph as plain lists: slow, short and easy to check.

use std::collections::{BTreeMap, BTreeSet};

use mimo::graph::reach::Direction;

/// One statement with its validity; entities and predicates by number.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub spo: [usize; 3],
    pub project: usize,
    pub confidence: f64,
    pub since: i64,
    pub until: Option<i64>,
    pub closed: bool,
}

#[derive(Clone, Debug)]
pub struct Claim {
    pub spo: [usize; 3],
    pub project: usize,
    pub confidence: f64,
    /// Seconds from now.
    pub from: Option<i64>,
    pub until: Option<i64>,
}

#[derive(Default)]
pub struct Model {
    pub said: Vec<Said>,
    /// Predicates with one object at a time.
    pub functional: usize,
}

/// Edges by what they say, with their confidence.
pub type Edges = BTreeMap<[usize; 3], f64>;

/// One place of a pattern: an entity (or predicate), or a variable with the
/// type it must have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    Known(usize),
    Variable(usize, Option<usize>),
}

fn meet(a: (i64, Option<i64>), b: (i64, Option<i64>)) -> bool {
    a.1.is_none_or(|end| b.0 < end) && b.1.is_none_or(|end| a.0 < end)
}

impl Model {
    pub fn assert(&mut self, claim: &Claim, now: i64) {
        let since = claim.from.map_or(now, |from| now + from);
        let until = claim.until.map(|until| now + until);
        let time = (since, until);
        let same = self.said.iter_mut().find(|said| {
            let touch = said.until == Some(since) || until == Some(said.since);
            !said.closed
                && said.spo == claim.spo
                && said.project == claim.project
                && (touch || meet((said.since, said.until), time))
        });
        let time = match same {
            Some(said) => {
                said.confidence = said.confidence.max(claim.confidence);
                said.since = said.since.min(since);
                said.until = said.until.zip(until).map(|(a, b)| a.max(b));
                (said.since, said.until)
            }
            None => {
                self.said.push(Said {
                    spo: claim.spo,
                    project: claim.project,
                    confidence: claim.confidence,
                    since,
                    until,
                    closed: false,
                });
                time
            }
        };
        if claim.spo[1] != self.functional {
            return;
        }
        for other in &mut self.said {
            if !other.closed
                && other.spo[..2] == claim.spo[..2]
                && other.spo[2] != claim.spo[2]
                && other.project == claim.project
                && meet((other.since, other.until), time)
            {
                let end = if time.0 > other.since {
                    time.0
                } else {
                    now.max(other.since)
                };
                other.until = Some(other.until.map_or(end, |until| until.min(end)));
                other.closed = true;
            }
        }
    }

    pub fn retract(&mut self, nth: usize, now: i64) {
        if let Some(said) = self.said.get_mut(nth).filter(|said| !said.closed) {
            said.until = Some(said.until.map_or(now, |until| until.min(now)));
            said.closed = true;
        }
    }

    /// Triples valid at `at` in some projects, with the highest confidence of
    /// equal ones.
    pub fn edges(&self, projects: &[usize], at: i64) -> Edges {
        let mut edges = Edges::new();
        for said in &self.said {
            let holds = said.since <= at && said.until.is_none_or(|until| at < until);
            if holds && projects.contains(&said.project) {
                let confidence = edges.entry(said.spo).or_insert(0.0);
                *confidence = said.confidence.max(*confidence);
            }
        }
        edges
    }
}

/// Hops and confidence of the path to every entity except the start.
pub fn reach(
    edges: &Edges,
    start: usize,
    direction: Direction,
    predicates: &[usize],
    depth: usize,
    least: f64,
) -> BTreeMap<usize, (usize, f64)> {
    let mut steps = Vec::new();
    for (&[s, p, o], confidence) in edges {
        if !predicates.is_empty() && !predicates.contains(&p) {
            continue;
        }
        if direction != Direction::In {
            steps.push((s, o, *confidence));
        }
        if direction != Direction::Out {
            steps.push((o, s, *confidence));
        }
    }
    let mut found = BTreeMap::new();
    // The walk of exactly this many hops with the highest confidence, to each
    // entity.
    let mut walks = BTreeMap::from([(start, 1.0)]);
    for hops in 1..=depth {
        let mut next: BTreeMap<usize, f64> = BTreeMap::new();
        for &(from, to, confidence) in &steps {
            if let Some(walk) = walks.get(&from) {
                let best = next.entry(to).or_insert(0.0);
                *best = best.max(walk * confidence);
            }
        }
        for (&entity, &confidence) in &next {
            if entity != start && confidence + 1e-9 >= least {
                found.entry(entity).or_insert((hops, confidence));
            }
        }
        walks = next;
    }
    found
}

/// Every assignment of variables (by number) that all patterns allow, with its
/// confidence; `type_of` tells an entity's type.
pub fn matches(
    edges: &Edges,
    patterns: &[[Term; 3]],
    least: f64,
    type_of: impl Fn(usize) -> usize,
) -> BTreeSet<(Vec<(usize, usize)>, u64)> {
    let mut rows = vec![(BTreeMap::<usize, usize>::new(), 1.0)];
    for pattern in patterns {
        let mut next = Vec::new();
        for (row, confidence) in &rows {
            'edges: for (spo, sure) in edges {
                let mut row = row.clone();
                for (place, (term, value)) in pattern.iter().zip(spo).enumerate() {
                    let fits = match term {
                        Term::Known(known) => known == value,
                        Term::Variable(number, kind) => {
                            let typed =
                                place == 1 || kind.is_none_or(|kind| type_of(*value) == kind);
                            typed && row.entry(*number).or_insert(*value) == value
                        }
                    };
                    if !fits {
                        continue 'edges;
                    }
                }
                next.push((row, confidence * sure));
            }
        }
        rows = next;
    }
    rows.into_iter()
        .filter(|(_, confidence)| confidence + 1e-9 >= least)
        .map(|(row, confidence)| (row.into_iter().collect(), rounded(confidence)))
        .collect()
}

/// A confidence rounded for comparison.
pub fn rounded(confidence: f64) -> u64 {
    (confidence * 1e6).round() as u64
}
