//! The rules of asserting and retracting: what is the same triple, what an
//! assertion adds to it, what it contradicts. Runs in one transaction.

use std::collections::{HashMap, HashSet};

use super::mention::{Mention, UNTYPED};
use super::resolve;
use super::update::{
    ALIAS, Assertion, Contradiction, History, Introduced, Outcome, Recorded, Spoken, Update,
};
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{
    Closed, Entity, EntityId, GraphTransaction, Triple, TripleId, WordId, type_of,
};

/// Carries out `update` at the moment `at`; predicates in `functional` have one
/// object at a time.
pub fn record(
    graph: &dyn GraphTransaction,
    update: &Update,
    functional: &[String],
    at: Timestamp,
) -> Result<Recorded, StoreError> {
    let project = graph.intern(&update.project)?;
    let mut visible = vec![project];
    for name in &update.visible {
        visible.extend(graph.word_id(name)?.filter(|id| *id != project));
    }
    let source = match &update.source {
        Some(source) => Some(graph.intern(source)?),
        None => None,
    };
    let mut recorder = Recorder {
        graph,
        project,
        visible,
        source,
        at,
        report_similar: update.report_similar,
        known: HashMap::new(),
        named: HashSet::new(),
        uses: HashMap::new(),
        recorded: Recorded::default(),
    };
    for id in &update.retract {
        recorder.retract(*id)?;
    }
    for introduced in &update.entities {
        recorder.introduce(introduced)?;
    }
    for assertion in &update.assertions {
        let functional = functional.contains(&assertion.predicate);
        recorder.assert(assertion, functional)?;
    }
    for (predicate, triples) in &recorder.uses {
        graph.count_uses(*predicate, *triples)?;
    }
    Ok(recorder.recorded)
}

struct Recorder<'a> {
    graph: &'a dyn GraphTransaction,
    project: WordId,
    /// The project itself first.
    visible: Vec<WordId>,
    source: Option<WordId>,
    at: Timestamp,
    report_similar: bool,
    /// Entities of this update by how they were written.
    known: HashMap<(Option<String>, String), Entity>,
    /// Entities that are certainly known in this project.
    named: HashSet<(EntityId, String)>,
    /// Triples entered, by predicate.
    uses: HashMap<WordId, u64>,
    recorded: Recorded,
}

