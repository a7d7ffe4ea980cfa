//! From a name to its entity: by the exact id, by a name it is known under, and
//! for reading also by likeness. An ambiguous name is reported with the
//! candidates, never guessed.

use std::collections::HashMap;

use super::error::{GraphError, Part, Problem};
use super::mention::Mention;
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{Entity, EntityId, GraphSnapshot, NameMatch, WordId};

/// How alike a name must be to be resolved by likeness (Jaro-Winkler).
const LIKENESS: f64 = 0.88;
/// How much more alike than the next best.
const MARGIN: f64 = 0.03;

/// The projects in which names are looked up; `None` is all within reach.
pub(super) type Projects<'a> = Option<&'a [WordId]>;

/// The entities that each mention names for certain: none, one, or several that
/// go by the name.
pub(super) async fn candidates(
    graph: &dyn GraphSnapshot,
    mentions: &[&Mention],
    projects: Projects<'_>,
) -> Result<Vec<Vec<Entity>>, StoreError> {
    let key = |mention: &Mention| mention.kind.as_ref().map(|kind| mention.key(kind));
    let keys: Vec<String> = mentions.iter().filter_map(|mention| key(mention)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut by_key: HashMap<String, Entity> = HashMap::new();
    if !keys.is_empty() {
        let found = graph.entities_by_key(&keys, projects).await?;
        by_key.extend(found.into_iter().map(|entity| (entity.key.clone(), entity)));
    }
    let mut found: Vec<Vec<Entity>> = Vec::with_capacity(mentions.len());
    for mention in mentions {
        let exact = key(mention).and_then(|key| by_key.get(&key).cloned());
        found.push(exact.into_iter().collect());
    }
    let by_name = mentions
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.is_empty());
    let names: Vec<&str> = by_name
        .map(|(mention, _)| mention.name_key.as_str())
        .collect();
    if names.is_empty() {
        return Ok(found);
    }
    let matches = graph.named(&names, projects).await?;
    let ids: Vec<EntityId> = matches.iter().map(|name| name.entity).collect();
    let entities = by_id(graph, &ids).await?;
    for (mention, found) in mentions.iter().zip(&mut found) {
        if !found.is_empty() {
            continue;
        }
        for NameMatch { key, entity } in &matches {
            if *key == mention.name_key
                && let Some(entity) = entities.get(entity)
                && has_kind(entity, mention.kind.as_deref())
                && !found.contains(entity)
            {
                found.push(entity.clone());
            }
        }
    }
    Ok(found)
}

/// The entity that `mention` names for certain; `None` where none is known.
pub(super) async fn certain(
    graph: &dyn GraphSnapshot,
    mention: &Mention,
    projects: Projects<'_>,
    part: Part,
) -> Result<Option<Entity>, GraphError> {
    let found = candidates(graph, &[mention], projects).await?;
    let mut found = found.into_iter().flatten();
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => {
            let all = [one, other].into_iter().chain(found);
            Err(ambiguous(mention, all).of(part))
        }
        (one, _) => Ok(one),
    }
}

/// The entity that each mention most likely names, and whether that is by
/// likeness.
pub(super) async fn likely(
    graph: &dyn GraphSnapshot,
    mentions: &[(Part, Mention)],
    projects: Projects<'_>,
) -> Result<Vec<(Entity, bool)>, GraphError> {
    let all: Vec<&Mention> = mentions.iter().map(|(_, mention)| mention).collect();
    let found = candidates(graph, &all, projects).await?;
    let mut resolved = Vec::with_capacity(mentions.len());
    for ((part, mention), found) in mentions.iter().zip(found) {
        match <[Entity; 1]>::try_from(found) {
            Ok([one]) => resolved.push((one, false)),
            Err(found) if !found.is_empty() => {
                return Err(ambiguous(mention, found.into_iter()).of(*part));
            }
            Err(_) => {
                let entity = by_likeness(graph, mention, projects).await?;
                resolved.push((entity.map_err(|problem| problem.of(*part))?, true));
            }
        }
    }
    Ok(resolved)
}

