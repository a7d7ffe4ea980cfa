//! The projects and tags that a call names, found case-insensitively, and the message
//! for those that do not exist.

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::arguments::ArgumentReader;
use crate::caller::{Caller, PROJECT_SHARED, check_project, with_shared};
use crate::diagnostics::did_you_mean;
use crate::failure::Failure;
use crate::limits;
use crate::memory::spelling;
use crate::store::NameStore;
use crate::store::names::{NameKind, NamesQuery, SpelledKind, folded};

/// The scope of a search.
pub(crate) struct SearchScope<T> {
    /// In all their spellings.
    pub(crate) names: Vec<T>,
    /// The names that do not exist, in a sentence.
    pub(crate) unknown: Option<String>,
}

/// The projects that a question covers: the one it names, all of them (none is
/// listed), or the current one and the shared one.
pub(crate) async fn projects(
    reader: &ArgumentReader<'_>,
    names: &dyn NameStore,
    caller: &Caller,
) -> Result<SearchScope<String>, Failure> {
    let named = reader.name("project")?;
    let wanted = match &named {
        Some(all) if all == "*" => {
            return Ok(SearchScope {
                names: Vec::new(),
                unknown: None,
            });
        }
        Some(project) => vec![checked(reader, project)?],
        None => with_shared(caller.project()),
    };
    let spelled = match spelling::projects(names, caller.reach(), &wanted).await {
        Ok(spelled) => spelled,
        // The error of the lookup is ignored: the question can often be answered
        // without other spellings.
        Err(failure) => {
            tracing::warn!(%failure, "projects are taken as they are spelled");
            return Ok(SearchScope {
                names: wanted,
                unknown: None,
            });
        }
    };
    let own = folded(caller.project());
    let mut covered = SearchScope {
        names: Vec::new(),
        unknown: None,
    };
    for (name, spellings) in wanted.into_iter().zip(spelled) {
        if named.is_some() && spellings.is_empty() && folded(&name) != own {
            let near = near(names, caller, NameKind::Project, &name).await?;
            covered.unknown = Some(format!("nothing is in a project {name:?}{near}"));
        }
        match spellings.is_empty() {
            true => covered.names.push(name),
            false => covered.names.extend(spellings),
        }
    }
    Ok(covered)
}

/// The `degraded` of an answer, if anything is.
pub(crate) fn in_one_sentence(parts: impl Iterator<Item = String>) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The definition of one of our own tools for a caller who may not write the shared
/// project; `None` if it does not offer one to write to.
pub(crate) fn without_shared(definition: &RawValue) -> Option<Box<RawValue>> {
    let mut definition: Value = serde_json::from_str(definition.get()).ok()?;
    if !matches!(
        definition["name"].as_str(),
        Some("memory_store" | "graph_update")
    ) {
        return None;
    }
    let project = definition.pointer_mut("/inputSchema/properties/project/description")?;
    *project = "Default: this server's, the only one that can be written".into();
    to_raw_value(&definition).ok()
}

/// The tags that a memory must have.
pub(crate) async fn tags(
    reader: &ArgumentReader<'_>,
    names: &dyn NameStore,
    caller: &Caller,
) -> Result<SearchScope<Vec<String>>, Failure> {
    let wanted = reader.names("tags", limits::MEMORY_TAGS_MAX)?;
    let wanted = wanted.unwrap_or_default();
    let mut covered = SearchScope {
        names: Vec::new(),
        unknown: None,
    };
    if wanted.is_empty() {
        return Ok(covered);
    }
    let spelled = names
        .spellings(caller.reach(), SpelledKind::Tag, wanted.clone())
        .await?;
    for (name, spellings) in wanted.into_iter().zip(spelled) {
        if !spellings.is_empty() {
            covered.names.push(spellings);
            continue;
        }
        if covered.unknown.is_none() {
            let near = near(names, caller, NameKind::Tag, &name).await?;
            covered.unknown = Some(format!("no memory has the tag {name:?}{near}"));
        }
        covered.names.push(vec![name]);
    }
    Ok(covered)
}

/// The tag in all its spellings.
pub(crate) async fn spellings(
    tag: String,
    names: &dyn NameStore,
    caller: &Caller,
) -> Result<Vec<String>, Failure> {
    let wanted = vec![tag.clone()];
    let found = names.spellings(caller.reach(), SpelledKind::Tag, wanted);
    let found = found.await?.pop().unwrap_or_default();
    Ok(if found.is_empty() { vec![tag] } else { found })
}

/// The one project that something is to belong to: the one that is named, as it was
/// first written, or else the current one.
pub(crate) async fn destination(
    reader: &ArgumentReader<'_>,
    names: &dyn NameStore,
    caller: &Caller,
) -> Result<String, Failure> {
    let project = one_project(reader)?.unwrap_or_else(|| caller.project().to_owned());
    let wanted = [project];
    let spelled = spelling::projects(names, caller.reach(), &wanted).await?;
    let [project] = wanted;
    let spellings = spelled.into_iter().next().unwrap_or_default();
    Ok(spelling::written(&project, &spellings))
}

/// The one project that something is to belong to, where one was named.
pub(crate) fn one_project(reader: &ArgumentReader<'_>) -> Result<Option<String>, Failure> {
    match reader.name("project")? {
        Some(name) if name == "*" => Err(Failure::invalid(
            reader.path("project"),
            "a single project is needed, so * is not allowed",
        )
        .hint(format!(
            "leave project out, or use {PROJECT_SHARED:?} for what holds everywhere"
        ))),
        Some(name) => checked(reader, &name).map(Some),
        None => Ok(None),
    }
}

fn checked(reader: &ArgumentReader<'_>, name: &str) -> Result<String, Failure> {
    check_project(name).map_err(|why| {
        Failure::invalid(reader.path("project"), why)
            .hint("leave project out, or name the project that you mean")
    })
}

/// `; did you mean ..?`, if an existing name is near.
async fn near(
    names: &dyn NameStore,
    caller: &Caller,
    kind: NameKind,
    name: &str,
) -> Result<String, Failure> {
    let query = NamesQuery {
        kind,
        reach: caller.reach().clone(),
        projects: Vec::new(),
        prefix: String::new(),
        limit: limits::NAMES_GATHERED_MAX,
    };
    let known = names.names(query).await?.names;
    let question = did_you_mean(name, known.iter().map(String::as_str));
    Ok(question.map_or_else(String::new, |question| format!("; {question}")))
}
