//! The graph as lines of JSON: out without loss, back in without doubles; and
//! in from the official memory server's file. Pure but for [`Graph::page`].

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mention::{self, Mention, UNTYPED};
use super::update::{Assertion, History, Introduced, Update};
use super::{Graph, projects_of};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::store::StoreError;
use crate::store::graph::{Closed, EntityId, GraphSnapshot, Triple, TripleId, WordId};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// Something there is.
    Entity {
        /// `type:id`.
        id: String,
        /// What it is called.
        name: String,
        /// What else it is called.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        aliases: Vec<String>,
        /// The project it is known in.
        project: String,
    },
    /// Something that is so, or was.
    Triple {
        /// `type:id`.
        subject: String,
        /// How the two are related.
        predicate: String,
        /// `type:id`.
        object: String,
        /// 0 to 1.
        confidence: f64,
        /// Who or what said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        /// The project it belongs to.
        project: String,
        /// Since when it holds.
        since: String,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// When it was recorded.
        recorded_at: String,
        /// `active`, or how it was closed.
        state: String,
        /// When it was closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        closed_at: Option<String>,
    },
}

impl Line {
    /// Whether it says something of something.
    pub fn is_triple(&self) -> bool {
        matches!(self, Line::Triple { .. })
    }
}

/// Whether a moment lies between two as they are written here.
pub fn holds(at: Timestamp, since: &str, until: Option<&str>) -> bool {
    let begun = read_time(since).is_ok_and(|since| since <= at);
    begun && until.is_none_or(|until| read_time(until).is_ok_and(|until| at < until))
}

/// A part of an export.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its lines: an entity stands before what is said of it.
    pub lines: Vec<Line>,
    /// Behind which triple the next one begins; `None` behind the last.
    pub after: Option<TripleId>,
}

/// What an export has told already.
pub type Told = HashSet<(EntityId, WordId)>;

impl Graph {
    /// The lines of at most `limit` triples of `projects` (none: all), behind
    /// `after`; entities that `told` has are not told again.
    pub async fn page(
        &self,
        projects: Vec<String>,
        after: TripleId,
        limit: usize,
        mut told: Told,
    ) -> Result<(Page, Told), Failure> {
        self.read(move |graph| {
            let ids = projects_of(graph, &projects)?;
            let triples = graph.triples(ids.as_deref(), after, limit)?;
            let mut writer = Writer {
                graph,
                words: HashMap::new(),
                told: &mut told,
            };
            let mut page = Page::default();
            for triple in &triples {
                writer.write(triple, &mut page.lines)?;
            }
            page.after = triples
                .last()
                .filter(|_| triples.len() == limit)
                .map(|triple| triple.id);
            Ok((page, told))
        })
        .await
    }
}

struct Writer<'a> {
    graph: &'a dyn GraphSnapshot,
    words: HashMap<WordId, String>,
    told: &'a mut Told,
}

impl Writer<'_> {
    fn write(&mut self, triple: &Triple, lines: &mut Vec<Line>) -> Result<(), StoreError> {
        let subject = self.entity(triple.subject, triple.project, lines)?;
        let object = self.entity(triple.object, triple.project, lines)?;
        let source = match triple.source {
            Some(source) => Some(self.word(source)?),
            None => None,
        };
        lines.push(Line::Triple {
            subject,
            predicate: self.word(triple.predicate)?,
            object,
            confidence: triple.confidence,
            source,
            project: self.word(triple.project)?,
            since: triple.since.to_iso_micros(),
            until: triple.until.map(Timestamp::to_iso_micros),
            recorded_at: triple.recorded_at.to_iso_micros(),
            state: triple
                .closed
                .map_or("active", |(why, _)| why.name())
                .to_owned(),
            closed_at: triple.closed.map(|(_, at)| at.to_iso_micros()),
        });
        Ok(())
    }

    fn entity(
        &mut self,
        id: EntityId,
        project: WordId,
        lines: &mut Vec<Line>,
    ) -> Result<String, StoreError> {
        let Some(entity) = self.graph.entity(id)? else {
            return Err(StoreError::Damaged(format!("there is no entity {id}")));
        };
        if self.told.insert((id, project)) {
            lines.push(Line::Entity {
                id: entity.key.clone(),
                name: entity.name,
                aliases: self.graph.aliases(id, Some(&[project]))?,
                project: self.word(project)?,
            });
        }
        Ok(entity.key)
    }

    fn word(&mut self, id: WordId) -> Result<String, StoreError> {
        if let Some(word) = self.words.get(&id) {
            return Ok(word.clone());
        }
        let (word, _) = self.graph.word(id)?;
        self.words.insert(id, word.clone());
        Ok(word)
    }
}

