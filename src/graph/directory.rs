//! The entities of one update. They are resolved in memory from what a few
//! batched look-ups found, and stored together once all of them are known.

use std::collections::{HashMap, HashSet};

use super::error::{GraphError, Part, Problem};
use super::mention::{Mention, UNTYPED};
use super::resolve;
use super::update::{MentionedEntity, Update};
use crate::caller::Reach;
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{Entity, EntityId, EntityName, GraphTransaction, NewEntity, WordId};

/// The number of an entity in its directory.
pub(super) type Number = usize;

/// The projects whose names an update understands.
pub(super) struct NameScope {
    /// Its own project comes first.
    pub(super) visible: Vec<WordId>,
    /// Those whose names it may move to another entity.
    pub(super) writable: Vec<WordId>,
}

impl NameScope {
    pub(super) async fn of(
        graph: &dyn GraphTransaction,
        reach: &Reach,
        project: WordId,
        update: &Update,
    ) -> Result<NameScope, StoreError> {
        let others = update.visible.iter().map(String::as_str);
        let others: Vec<&str> = others.filter(|name| *name != update.project).collect();
        let ids = graph.word_ids(&others).await?;
        let mut names = vec![(update.project.as_str(), project)];
        names.extend(
            others
                .iter()
                .zip(ids)
                .filter_map(|(name, id)| Some((*name, id?))),
        );
        let writable = names.iter().filter(|(name, _)| reach.can_write(name));
        Ok(NameScope {
            visible: names.iter().map(|(_, id)| *id).collect(),
            writable: writable.map(|(_, id)| *id).collect(),
        })
    }
}

struct DirectoryEntry {
    /// Its id is 0 until it is stored.
    entity: Entity,
    is_new: bool,
    /// The projects within reach in which it has a name.
    projects: HashSet<WordId>,
    is_mentioned: bool,
    similar: Vec<String>,
}

#[derive(Default)]
pub(super) struct Directory {
    project: WordId,
    /// The projects whose names are understood.
    visible: Vec<WordId>,
    /// The projects in which an entity may get a type.
    retypable: Vec<WordId>,
    known: Vec<DirectoryEntry>,
    by_key: HashMap<String, Number>,
    /// By the normalized name, in the visible projects.
    by_name: HashMap<String, Vec<Number>>,
    by_mention: HashMap<(Option<String>, String, bool), Number>,
    /// In the order of their first mention.
    mentioned: Vec<Number>,
    /// Entities to be stored: new ones, and stored ones that got a type.
    changes: Vec<Number>,
    /// New names, in their order, and every name in the own project.
    names: Vec<(Number, String, String)>,
    own_names: HashSet<(Number, String)>,
    /// The mentions of new entities, and how many names were new before.
    created: Vec<(Number, Mention, usize)>,
}

