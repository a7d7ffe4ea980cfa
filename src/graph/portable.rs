//! The graph as lines of JSON: exported without loss, imported without
//! duplicates, also from the official memory server's file. Pure but for
//! [`Graph::export_page`].

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::GraphError;
use super::mention::{self, Mention, UNTYPED};
use super::update::{Assertion, EntityDeclaration, History, Update};
use super::{Graph, projects_of, resolve};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::store::StoreError;
use crate::store::graph::{Closed, Entity, EntityId, GraphSnapshot, Triple, TripleId, WordId};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Line {
    Entity {
        /// `type:id`.
        id: String,
        name: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        aliases: Vec<String>,
        /// The project it is known in.
        project: String,
    },
    Triple {
        /// `type:id`.
        subject: String,
        predicate: String,
        /// `type:id`.
        object: String,
        /// 0 to 1.
        confidence: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        project: String,
        /// Since when it holds.
        since: String,
        /// Until when it holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        recorded_at: String,
        /// `active`, or how it was closed.
        state: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        closed_at: Option<String>,
    },
}

impl Line {
    pub(crate) fn is_triple(&self) -> bool {
        matches!(self, Line::Triple { .. })
    }
}

/// Whether `at` is between two moments as lines give them.
pub(crate) fn holds(at: Timestamp, since: &str, until: Option<&str>) -> bool {
    let begun = read_time(since).is_ok_and(|since| since <= at);
    begun && until.is_none_or(|until| read_time(until).is_ok_and(|until| at < until))
}

/// A part of an export.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExportPage {
    /// An entity comes before the triples that have it.
    pub(crate) lines: Vec<Line>,
    /// `None` after the last page.
    pub(crate) next: Option<Position>,
}

/// Where the next page of an export begins: triples come first, then the entities
/// that no triple has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Position {
    AfterTriple(TripleId),
    AfterEntity(EntityId),
}

impl Position {
    pub(crate) const START: Position = Position::AfterTriple(0);
}

/// The entities that an export has written already, by project.
pub(crate) type ExportedEntities = HashSet<(EntityId, WordId)>;

impl Graph {
    /// The lines of at most `limit` triples or entities of `projects` (none: all
    /// within reach) behind `after`, without the entities that are in `written`.
    pub(crate) async fn export_page(
        &self,
        reach: &Reach,
        projects: Vec<String>,
        after: Position,
        limit: usize,
        written: ExportedEntities,
    ) -> Result<(ExportPage, ExportedEntities), GraphError> {
        self.read(reach, move |graph| {
            Box::pin(async move {
                let ids = projects_of(graph, &projects).await?;
                let mut exporter = Exporter {
                    written,
                    ..Exporter::default()
                };
                let next = match after {
                    Position::AfterTriple(after) => {
                        let triples = graph.triples_after(ids.as_deref(), after, limit).await?;
                        exporter.load(graph, &triples, &[]).await?;
                        for triple in &triples {
                            exporter.write(triple)?;
                        }
                        let last = triples.last().filter(|_| triples.len() == limit);
                        let next = last.map(|triple| Position::AfterTriple(triple.id));
                        Some(next.unwrap_or(Position::AfterEntity(0)))
                    }
                    Position::AfterEntity(after) => {
                        let known = graph.entities_after(ids.as_deref(), after, limit).await?;
                        exporter.load(graph, &[], &known).await?;
                        exporter.write_entities(&known)?;
                        let last = known.last().filter(|_| known.len() == limit);
                        last.map(|id| Position::AfterEntity(*id))
                    }
                };
                let lines = exporter.lines;
                Ok((ExportPage { lines, next }, exporter.written))
            })
        })
        .await
    }
}

/// Writes triples and entities; holds everything that their lines refer to.
#[derive(Default)]
struct Exporter {
    entities: HashMap<EntityId, Entity>,
    /// Every name of an entity in a project.
    names: HashMap<(EntityId, WordId), BTreeSet<String>>,
    words: HashMap<WordId, String>,
    written: ExportedEntities,
    lines: Vec<Line>,
}

