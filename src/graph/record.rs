//! The rules of asserting and retracting: which triples are the same, what an
//! assertion adds to a triple, what it contradicts. An update is read, decided
//! in memory and then written, each in a few batches of one transaction.

use std::collections::{HashMap, HashSet};

use super::directory::{Directory, NameScope, Number};
use super::error::{AssertionPart, GraphError, Part, Problem};
use super::mention::Mention;
use super::rename;
use super::update::{ALIAS, Assertion, Outcome, Update, UpdateSummary};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::graph::{
    Closed, EntityId, GraphTransaction, Statement, Triple, TripleId, WordId,
};

/// Carries out `update` at the moment `at`; predicates in `functional` have one
/// object at a time.
pub(super) async fn record(
    graph: &dyn GraphTransaction,
    reach: &Reach,
    update: &Update,
    functional: &[String],
    at: Timestamp,
) -> Result<UpdateSummary, GraphError> {
    let mut first = vec![update.project.as_str()];
    first.extend(update.source.as_deref());
    let first = graph.intern(&first).await?;
    let (project, source) = (first[0], first.get(1).copied());
    let retracted = retract(graph, &update.retract, at).await?;
    let names = NameScope::of(graph, reach, project, update).await?;
    let renamed = rename::rename(graph, &names, &update.renames, at).await?;
    let mut directory = directory(graph, names, update).await?;
    let mut words = Vec::new();
    declare(&mut directory, update, &mut words)?;
    let mut ends = Vec::with_capacity(update.assertions.len());
    for (nth, assertion) in update.assertions.iter().enumerate() {
        ends.push(ends_of(&mut directory, assertion, nth, at, &mut words)?);
    }
    if update.report_similar {
        directory.find_similar(graph).await?;
    }
    let names: Vec<&str> = words.iter().map(String::as_str).collect();
    let ids = graph.intern(&names).await?;
    let words: HashMap<String, WordId> = words.into_iter().zip(ids).collect();
    directory.store(graph, &words).await?;

    let new: Vec<Option<Triple>> = update
        .assertions
        .iter()
        .zip(&ends)
        .map(|(said, ends)| {
            let (subject, object) = (*ends)?;
            let ends = (directory.id(subject), directory.id(object));
            let own_source = said.source.as_ref().map(|source| words[source]);
            let triple = new_triple(said, ends, words[&said.predicate], project, at);
            Some(Triple {
                source: own_source.or(source),
                ..triple
            })
        })
        .collect();
    let functional: HashSet<WordId> = functional
        .iter()
        .filter_map(|predicate| words.get(predicate).copied())
        .collect();
    let statements = statements(&directory, &ends, &new, &functional);
    let mut ledger = Ledger::default();
    for stored in graph.stating(&statements, project).await? {
        ledger.add(stored);
    }
    let mut triples = Vec::with_capacity(new.len());
    let mut contradictions = Vec::new();
    for triple in new {
        let Some(triple) = triple else {
            triples.push((None, Outcome::Aliased));
            continue;
        };
        let replaces = functional.contains(&triple.predicate) && triple.closed.is_none();
        let (draft, outcome) = ledger.enter(triple, at);
        triples.push((Some(draft), outcome));
        if replaces {
            let others = ledger.supersede_others(draft, at);
            contradictions.extend(others.into_iter().map(|other| (draft, other)));
        }
    }
    let ids = ledger.store(graph).await?;
    let id = |draft: usize| ids[draft];
    let triples = triples.into_iter();
    let contradictions = contradictions.into_iter();
    Ok(UpdateSummary {
        renamed,
        triples: triples
            .map(|(draft, outcome)| (draft.map(id), outcome))
            .collect(),
        retracted,
        entities: directory.into_mentioned(),
        contradictions: contradictions
            .map(|(draft, other)| (id(draft), id(other)))
            .collect(),
    })
}

/// Adds the declared entities and their names to the directory.
fn declare(
    directory: &mut Directory,
    update: &Update,
    words: &mut Vec<String>,
) -> Result<(), GraphError> {
    for declared in &update.entities {
        let entity = directory.entity(&declared.mention, Part::Entity, words)?;
        if declared.mention.is_exact {
            // In an export several entities may have one name.
            directory.add_name(entity, &declared.mention);
            for alias in &declared.aliases {
                let name = Mention::exact(&directory.key(entity), Some(alias));
                let name = name.map_err(|problem| problem.of(Part::Entity))?;
                directory.add_name(entity, &name);
            }
            continue;
        }
        for alias in &declared.aliases {
            let name = Mention::parse(alias).map_err(|problem| problem.of(Part::Entity))?;
            directory.alias(entity, &name, Part::Entity)?;
        }
    }
    Ok(())
}

