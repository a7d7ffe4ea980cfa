//! From a name to the entity it means: by its exact id, by a name it is known
//! under, and only for reading by likeness. What could be several is reported
//! with the candidates, never guessed.

use super::mention::{Mention, UNTYPED};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{Entity, EntityId, GraphSnapshot, WordId, type_of};

/// How alike a name must be to be taken for another (Jaro-Winkler).
const LIKENESS: f64 = 0.88;
/// And how much more alike than the next best.
const MARGIN: f64 = 0.03;

/// Which projects a name is looked up in; `None` is all.
pub type Projects<'a> = Option<&'a [WordId]>;

/// The entity that `mention` names for certain; `None` where none is known. A
/// name of several is a failure.
pub fn certain(
    graph: &dyn GraphSnapshot,
    mention: &Mention,
    projects: Projects<'_>,
    path: &str,
) -> Result<Option<Entity>, StoreError> {
    if let Some(kind) = &mention.kind
        && let Some(found) = graph.entity_by_key(&mention.key(kind))?
        && is_known(graph, &found, projects)?
    {
        return Ok(Some(found));
    }
    let mut named = graph.named(&mention.name_key, projects)?;
    if let Some(kind) = &mention.kind {
        let kind = graph.word_id(kind)?;
        named.retain(|entity| Some(type_of(*entity)) == kind);
    }
    match named[..] {
        [] => Ok(None),
        [one] => graph.entity(one),
        _ => Err(ambiguous(graph, mention, &named, path)?.into()),
    }
}

/// The entity that `mention` most likely means, and whether it was taken for
/// it by likeness.
pub fn likely(
    graph: &dyn GraphSnapshot,
    mention: &Mention,
    projects: Projects<'_>,
    path: &str,
) -> Result<(Entity, bool), StoreError> {
    if let Some(found) = certain(graph, mention, projects, path)? {
        return Ok((found, false));
    }
    let alike = alike(graph, mention, projects)?;
    let clear = match alike[..] {
        [(best, _), (next, _), ..] => best - next >= MARGIN,
        [_] => true,
        [] => false,
    };
    if clear && let Some(found) = graph.entity(alike[0].1)? {
        return Ok((found, true));
    }
    let candidates: Vec<EntityId> = alike.iter().map(|(_, entity)| *entity).collect();
    match candidates.is_empty() {
        true => Err(Failure::new(
            Kind::NotFound,
            format!("no entity is called {:?}", mention.name),
        )
        .at(path)
        .hint("graph_update makes one; memory_search may know it in words")
        .into()),
        false => Err(ambiguous(graph, mention, &candidates, path)?.into()),
    }
}

/// Entities with nearly the name of `mention`, most alike first.
pub fn alike(
    graph: &dyn GraphSnapshot,
    mention: &Mention,
    projects: Projects<'_>,
) -> Result<Vec<(f64, EntityId)>, StoreError> {
    let kind = match &mention.kind {
        Some(kind) => match graph.word_id(kind)? {
            None => return Ok(Vec::new()),
            kind => kind,
        },
        None => None,
    };
    let near = graph.near(&mention.name_key, projects, limits::ENTITY_NAMES_NEAR_MAX)?;
    let mut alike: Vec<(f64, EntityId)> = Vec::new();
    for name in near {
        let fits = kind.is_none_or(|kind| type_of(name.entity) == kind);
        let likeness = strsim::jaro_winkler(&name.key, &mention.name_key);
        // Room 12 is not nearly room 13.
        if !fits || likeness < LIKENESS || digits(&name.key) != digits(&mention.name_key) {
            continue;
        }
        match alike.iter_mut().find(|(_, entity)| *entity == name.entity) {
            Some((best, _)) => *best = best.max(likeness),
            None => alike.push((likeness, name.entity)),
        }
    }
    alike.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    alike.truncate(limits::ENTITY_CANDIDATES_MAX);
    Ok(alike)
}

fn digits(text: &str) -> String {
    text.chars().filter(|c| c.is_numeric()).collect()
}

/// Whether the entity was named in one of these projects: others' are not seen.
fn is_known(
    graph: &dyn GraphSnapshot,
    entity: &Entity,
    projects: Projects<'_>,
) -> Result<bool, StoreError> {
    let Some(projects) = projects else {
        return Ok(true);
    };
    let of = graph.projects_of(entity.id)?;
    Ok(of.iter().any(|project| projects.contains(project)))
}

fn ambiguous(
    graph: &dyn GraphSnapshot,
    mention: &Mention,
    candidates: &[EntityId],
    path: &str,
) -> Result<Failure, StoreError> {
    let mut keys = Vec::new();
    for entity in candidates.iter().take(limits::ENTITY_CANDIDATES_MAX) {
        keys.extend(graph.entity(*entity)?.map(|entity| entity.key));
    }
    let kind = mention.kind.as_deref().unwrap_or(UNTYPED);
    let name = mention.key(kind);
    let example = keys.first().cloned().unwrap_or(name);
    Ok(Failure::invalid(
        path,
        format!("{:?} could be any of {}", mention.name, keys.join(", ")),
    )
    .hint(format!("name the one you mean, for example {example:?}")))
}