impl Exporter {
    /// Loads what the lines of `triples` and of the entities `known` refer to.
    async fn load(
        &mut self,
        graph: &dyn GraphSnapshot,
        triples: &[Triple],
        known: &[EntityId],
    ) -> Result<(), StoreError> {
        let ends = triples.iter().flat_map(|t| [t.subject, t.object]);
        let ends: Vec<EntityId> = ends.chain(known.iter().copied()).collect();
        self.entities = resolve::by_id(graph, &ends).await?;
        let ids: Vec<EntityId> = self.entities.keys().copied().collect();
        for name in graph.names(&ids).await? {
            let names = self.names.entry((name.entity, name.project)).or_default();
            names.insert(name.name);
        }
        let words = triples.iter().flat_map(|triple| {
            let source = triple.source.into_iter();
            source.chain([triple.predicate, triple.project])
        });
        let projects = self.names.keys().map(|(_, project)| *project);
        let words: BTreeSet<WordId> = words.chain(projects).collect();
        let words: Vec<WordId> = words.into_iter().collect();
        let texts = graph.words(&words).await?;
        self.words = words.into_iter().zip(texts).collect();
        Ok(())
    }

    /// Writes the entities that have no line yet, in each project that knows them.
    fn write_entities(&mut self, known: &[EntityId]) -> Result<(), StoreError> {
        let known: HashSet<EntityId> = known.iter().copied().collect();
        let names = self.names.keys().filter(|(id, _)| known.contains(id));
        let mut names: Vec<(EntityId, WordId)> = names.copied().collect();
        names.sort_unstable();
        for (id, project) in names {
            self.entity(id, project)?;
        }
        Ok(())
    }

    fn write(&mut self, triple: &Triple) -> Result<(), StoreError> {
        let subject = self.entity(triple.subject, triple.project)?;
        let object = self.entity(triple.object, triple.project)?;
        let closed = triple.closed;
        self.lines.push(Line::Triple {
            subject,
            predicate: self.words[&triple.predicate].clone(),
            object,
            confidence: triple.confidence,
            source: triple.source.map(|source| self.words[&source].clone()),
            project: self.words[&triple.project].clone(),
            since: triple.since.to_iso_micros(),
            until: triple.until.map(Timestamp::to_iso_micros),
            recorded_at: triple.recorded_at.to_iso_micros(),
            state: closed.map_or("active", |(why, _)| why.name()).to_owned(),
            closed_at: closed.map(|(_, at)| at.to_iso_micros()),
        });
        Ok(())
    }

    /// The key of an entity, whose line is written at its first triple.
    fn entity(&mut self, id: EntityId, project: WordId) -> Result<String, StoreError> {
        let Some(entity) = self.entities.get(&id) else {
            return Err(StoreError::Damaged(format!("there is no entity {id}")));
        };
        if self.written.insert((id, project)) {
            // The name that is displayed may be another project's.
            let names = self.names.get(&(id, project)).into_iter().flatten();
            let own = names.clone().find(|name| **name == entity.name);
            let name = own.or(names.clone().next()).unwrap_or(&entity.name);
            self.lines.push(Line::Entity {
                id: entity.key.clone(),
                name: name.clone(),
                aliases: names.filter(|other| *other != name).cloned().collect(),
                project: self.words[&project].clone(),
            });
        }
        Ok(entity.key.clone())
    }
}

fn read_time(text: &str) -> Result<Timestamp, Failure> {
    let why = || format!("{text:?} is not a moment like 2026-11-22T17:36:00Z");
    Timestamp::from_iso(text).ok_or_else(|| Failure::invalid("", why()))
}

/// Reads lines into one update for each project.
#[derive(Debug, Default)]
pub(crate) struct Importer {
    /// The project of lines that name none.
    project: String,
    /// Types of the memory server's entities by their names.
    types: HashMap<String, String>,
    updates: Vec<Update>,
}

impl Importer {
    pub(crate) fn new(project: &str) -> Importer {
        Importer {
            project: project.to_owned(),
            ..Importer::default()
        }
    }

    /// Reads one document: a line of Mimo's export or of the memory server's file.
    pub(crate) fn read(&mut self, document: &Value) -> Result<(), Failure> {
        if document["entityType"].is_string() {
            return self.server_entity(document);
        }
        if document["relationType"].is_string() {
            return self.server_relation(document);
        }
        let line = Line::deserialize(document).map_err(|error| {
            Failure::invalid("", format!("this is not a line of a graph: {error}"))
                .hint("lines of `mimo graph export` and of server-memory's file can be read")
        })?;
        self.line(line)
    }

    /// Everything that was read since the last call.
    pub(crate) fn take_updates(&mut self) -> Vec<Update> {
        std::mem::take(&mut self.updates)
    }

