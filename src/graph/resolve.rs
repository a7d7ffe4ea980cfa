//! Resolves names to entities: by exact id, by an exact name, and for queries also
//! by similarity. An ambiguous name is an error that lists the candidates.

use std::collections::HashMap;

use super::error::{GraphError, Part, Problem};
use super::mention::Mention;
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{Entity, EntityId, GraphSnapshot, NameMatch, WordId};
use crate::text;

/// The least similarity (Jaro-Winkler) at which a name is resolved.
const LIKENESS: f64 = 0.88;
/// The similarity of a name to one of its words: above any misspelling but a close one.
const PART_LIKENESS: f64 = 0.95;
/// The least similarity of the words that two names do not share: less than that of Lisa
/// and Liza, more than that of east and west.
const WORD_LIKENESS: f64 = 0.85;
/// The margin by which the best candidate must exceed the second.
const MARGIN: f64 = 0.03;

/// The projects in which names are looked up; `None` is all within reach.
pub(super) type Projects<'a> = Option<&'a [WordId]>;

/// The exact matches of each mention: the entity with its id, else every entity
/// that has the name.
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
    let exact = |mention: &&Mention| key(mention).and_then(|key| by_key.get(&key).cloned());
    let exact = mentions
        .iter()
        .map(|mention| Vec::from_iter(exact(mention)));
    let mut found: Vec<Vec<Entity>> = exact.collect();
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

/// The only exact match of `mention`; `None` if there is none.
pub(super) async fn certain(
    graph: &dyn GraphSnapshot,
    mention: &Mention,
    projects: Projects<'_>,
    part: Part,
) -> Result<Option<Entity>, GraphError> {
    let mut found = candidates(graph, &[mention], projects).await?.concat();
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(ambiguous(mention, found.into_iter()).of(part)),
    }
}

/// The most likely entity of each mention, and whether it was found by
/// similarity.
pub(super) async fn likely(
    graph: &dyn GraphSnapshot,
    mentions: &[(Part, Mention)],
    projects: Projects<'_>,
) -> Result<Vec<(Entity, bool)>, GraphError> {
    let all: Vec<&Mention> = mentions.iter().map(|(_, mention)| mention).collect();
    let found = candidates(graph, &all, projects).await?;
    let mut resolved = Vec::with_capacity(mentions.len());
    for ((part, mention), mut found) in mentions.iter().zip(found) {
        let is_similar = found.is_empty();
        if is_similar {
            let alike = alike(graph, &[mention], projects).await?.concat();
            let is_clear = |best: f64, next: f64| best - next >= MARGIN;
            let mut entities = alike.iter().map(|(_, entity)| entity.clone());
            found = match alike[..] {
                [] => return Err(Problem::NoSuchEntity(mention.name.clone()).of(*part)),
                [(best, _), (next, _), ..] if !is_clear(best, next) => entities.collect(),
                _ => Vec::from_iter(entities.next()),
            };
        }
        match <[Entity; 1]>::try_from(found) {
            Ok([one]) => resolved.push((one, is_similar)),
            Err(several) => return Err(ambiguous(mention, several.into_iter()).of(*part)),
        }
    }
    Ok(resolved)
}

/// The entities with a name similar to each mention, by descending similarity.
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

/// Sorts candidates by descending similarity, then by age, and keeps the first
/// few.
pub(super) fn most_alike(mut alike: Vec<(f64, Entity)>) -> Vec<(f64, Entity)> {
    alike.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.id.cmp(&other.1.id)));
    alike.truncate(limits::ENTITY_CANDIDATES_MAX);
    alike
}

/// The similarity of a name key and a mention: 1 where their words are equal, so
/// that only symbols differ, and [`PART_LIKENESS`] where the mention is a part of the
/// name, such as a first name. `None` below the minimum, or where their digits differ:
/// room 12 is not a misspelling of room 13.
pub(super) fn likeness(name_key: &str, mention: &Mention) -> Option<f64> {
    let (name, part) = (
        text::name_words(name_key),
        text::name_words(&mention.name_key),
    );
    if name == part {
        return Some(1.0);
    }
    let digits = |text: &str| text.chars().filter(|c| c.is_numeric()).collect::<String>();
    if digits(name_key) != digits(&mention.name_key) {
        return None;
    }
    if text::is_distinctive(&part) && format!(" {name} ").contains(&format!(" {part} ")) {
        return Some(PART_LIKENESS);
    }
    let likeness = strsim::jaro_winkler(name_key, &mention.name_key);
    (likeness >= LIKENESS && are_other_words_alike(&name, &part)).then_some(likeness)
}

/// Whether the words that two names do not share are alike, where each has some: project
/// alpha is not a misspelling of project beta, however much they have in common.
fn are_other_words_alike(one: &str, other: &str) -> bool {
    let (ours, theirs) = (words_without(one, other), words_without(other, one));
    let is_alike = |one: &str, other: &str| strsim::jaro_winkler(one, other) >= WORD_LIKENESS;
    match (ours.len(), theirs.len()) {
        (0, _) | (_, 0) => true,
        (one, other) if one == other => ours.iter().zip(&theirs).all(|(a, b)| is_alike(a, b)),
        _ => is_alike(&ours.concat(), &theirs.concat()),
    }
}

fn words_without<'a>(words: &'a str, others: &str) -> Vec<&'a str> {
    let is_other = |word: &&str| others.split(' ').any(|other| other == *word);
    words.split(' ').filter(|word| !is_other(word)).collect()
}

/// Whether an entity has this type, where one is given.
pub(super) fn has_kind(entity: &Entity, kind: Option<&str>) -> bool {
    let own = entity.key.split_once(':').map(|(own, _)| own);
    kind.is_none_or(|kind| own == Some(kind))
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
    let entities = graph.entities(&ids).await?.into_iter();
    Ok(entities.map(|entity| (entity.id, entity)).collect())
}

pub(super) fn ambiguous(mention: &Mention, entities: impl Iterator<Item = Entity>) -> Problem {
    let candidates = entities.take(limits::ENTITY_CANDIDATES_MAX);
    Problem::AmbiguousName {
        name: mention.name.clone(),
        candidates: candidates.map(|entity| entity.key).collect(),
    }
}