/// Closes triples; those that are closed already stay as they are.
async fn retract(
    graph: &dyn GraphTransaction,
    ids: &[TripleId],
    at: Timestamp,
) -> Result<Vec<TripleId>, GraphError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = graph.triples(ids).await?;
    let mut found: HashMap<TripleId, Triple> = found.into_iter().map(|t| (t.id, t)).collect();
    let mut closed = Vec::new();
    for id in ids {
        let Some(triple) = found.get_mut(id) else {
            return Err(Problem::NoSuchTriple(*id).of(Part::Retraction));
        };
        if triple.closed.is_none() {
            triple.close(at, Closed::Retracted, at);
            closed.push(triple.clone());
        }
    }
    graph.update(&closed).await?;
    Ok(closed.iter().map(|triple| triple.id).collect())
}

/// The directory of everything that an update mentions.
async fn directory(
    graph: &dyn GraphTransaction,
    names: NameScope,
    update: &Update,
) -> Result<Directory, GraphError> {
    let entities = update.entities.iter();
    let aliases = entities.flat_map(|declared| &declared.aliases);
    let aliases: Result<Vec<Mention>, Problem> = aliases.map(|a| Mention::parse(a)).collect();
    let aliases = aliases.map_err(|problem| problem.of(Part::Entity))?;
    let assertions = update.assertions.iter();
    let ends = assertions.flat_map(|said| [&said.subject, &said.object]);
    let declared = update.entities.iter().map(|declared| &declared.mention);
    let mentions: Vec<&Mention> = declared.chain(&aliases).chain(ends).collect();
    Ok(Directory::load(graph, names.visible, names.writable, &mentions).await?)
}

/// The subject and object of an assertion; `None` where it gives an alias.
fn ends_of(
    directory: &mut Directory,
    assertion: &Assertion,
    nth: usize,
    at: Timestamp,
    words: &mut Vec<String>,
) -> Result<Option<(Number, Number)>, GraphError> {
    let part = |part| Part::Assertion(nth, part);
    let subject = directory.entity(&assertion.subject, part(AssertionPart::Subject), words)?;
    if assertion.predicate == ALIAS {
        directory.alias(subject, &assertion.object, part(AssertionPart::Object))?;
        return Ok(None);
    }
    let object = directory.entity(&assertion.object, part(AssertionPart::Object), words)?;
    words.push(assertion.predicate.clone());
    words.extend(assertion.source.clone());
    let since = assertion.valid_from.unwrap_or(at);
    // A triple that was retracted at once held for no time at all.
    let is_closed = assertion.history.is_some_and(|h| h.closed.is_some());
    if !is_closed && assertion.valid_until.is_some_and(|until| until <= since) {
        return Err(Problem::EndsBeforeItBegins.of(part(AssertionPart::ValidUntil)));
    }
    Ok(Some((subject, object)))
}

/// The stored triples to read. New entities have none.
fn statements(
    directory: &Directory,
    ends: &[Option<(Number, Number)>],
    new: &[Option<Triple>],
    functional: &HashSet<WordId>,
) -> Vec<Statement> {
    let each = ends.iter().zip(new).filter_map(|(ends, triple)| {
        let ((subject, object), triple) = ((*ends)?, triple.as_ref()?);
        let is_functional = functional.contains(&triple.predicate);
        let is_unsaid = directory.is_new(subject) || (directory.is_new(object) && !is_functional);
        (!is_unsaid).then_some(Statement {
            subject: triple.subject,
            predicate: triple.predicate,
            object: (!is_functional).then_some(triple.object),
        })
    });
    let mut seen = HashSet::new();
    each.filter(|statement| seen.insert(*statement)).collect()
}

/// The triple of an assertion, without its source.
fn new_triple(
    said: &Assertion,
    (subject, object): (EntityId, EntityId),
    predicate: WordId,
    project: WordId,
    at: Timestamp,
) -> Triple {
    Triple {
        id: 0,
        subject,
        predicate,
        object,
        project,
        confidence: said.confidence,
        source: None,
        since: said.valid_from.unwrap_or(at),
        until: said.valid_until,
        recorded_at: said.history.map_or(at, |history| history.recorded_at),
        closed: said.history.and_then(|history| history.closed),
    }
}

/// A triple as it will be stored.
struct DraftTriple {
    triple: Triple,
    is_changed: bool,
}

/// The triples of a project that an update may touch.
#[derive(Default)]
struct Ledger {
    drafts: Vec<DraftTriple>,
    by_statement: HashMap<(EntityId, WordId, EntityId), Vec<usize>>,
    by_subject: HashMap<(EntityId, WordId), Vec<usize>>,
}

impl Ledger {
    fn add(&mut self, triple: Triple) -> usize {
        let draft = self.drafts.len();
        let (subject, predicate, object) = (triple.subject, triple.predicate, triple.object);
        let statement = self.by_statement.entry((subject, predicate, object));
        statement.or_default().push(draft);
        let subject = self.by_subject.entry((subject, predicate));
        subject.or_default().push(draft);
        self.drafts.push(DraftTriple {
            triple,
            is_changed: false,
        });
        draft
    }