impl Recorder<'_> {
    fn retract(&mut self, id: TripleId) -> Result<(), StoreError> {
        let Some(mut triple) = self.graph.triple(id)? else {
            return Err(
                Failure::new(Kind::NotFound, format!("there is no triple {id}"))
                    .at("/retract")
                    .hint("nothing was changed; graph_query names the triples it rests on")
                    .into(),
            );
        };
        // Said twice, it is no more untrue.
        if triple.closed.is_some() {
            return Ok(());
        }
        self.close(&mut triple, self.at, Closed::Retracted)?;
        self.recorded.retracted.push(id);
        Ok(())
    }

    fn assert(&mut self, assertion: &Assertion, functional: bool) -> Result<(), StoreError> {
        let subject = self.entity(&assertion.subject, &assertion.path, "subject")?;
        if assertion.predicate == ALIAS {
            let place = format!("{}/object", assertion.path);
            self.alias(&subject, &assertion.object, &place)?;
            self.recorded.triples.push((None, Outcome::Aliased));
            return Ok(());
        }
        let object = self.entity(&assertion.object, &assertion.path, "object")?;
        // The object may have given the subject's entity a type.
        let subject = match subject.id == object.id {
            true => object.id,
            false => {
                self.entity(&assertion.subject, &assertion.path, "subject")?
                    .id
            }
        };
        let predicate = self.graph.intern(&assertion.predicate)?;
        let source = match &assertion.source {
            Some(source) => Some(self.graph.intern(source)?),
            None => self.source,
        };
        let history = assertion.history.unwrap_or(History {
            recorded_at: self.at,
            closed: None,
        });
        let mut new = Triple {
            id: 0,
            subject,
            predicate,
            object: object.id,
            project: self.project,
            confidence: assertion.confidence,
            source,
            since: assertion.valid_from.unwrap_or(self.at),
            until: assertion.valid_until,
            recorded_at: history.recorded_at,
            closed: history.closed,
        };
        // What was taken back at once held for no time at all.
        if new.closed.is_none() && new.until.is_some_and(|until| until <= new.since) {
            return Err(Failure::invalid(
                format!("{}/valid_until", assertion.path),
                "this ends before it begins",
            )
            .hint("give valid_from too where something is over already")
            .into());
        }
        let outcome = self.enter(&mut new)?;
        if functional && new.closed.is_none() {
            self.supersede_others(&new)?;
        }
        self.recorded.triples.push((Some(new.id), outcome));
        Ok(())
    }

    /// Joins `new` to the triple that says the same for an overlapping time, or
    /// enters it. Said again, a triple takes the higher confidence and holds
    /// for both times together; it is never less than it was.
    fn enter(&mut self, new: &mut Triple) -> Result<Outcome, StoreError> {
        let same = self
            .graph
            .said(new.subject, new.predicate, Some(new.object), new.project)?;
        let is_same = |old: &&Triple| match new.closed {
            None => old.closed.is_none() && adjoin(old, new),
            // History is not added to: it is there already, or it is not.
            closed => old.closed == closed && (old.since, old.until) == (new.since, new.until),
        };
        let Some(old) = same.iter().find(is_same) else {
            new.id = self.graph.insert(new)?;
            *self.uses.entry(new.predicate).or_default() += 1;
            return Ok(Outcome::Created);
        };
        let old = old.clone();
        let joined = Triple {
            confidence: old.confidence.max(new.confidence),
            since: old.since.min(new.since),
            until: old.until.zip(new.until).map(|(old, new)| old.max(new)),
            ..old.clone()
        };
        *new = joined;
        if *new == old {
            return Ok(Outcome::Unchanged);
        }
        self.graph.update(new)?;
        Ok(Outcome::Updated)
    }

    /// Closes what the subject was said to be related to instead: from when the
    /// new triple holds, or from now where that is before the old one began.
    fn supersede_others(&mut self, new: &Triple) -> Result<(), StoreError> {
        let others = self
            .graph
            .said(new.subject, new.predicate, None, new.project)?;
        for mut other in others {
            let closed = other.closed.is_some();
            if closed || other.object == new.object || !overlap(&other, new) {
                continue;
            }
            let end = match new.since > other.since {
                true => new.since,
                false => self.at.max(other.since),
            };
            self.close(&mut other, end, Closed::Superseded)?;
            self.recorded.contradictions.push(Contradiction {
                triple: new.id,
                with: other.id,
            });
        }
        Ok(())
    }

    fn close(&self, triple: &mut Triple, end: Timestamp, why: Closed) -> Result<(), StoreError> {
        triple.until = Some(triple.until.map_or(end, |until| until.min(end)));
        triple.closed = Some((why, self.at));
        self.graph.update(triple)
    }

    fn introduce(&mut self, introduced: &Introduced) -> Result<(), StoreError> {
        let entity = self.entity(&introduced.mention, "", "entity")?;
        for alias in &introduced.aliases {
            let name = Mention::parse(alias, "/entity")?;
            self.alias(&entity, &name, "/entity")?;
        }
        Ok(())
    }

    fn alias(&mut self, subject: &Entity, name: &Mention, path: &str) -> Result<(), StoreError> {
        let taken = self.graph.named(&name.name_key, Some(&self.visible))?;
        if let Some(other) = taken.into_iter().find(|other| *other != subject.id) {
            let other = self.graph.entity(other)?.map_or(String::new(), |e| e.key);
            return Err(Failure::new(
                Kind::Conflict,
                format!("{:?} is a name of {other} already", name.name),
            )
            .at(path)
            .hint("nothing was changed; use another name, or the other entity")
            .into());
        }
        self.graph
            .add_name(subject.id, self.project, &name.name_key, &name.name)?;
        Ok(())
    }

    /// The entity that `mention` names, made where there is none.
    fn entity(&mut self, mention: &Mention, path: &str, part: &str) -> Result<Entity, StoreError> {
        let written = (mention.kind.clone(), mention.slug.clone());
        if let Some(known) = self.known.get(&written) {
            return Ok(known.clone());
        }
        let path = format!("{path}/{part}");
        let found = resolve::certain(self.graph, mention, Some(&self.visible), &path)?;
        let found = match (found, &mention.kind) {
            (Some(found), _) => found,
            (None, Some(kind)) => match self.graph.entity_by_key(&mention.key(kind))? {
                // Another project's: the same entity all the same.
                Some(found) => found,
                None => match self.untyped(mention)? {
                    Some(untyped) => self.retype(&untyped, mention, kind)?,
                    None => self.create(mention, kind)?,
                },
            },
            (None, None) => match self.graph.entity_by_key(&mention.key(UNTYPED))? {
                Some(found) => found,
                None => self.create(mention, UNTYPED)?,
            },
        };
        self.make_known(&found, mention)?;
        self.known.insert(written, found.clone());
        if !self
            .recorded
            .entities
            .iter()
            .any(|spoken| spoken.key == found.key)
        {
            self.recorded.entities.push(Spoken {
                key: found.key.clone(),
                created: false,
                similar: Vec::new(),
            });
        }
        Ok(found)
    }

    /// The entity of that name that nobody has given a type yet, where no
    /// project but the visible ones knows it.
    fn untyped(&self, mention: &Mention) -> Result<Option<Entity>, StoreError> {
        let bare = Mention {
            kind: None,
            ..mention.clone()
        };
        let Some(thing) = self.graph.word_id(UNTYPED)? else {
            return Ok(None);
        };
        let named = self.graph.named(&bare.name_key, Some(&self.visible))?;
        let mut untyped = named.into_iter().filter(|entity| type_of(*entity) == thing);
        let (Some(one), None) = (untyped.next(), untyped.next()) else {
            return Ok(None);
        };
        let elsewhere = self.graph.projects_of(one)?;
        match elsewhere.iter().all(|of| self.visible.contains(of)) {
            true => self.graph.entity(one),
            false => Ok(None),
        }
    }

    fn retype(
        &mut self,
        untyped: &Entity,
        mention: &Mention,
        kind: &str,
    ) -> Result<Entity, StoreError> {
        let kind_id = self.graph.intern(kind)?;
        let key = mention.key(kind);
        let id = self
            .graph
            .retype(untyped.id, kind_id, &key, &untyped.name)?;
        let retyped = Entity {
            id,
            key: key.clone(),
            name: untyped.name.clone(),
        };
        self.known.retain(|_, entity| entity.id != untyped.id);
        self.named.retain(|(entity, _)| *entity != untyped.id);
        for spoken in &mut self.recorded.entities {
            if spoken.key == untyped.key {
                spoken.key.clone_from(&key);
            }
        }
        Ok(retyped)
    }

    fn create(&mut self, mention: &Mention, kind: &str) -> Result<Entity, StoreError> {
        let mut similar = Vec::new();
        if self.report_similar {
            for (_, entity) in resolve::alike(self.graph, mention, Some(&self.visible))? {
                similar.extend(self.graph.entity(entity)?.map(|entity| entity.key));
            }
            similar.truncate(limits::SIMILAR_MAX);
        }
        let kind_id = self.graph.intern(kind)?;
        let key = mention.key(kind);
        let id = self.graph.new_entity(kind_id, &key, &mention.name)?;
        self.recorded.entities.push(Spoken {
            key: key.clone(),
            created: true,
            similar,
        });
        Ok(Entity {
            id,
            key,
            name: mention.name.clone(),
        })
    }

    /// Lets the entity be found in this project by the name it was given.
    fn make_known(&mut self, entity: &Entity, mention: &Mention) -> Result<(), StoreError> {
        let name = (entity.id, mention.name_key.clone());
        if self.named.insert(name) {
            self.graph
                .add_name(entity.id, self.project, &mention.name_key, &mention.name)?;
        }
        Ok(())
    }
}

/// Whether there is a moment at which both hold.
fn overlap(one: &Triple, other: &Triple) -> bool {
    let begins_in = |begin: &Triple, end: &Triple| end.until.is_none_or(|end| begin.since < end);
    begins_in(one, other) && begins_in(other, one)
}

/// Whether their times are one time together.
fn adjoin(one: &Triple, other: &Triple) -> bool {
    overlap(one, other) || one.until == Some(other.since) || other.until == Some(one.since)
}