fn read_time(text: &str) -> Result<Timestamp, Failure> {
    let why = || {
        Failure::invalid(
            "",
            format!("{text:?} is not a moment like 2026-11-22T17:36:00Z"),
        )
    };
    Timestamp::from_iso(text).ok_or_else(why)
}

/// Reads lines into updates, one a project, ready to be carried out.
#[derive(Debug, Default)]
pub struct Importer {
    /// The project of lines that name none.
    project: String,
    /// Types of the memory server's entities by their names.
    types: HashMap<String, String>,
    updates: Vec<Update>,
    /// Observations of the memory server, which are no triples.
    pub observations: usize,
}

impl Importer {
    /// An importer for lines that belong to `project` unless they say otherwise.
    pub fn new(project: &str) -> Importer {
        Importer {
            project: project.to_owned(),
            ..Importer::default()
        }
    }

    /// Takes one document: a line of ours or of the memory server's, or its
    /// whole graph as one object.
    pub fn take(&mut self, document: &Value) -> Result<(), Failure> {
        if let (Some(entities), Some(relations)) = (
            document["entities"].as_array(),
            document["relations"].as_array(),
        ) {
            for entity in entities {
                self.server_entity(entity)?;
            }
            return relations
                .iter()
                .try_for_each(|relation| self.server_relation(relation));
        }
        if document["entityType"].is_string() {
            return self.server_entity(document);
        }
        if document["relationType"].is_string() {
            return self.server_relation(document);
        }
        let line = Line::deserialize(document).map_err(|error| {
            Failure::invalid("", format!("this is no line of a graph: {error}"))
                .hint("lines of `mimo graph export` and of server-memory's file can be read")
        })?;
        self.line(line)
    }

    /// Everything taken since the last time.
    pub fn updates(&mut self) -> Vec<Update> {
        std::mem::take(&mut self.updates)
    }

    fn update(&mut self, project: &str) -> &mut Update {
        let at = self
            .updates
            .iter()
            .position(|update| update.project == project);
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
                let mut mention = Mention::parse(&id, "/id")?;
                mention.name_key = mention::name_key(&name);
                mention.name = name;
                let introduced = Introduced { mention, aliases };
                self.update(&project).entities.push(introduced);
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
                    subject: Mention::parse(&subject, "/subject")?,
                    predicate: mention::predicate(&predicate, "/predicate")?,
                    object: Mention::parse(&object, "/object")?,
                    confidence,
                    valid_from: Some(read_time(&since)?),
                    valid_until: until.as_deref().map(read_time).transpose()?,
                    source,
                    history: Some(History {
                        recorded_at: read_time(&recorded_at)?,
                        closed,
                    }),
                    path: String::new(),
                };
                self.update(&project).assertions.push(assertion);
            }
        }
        Ok(())
    }

    fn server_entity(&mut self, entity: &Value) -> Result<(), Failure> {
        let name = text(entity, "name")?;
        let kind = mention::predicate(text(entity, "entityType")?, "/entityType")
            .unwrap_or_else(|_| UNTYPED.to_owned());
        self.types.insert(name.to_owned(), kind);
        self.observations += entity["observations"].as_array().map_or(0, Vec::len);
        let introduced = Introduced {
            mention: self.server_mention(name)?,
            aliases: Vec::new(),
        };
        let project = self.project.clone();
        self.update(&project).entities.push(introduced);
        Ok(())
    }

    fn server_relation(&mut self, relation: &Value) -> Result<(), Failure> {
        let assertion = Assertion {
            subject: self.server_mention(text(relation, "from")?)?,
            predicate: mention::predicate(text(relation, "relationType")?, "/relationType")?,
            object: self.server_mention(text(relation, "to")?)?,
            confidence: 1.0,
            valid_from: None,
            valid_until: None,
            source: None,
            history: None,
            path: String::new(),
        };
        let project = self.project.clone();
        self.update(&project).assertions.push(assertion);
        Ok(())
    }

    /// Its names are names as a whole: a colon in one says nothing of a type.
    fn server_mention(&self, name: &str) -> Result<Mention, Failure> {
        let kind = self.types.get(name).map_or(UNTYPED, String::as_str);
        let typed = Mention::parse(&format!("{kind}:{name}"), "/name")?;
        match typed.kind.is_some() || kind == UNTYPED {
            true => Ok(typed),
            false => Mention::parse(&format!("{UNTYPED}:{name}"), "/name"),
        }
    }
}

fn text<'a>(object: &'a Value, key: &str) -> Result<&'a str, Failure> {
    object[key]
        .as_str()
        .ok_or_else(|| Failure::invalid(format!("/{key}"), format!("{key} is not a text")))
}