async fn by_likeness(
    graph: &dyn GraphSnapshot,
    mention: &Mention,
    projects: Projects<'_>,
) -> Result<Result<Entity, Problem>, StoreError> {
    let alike = alike(graph, &[mention], projects).await?;
    let mut alike = alike.into_iter().flatten();
    let best = alike.next();
    let next = alike.next();
    Ok(match (best, next) {
        (None, _) => Err(Problem::NoSuchEntity(mention.name.clone())),
        (Some((_, only)), None) => Ok(only),
        (Some((best, entity)), Some((next, _))) if best - next >= MARGIN => Ok(entity),
        (best, next) => {
            let all = best.into_iter().chain(next).chain(alike);
            Err(ambiguous(mention, all.map(|(_, entity)| entity)))
        }
    })
}

/// For each mention the entities with nearly its name, the most alike first.
pub(super) async fn alike(
    graph: &dyn GraphSnapshot,
    mentions: &[&Mention],
    projects: Projects<'_>,
) -> Result<Vec<Vec<(f64, Entity)>>, StoreError> {
    let keys: Vec<&str> = mentions.iter().map(|m| m.name_key.as_str()).collect();
    let near = graph
        .near(&keys, projects, limits::ENTITY_NAMES_NEAR_MAX)
        .await?;
    let ids: Vec<EntityId> = near.iter().flatten().map(|name| name.entity).collect();
    let entities = by_id(graph, &ids).await?;
    let each = mentions.iter().zip(near).map(|(mention, near)| {
        let mut alike: Vec<(f64, Entity)> = Vec::new();
        for name in near {
            let entity = entities.get(&name.entity);
            let entity = entity.filter(|entity| has_kind(entity, mention.kind.as_deref()));
            let (Some(entity), Some(likeness)) = (entity, likeness(&name.key, mention)) else {
                continue;
            };
            match alike.iter_mut().find(|(_, known)| known.id == entity.id) {
                Some((best, _)) => *best = best.max(likeness),
                None => alike.push((likeness, entity.clone())),
            }
        }
        most_alike(alike)
    });
    Ok(each.collect())
}

/// The most alike first, as many as are told.
pub(super) fn most_alike(mut alike: Vec<(f64, Entity)>) -> Vec<(f64, Entity)> {
    alike.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.id.cmp(&other.1.id)));
    alike.truncate(limits::ENTITY_CANDIDATES_MAX);
    alike
}

/// How alike a name (in the form in which names are compared) is to a mention,
/// where that is enough. Room 12 is not nearly room 13.
pub(super) fn likeness(name_key: &str, mention: &Mention) -> Option<f64> {
    let digits = |text: &str| text.chars().filter(|c| c.is_numeric()).collect::<String>();
    let likeness = strsim::jaro_winkler(name_key, &mention.name_key);
    let is_alike = likeness >= LIKENESS && digits(name_key) == digits(&mention.name_key);
    is_alike.then_some(likeness)
}

/// Whether an entity has this type, where one is given.
pub(super) fn has_kind(entity: &Entity, kind: Option<&str>) -> bool {
    kind.is_none_or(|kind| {
        entity
            .key
            .split_once(':')
            .is_some_and(|(own, _)| own == kind)
    })
}

pub(super) async fn by_id(
    graph: &dyn GraphSnapshot,
    ids: &[EntityId],
) -> Result<HashMap<EntityId, Entity>, StoreError> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let entities = graph.entities(&ids).await?;
    Ok(entities
        .into_iter()
        .map(|entity| (entity.id, entity))
        .collect())
}

pub(super) fn ambiguous(mention: &Mention, entities: impl Iterator<Item = Entity>) -> Problem {
    let candidates = entities.take(limits::ENTITY_CANDIDATES_MAX);
    Problem::AmbiguousName {
        name: mention.name.clone(),
        candidates: candidates.map(|entity| entity.key).collect(),
    }
}