    /// Merges `new` with the triple that says the same for an adjoining time, or
    /// adds it. Said again, a triple takes the higher confidence and holds for
    /// both times together.
    fn enter(&mut self, new: Triple, at: Timestamp) -> (usize, Outcome) {
        let is_same = |old: &Triple| match new.closed {
            None => old.closed.is_none() && are_contiguous(old, &new),
            // History is never merged: it is there already, or it is not.
            closed => old.closed == closed && (old.since, old.until) == (new.since, new.until),
        };
        let statement = (new.subject, new.predicate, new.object);
        let known = self.by_statement.get(&statement);
        let mut known = known.into_iter().flatten().copied();
        let Some(draft) = known.find(|draft| is_same(&self.drafts[*draft].triple)) else {
            return (self.add(new), Outcome::Created);
        };
        let old = &mut self.drafts[draft];
        let merged = extended(&old.triple, &new);
        if merged == old.triple {
            return (draft, Outcome::Unchanged);
        }
        old.triple = merged;
        old.is_changed = true;
        self.absorb(draft, at);
        (draft, Outcome::Updated)
    }

    /// Closes the triples whose time a longer one with the same statement takes in,
    /// and makes it hold as long as they did: an import joins what adjoins.
    fn absorb(&mut self, draft: usize, at: Timestamp) {
        let Triple {
            subject,
            predicate,
            object,
            ..
        } = self.drafts[draft].triple;
        let known = self.by_statement.get(&(subject, predicate, object));
        let others: Vec<usize> = known.into_iter().flatten().copied().collect();
        while let Some(other) = others.iter().copied().find(|other| {
            let (one, other) = (
                &self.drafts[draft].triple,
                (*other, &self.drafts[*other].triple),
            );
            other.0 != draft && other.1.closed.is_none() && are_contiguous(one, other.1)
        }) {
            let joined = extended(&self.drafts[draft].triple, &self.drafts[other].triple);
            self.drafts[draft].triple = joined;
            let other = &mut self.drafts[other];
            let end = at.max(other.triple.since);
            other.triple.close(end, Closed::Superseded, at);
            other.is_changed = true;
        }
    }

    /// Closes the triples that a new one contradicts: from when it holds, or from
    /// now where that is before the old one began.
    fn supersede_others(&mut self, draft: usize, at: Timestamp) -> Vec<usize> {
        let new = self.drafts[draft].triple.clone();
        let others = self.by_subject.get(&(new.subject, new.predicate));
        let mut closed = Vec::new();
        for other in others.into_iter().flatten() {
            let DraftTriple { triple, is_changed } = &mut self.drafts[*other];
            if triple.closed.is_some() || triple.object == new.object || !overlap(triple, &new) {
                continue;
            }
            let end = match new.since > triple.since {
                true => new.since,
                false => at.max(triple.since),
            };
            triple.close(end, Closed::Superseded, at);
            *is_changed = true;
            closed.push(*other);
        }
        closed
    }

    /// Stores what is new or changed; the id of each draft.
    async fn store(self, graph: &dyn GraphTransaction) -> Result<Vec<TripleId>, StoreError> {
        let is_new = |draft: &&DraftTriple| draft.triple.id == 0;
        let new = self.drafts.iter().filter(is_new);
        let new: Vec<Triple> = new.map(|draft| draft.triple.clone()).collect();
        let changed = self
            .drafts
            .iter()
            .filter(|draft| !is_new(draft) && draft.is_changed);
        let changed: Vec<Triple> = changed.map(|draft| draft.triple.clone()).collect();
        let mut new_ids = graph.insert(&new).await?.into_iter();
        graph.update(&changed).await?;
        let ids = self.drafts.iter().map(|draft| match is_new(&draft) {
            true => new_ids.next().unwrap_or_default(),
            false => draft.triple.id,
        });
        Ok(ids.collect())
    }
}

/// `old` with the higher confidence of both, for both times together.
fn extended(old: &Triple, new: &Triple) -> Triple {
    Triple {
        confidence: old.confidence.max(new.confidence),
        since: old.since.min(new.since),
        until: old.until.zip(new.until).map(|(old, new)| old.max(new)),
        ..old.clone()
    }
}

/// Whether there is a moment at which both hold.
fn overlap(one: &Triple, other: &Triple) -> bool {
    let begins_in = |begin: &Triple, end: &Triple| end.until.is_none_or(|end| begin.since < end);
    begins_in(one, other) && begins_in(other, one)
}

/// Whether their times together are one time.
fn are_contiguous(one: &Triple, other: &Triple) -> bool {
    overlap(one, other) || one.until == Some(other.since) || other.until == Some(one.since)
}