impl Directory {
    /// Loads a directory that can resolve these mentions and knows the owners of
    /// these names.
    pub(super) async fn load(
        graph: &dyn GraphTransaction,
        visible: Vec<WordId>,
        retypable: Vec<WordId>,
        mentions: &[&Mention],
    ) -> Result<Directory, StoreError> {
        let mut directory = Directory {
            project: visible[0],
            visible,
            retypable,
            ..Directory::default()
        };
        let keys: HashSet<String> = mentions.iter().map(|mention| key(mention)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for entity in graph.entities_by_key(&keys, None).await? {
            directory.add(entity, false);
        }
        let names: HashSet<&str> = mentions.iter().map(|m| m.name_key.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let matches = graph.named(&names, Some(&directory.visible)).await?;
        let known = directory.known.iter().enumerate();
        let mut numbers: HashMap<EntityId, Number> = known
            .map(|(number, known)| (known.entity.id, number))
            .collect();
        let ids = matches.iter().map(|name| name.entity);
        let ids: Vec<EntityId> = ids.filter(|id| !numbers.contains_key(id)).collect();
        for (id, entity) in resolve::by_id(graph, &ids).await? {
            numbers.insert(id, directory.add(entity, false));
        }
        for name in matches {
            if let Some(number) = numbers.get(&name.entity) {
                directory.by_name.entry(name.key).or_default().push(*number);
            }
        }
        let ids: Vec<EntityId> = numbers.keys().copied().collect();
        for name in graph.names(&ids).await? {
            let number = numbers[&name.entity];
            directory.known[number].projects.insert(name.project);
            if name.project == directory.project {
                directory.own_names.insert((number, name.key));
            }
        }
        Ok(directory)
    }

    fn add(&mut self, entity: Entity, is_new: bool) -> Number {
        let number = self.known.len();
        self.by_key.insert(entity.key.clone(), number);
        self.known.push(DirectoryEntry {
            entity,
            is_new,
            projects: HashSet::new(),
            is_mentioned: false,
            similar: Vec::new(),
        });
        number
    }

    pub(super) fn id(&self, number: Number) -> EntityId {
        self.known[number].entity.id
    }

    pub(super) fn key(&self, number: Number) -> String {
        self.known[number].entity.key.clone()
    }

    pub(super) fn is_new(&self, number: Number) -> bool {
        self.known[number].is_new
    }

    /// The entity that `mention` names, a new one where there is none. Its type
    /// is added to `words` where it gets one.
    pub(super) fn entity(
        &mut self,
        mention: &Mention,
        part: Part,
        words: &mut Vec<String>,
    ) -> Result<Number, GraphError> {
        let written = (mention.kind.clone(), mention.slug.clone(), mention.is_exact);
        if let Some(number) = self.by_mention.get(&written) {
            return Ok(*number);
        }
        let found = self.find(mention).map_err(|problem| problem.of(part))?;
        let number = match found {
            Some(number) => number,
            None => {
                words.push(mention.kind.as_deref().unwrap_or(UNTYPED).to_owned());
                let typed = mention.kind.as_ref().filter(|_| !mention.is_exact);
                let untyped = typed.and_then(|_| self.untyped(mention));
                match untyped {
                    Some(number) => self.retype(number, key(mention)),
                    None => self.create(mention),
                }
            }
        };
        // An export names its entities on lines of their own.
        if !mention.is_exact || !self.known[number].projects.contains(&self.project) {
            self.add_name(number, mention);
        }
        self.by_mention.insert(written, number);
        if !std::mem::replace(&mut self.known[number].is_mentioned, true) {
            self.mentioned.push(number);
        }
        Ok(number)
    }

    fn find(&self, mention: &Mention) -> Result<Option<Number>, Problem> {
        let exact = self.by_key.get(&key(mention)).copied();
        if mention.is_exact {
            return Ok(exact);
        }
        let is_visible = |number: Number| {
            let projects = &self.known[number].projects;
            self.visible
                .iter()
                .any(|project| projects.contains(project))
        };
        if mention.kind.is_some() && exact.is_some_and(is_visible) {
            return Ok(exact);
        }
        match self.named(mention, mention.kind.as_deref())[..] {
            // An entity known only in other projects is still the same entity.
            [] => Ok(exact),
            [one] => Ok(Some(one)),
            ref several => {
                let entities = several.iter().map(|nth| self.known[*nth].entity.clone());
                Err(resolve::ambiguous(mention, entities))
            }
        }
    }

    /// The entities of a type that go by the name of `mention`.
    fn named(&self, mention: &Mention, kind: Option<&str>) -> Vec<Number> {
        let named = self.by_name.get(&mention.name_key).into_iter().flatten();
        let has_kind = |number: &Number| resolve::has_kind(&self.known[*number].entity, kind);
        named.copied().filter(has_kind).collect()
    }

    /// The only entity of that name without a type, where this update may give it
    /// one: other projects would see that.
    fn untyped(&self, mention: &Mention) -> Option<Number> {
        let [one] = self.named(mention, Some(UNTYPED))[..] else {
            return None;
        };
        let mut projects = self.known[one].projects.iter();
        let is_retypable = projects.all(|project| self.retypable.contains(project));
        is_retypable.then_some(one)
    }

    fn retype(&mut self, number: Number, key: String) -> Number {
        let known = &mut self.known[number];
        self.by_key.remove(&known.entity.key);
        self.by_key.insert(key.clone(), number);
        known.entity.key = key;
        if !known.is_new {
            self.changes.push(number);
        }
        number
    }

    fn create(&mut self, mention: &Mention) -> Number {
        let entity = Entity {
            id: 0,
            key: key(mention),
            name: mention.name.clone(),
        };
        let number = self.add(entity, true);
        self.changes.push(number);
        let created = (number, mention.clone(), self.names.len());
        self.created.push(created);
        number
    }

    pub(super) fn alias(
        &mut self,
        subject: Number,
        name: &Mention,
        part: Part,
    ) -> Result<(), GraphError> {
        let mut owners = self.by_name.get(&name.name_key).into_iter().flatten();
        if let Some(other) = owners.find(|other| **other != subject) {
            let taken = Problem::NameTaken {
                name: name.name.clone(),
                owner: self.known[*other].entity.key.clone(),
            };
            return Err(taken.of(part));
        }
        self.add_name(subject, name);
        Ok(())
    }

    /// Adds a name of an entity in the own project.
    pub(super) fn add_name(&mut self, number: Number, mention: &Mention) {
        let Mention { name_key, name, .. } = mention;
        if self.own_names.insert((number, name_key.clone())) {
            self.names.push((number, name_key.clone(), name.clone()));
            let named = self.by_name.entry(name_key.clone()).or_default();
            if !named.contains(&number) {
                named.push(number);
            }
            self.known[number].projects.insert(self.project);
        }
    }

    /// Stores every change. `words` has the id of each type.
    pub(super) async fn store(
        &mut self,
        graph: &dyn GraphTransaction,
        words: &HashMap<String, WordId>,
    ) -> Result<(), StoreError> {
        let changes = std::mem::take(&mut self.changes);
        let are_new = |one: &Number, next: &Number| self.is_new(*one) && self.is_new(*next);
        let runs: Vec<&[Number]> = changes.chunk_by(are_new).collect();
        for run in runs {
            let new: Vec<NewEntity> = run.iter().map(|nth| self.new_entity(*nth, words)).collect();
            let ids = match self.is_new(run[0]) {
                true => graph.create(&new).await?,
                false => vec![graph.rekey(self.id(run[0]), &new[0]).await?],
            };
            for (number, id) in run.iter().zip(ids) {
                self.known[*number].entity.id = id;
            }
        }
        let names = self.names.iter().map(|(number, key, name)| EntityName {
            entity: self.id(*number),
            project: self.project,
            key: key.clone(),
            name: name.clone(),
        });
        let names: Vec<EntityName> = names.collect();
        graph.add_names(&names).await
    }

    fn new_entity(&self, number: Number, words: &HashMap<String, WordId>) -> NewEntity {
        let Entity { key, name, .. } = &self.known[number].entity;
        let kind = key.split_once(':').and_then(|(kind, _)| words.get(kind));
        NewEntity {
            kind: kind.copied().unwrap_or_default(),
            key: key.clone(),
            name: name.clone(),
        }
    }

    /// Finds the entities that the new ones may be misspellings of. Asked before
    /// anything is stored; among the new ones only earlier ones count.
    pub(super) async fn find_similar(
        &mut self,
        graph: &dyn GraphTransaction,
    ) -> Result<(), StoreError> {
        if self.created.is_empty() {
            return Ok(());
        }
        let mentions: Vec<&Mention> = self.created.iter().map(|(_, mention, _)| mention).collect();
        let stored = resolve::alike(graph, &mentions, Some(&self.visible)).await?;
        for ((number, mention, names_before), mut alike) in self.created.iter().zip(stored) {
            for (earlier, key, _) in &self.names[..*names_before] {
                let entity = &self.known[*earlier].entity;
                let is_listed = alike.iter().any(|(_, listed)| listed.key == entity.key);
                if !is_listed
                    && resolve::has_kind(entity, mention.kind.as_deref())
                    && let Some(likeness) = resolve::likeness(key, mention)
                {
                    alike.push((likeness, entity.clone()));
                }
            }
            let keys = resolve::most_alike(alike)
                .into_iter()
                .map(|(_, entity)| entity.key);
            self.known[*number].similar = keys.take(limits::SIMILAR_MAX).collect();
        }
        Ok(())
    }

    /// The entities of the update, each once, in the order of their mention.
    pub(super) fn into_mentioned(mut self) -> Vec<MentionedEntity> {
        let mentioned = self.mentioned.iter().map(|number| {
            let known = &mut self.known[*number];
            MentionedEntity {
                key: std::mem::take(&mut known.entity.key),
                is_new: known.is_new,
                similar: std::mem::take(&mut known.similar),
            }
        });
        mentioned.collect()
    }
}

/// The key of the entity that a mention names by its exact id.
fn key(mention: &Mention) -> String {
    mention.key(mention.kind.as_deref().unwrap_or(UNTYPED))
}
