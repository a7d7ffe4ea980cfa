//! Renaming an entity, or merging it into another: its triples and its names move
//! to the new `type:id`, and the old name stays one of its names.

use super::directory::NameScope;
use super::error::{GraphError, Part, Problem};
use super::mention::Mention;
use super::resolve;
use super::update::{ALIAS_SYNONYMS, Rename, Renamed};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::graph::{
    Closed, Entity, EntityId, EntityName, GraphTransaction, NewEntity, Statement, WordId,
};

pub(super) async fn rename(
    graph: &dyn GraphTransaction,
    names: &NameScope,
    renames: &[Rename],
    at: Timestamp,
) -> Result<Vec<Renamed>, GraphError> {
    let mut renamed = Vec::with_capacity(renames.len());
    for (nth, Rename { from, to }) in renames.iter().enumerate() {
        let old = find(graph, from, names, Part::OldName(nth)).await?;
        let old =
            old.ok_or_else(|| Problem::NoSuchEntity(from.name.clone()).of(Part::OldName(nth)))?;
        refuse_shared(graph, &old, names).await?;
        let (old_kind, _) = old.key.split_once(':').unwrap_or_default();
        let key = to.key(to.kind.as_deref().unwrap_or(old_kind));
        // Of several entities with the new name, one of the old one's type.
        let typed = Mention {
            kind: to.kind.clone().or_else(|| Some(old_kind.to_owned())),
            ..to.clone()
        };
        let target = match find(graph, &typed, names, Part::NewName(nth)).await? {
            None if to.kind.is_none() => find(graph, to, names, Part::NewName(nth)).await?,
            target => target,
        };
        let other = target.filter(|target| target.id != old.id);
        let key = other.as_ref().map_or(key, |other| other.key.clone());
        let (kind, _) = key.split_once(':').unwrap_or_default();
        let kind = graph.intern(&[kind]).await?[0];
        let new = NewEntity {
            kind,
            key: key.clone(),
            name: match &other {
                Some(other) => other.name.clone(),
                None => to.name.clone(),
            },
        };
        let id = graph.rekey(old.id, &new).await?;
        let name = EntityName {
            entity: id,
            project: names.visible[0],
            key: to.name_key.clone(),
            name: to.name.clone(),
        };
        graph.add_names(&[name]).await?;
        if other.is_some() {
            close_links_to_itself(graph, id, names.visible[0], at).await?;
        }
        renamed.push(Renamed {
            from: old.key,
            to: key,
            merged: other.is_some(),
        });
    }
    Ok(renamed)
}

async fn find(
    graph: &dyn GraphTransaction,
    mention: &Mention,
    names: &NameScope,
    part: Part,
) -> Result<Option<Entity>, GraphError> {
    resolve::certain(graph, mention, Some(&names.visible), part).await
}

/// Other projects, which the caller may not change, would lose the entity.
async fn refuse_shared(
    graph: &dyn GraphTransaction,
    entity: &Entity,
    names: &NameScope,
) -> Result<(), StoreError> {
    let known = graph.names(&[entity.id]).await?;
    let is_fixed = |name: &&EntityName| {
        names.visible.contains(&name.project) && !names.writable.contains(&name.project)
    };
    match known.iter().find(is_fixed) {
        Some(name) => {
            let project = graph.words(&[name.project]).await?;
            Err(StoreError::NoAccess(project.concat()))
        }
        None => Ok(()),
    }
}

/// Closes what said that the merged two were one.
async fn close_links_to_itself(
    graph: &dyn GraphTransaction,
    entity: EntityId,
    project: WordId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let predicates = graph.word_ids(&ALIAS_SYNONYMS).await?;
    let links = predicates.into_iter().flatten().map(|predicate| Statement {
        subject: entity,
        predicate,
        object: Some(entity),
    });
    let links: Vec<Statement> = links.collect();
    let mut links = graph.stating(&links, project).await?;
    links.retain(|link| link.closed.is_none());
    for link in &mut links {
        link.close(at, Closed::Superseded, at);
    }
    graph.update(&links).await
}