    fn update(&mut self, project: &str) -> &mut Update {
        let mut updates = self.updates.iter();
        let at = updates.position(|update| update.project == project);
        let at = at.unwrap_or_else(|| {
            self.updates.push(Update {
                project: project.to_owned(),
                ..Update::default()
            });
            self.updates.len() - 1
        });
        &mut self.updates[at]
    }

    fn line(&mut self, line: Line) -> Result<(), Failure> {
        match line {
            Line::Entity {
                id,
                name,
                aliases,
                project,
            } => {
                let mention = exact_at(&id, Some(&name), "/id")?;
                let declared = EntityDeclaration { mention, aliases };
                self.update(&project).entities.push(declared);
            }
            Line::Triple {
                subject,
                predicate,
                object,
                confidence,
                source,
                project,
                since,
                until,
                recorded_at,
                state,
                closed_at,
            } => {
                let closed = match (Closed::from_name(&state), &closed_at) {
                    (Some(closed), Some(at)) => Some((closed, read_time(at)?)),
                    (None, None) if state == "active" => None,
                    _ => {
                        return Err(Failure::invalid(
                            "/state",
                            format!("{state:?} and closed_at do not go together"),
                        ));
                    }
                };
                if !(0.0..=1.0).contains(&confidence) {
                    let why = format!("{confidence} is not between 0 and 1");
                    return Err(Failure::invalid("/confidence", why));
                }
                let assertion = Assertion {
                    subject: exact_at(&subject, None, "/subject")?,
                    predicate: predicate_at(&predicate, "/predicate")?,
                    object: exact_at(&object, None, "/object")?,
                    confidence,
                    valid_from: Some(read_time(&since)?),
                    valid_until: until.as_deref().map(read_time).transpose()?,
                    source,
                    history: Some(History {
                        recorded_at: read_time(&recorded_at)?,
                        closed,
                    }),
                };
                self.update(&project).assertions.push(assertion);
            }
        }
        Ok(())
    }

    fn server_entity(&mut self, entity: &Value) -> Result<(), Failure> {
        let name = text(entity, "name")?;
        let kind =
            mention::predicate(text(entity, "entityType")?).unwrap_or_else(|_| UNTYPED.to_owned());
        self.types.insert(name.to_owned(), kind);
        let declared = EntityDeclaration {
            mention: self.server_mention(name)?,
            aliases: Vec::new(),
        };
        let project = self.project.clone();
        self.update(&project).entities.push(declared);
        Ok(())
    }

    fn server_relation(&mut self, relation: &Value) -> Result<(), Failure> {
        let subject = self.server_mention(text(relation, "from")?)?;
        let predicate = predicate_at(text(relation, "relationType")?, "/relationType")?;
        let object = self.server_mention(text(relation, "to")?)?;
        let project = self.project.clone();
        let assertions = &mut self.update(&project).assertions;
        assertions.push(Assertion::new(subject, predicate, object));
        Ok(())
    }

    /// The memory server's names are whole names: a colon in one marks no type.
    fn server_mention(&self, name: &str) -> Result<Mention, Failure> {
        let kind = self.types.get(name).map_or(UNTYPED, String::as_str);
        let typed = mention_at(&format!("{kind}:{name}"), "/name")?;
        match typed.kind.is_some() || kind == UNTYPED {
            true => Ok(typed),
            false => mention_at(&format!("{UNTYPED}:{name}"), "/name"),
        }
    }
}

fn mention_at(text: &str, path: &str) -> Result<Mention, Failure> {
    Mention::parse(text).map_err(|problem| Failure::from(problem).at(path))
}

/// The entity with exactly this `type:id`; a line written by hand may name it.
fn exact_at(key: &str, name: Option<&str>, path: &str) -> Result<Mention, Failure> {
    match key.contains(':') {
        true => Mention::exact(key, name).map_err(|problem| Failure::from(problem).at(path)),
        false => mention_at(name.unwrap_or(key), path),
    }
}

fn predicate_at(text: &str, path: &str) -> Result<String, Failure> {
    mention::predicate(text).map_err(|problem| Failure::from(problem).at(path))
}

fn text<'a>(object: &'a Value, key: &str) -> Result<&'a str, Failure> {
    object[key]
        .as_str()
        .ok_or_else(|| Failure::invalid(format!("/{key}"), format!("{key} is not a text")))
}
