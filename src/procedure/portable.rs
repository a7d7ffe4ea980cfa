//! Definitions as lines of JSON: every current version of every project, without loss.
//! Executions are not exported: they act with the grants of whoever started them here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Procedures;
use super::check::{self, AnyName};
use super::definition::{self, Definition};
use crate::caller::Reach;
use crate::diagnostics::Diagnostic;
use crate::failure::{Failure, Kind};
use crate::store::procedure::{DefineOutcome, StoredDefinition};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "procedure")]
pub(crate) struct Line {
    project: String,
    hash: String,
    definition: Value,
}

impl Procedures {
    /// Every current definition within `reach`, the oldest first.
    pub(crate) async fn export(&self, reach: &Reach) -> Result<Vec<Line>, Failure> {
        let stored = self.engine.store.definitions(reach.clone(), None).await?;
        let line = |stored: StoredDefinition| {
            Ok(Line {
                definition: serde_json::from_str(&stored.definition).map_err(Failure::internal)?,
                project: stored.project,
                hash: stored.hash,
            })
        };
        stored.into_iter().rev().map(line).collect()
    }

    /// Stores the definition of a line; returns whether it is new. A different one with
    /// the same name and version stays, and is a conflict.
    pub(crate) async fn import(&self, reach: &Reach, line: &Value) -> Result<bool, Failure> {
        let line = Line::deserialize(line).map_err(|error| {
            Failure::invalid("", format!("this is not a line of a procedure: {error}"))
        })?;
        let (value, definition) = checked(&line)?;
        let store = &self.engine.store;
        let name = definition.name.clone();
        let known = store.definitions(reach.clone(), Some(name)).await?;
        let hash = definition::hash(&value);
        let mut same = known
            .iter()
            .filter(|known| known.project == line.project && known.version == definition.version);
        if same.any(|known| known.hash != hash) {
            let (name, version) = (&definition.name, &definition.version);
            let why = format!(
                "{name} {version} of the project {} is another definition here, which stays",
                line.project
            );
            return Err(Failure::new(Kind::Conflict, why));
        }
        let new = StoredDefinition {
            hash,
            project: line.project,
            name: definition.name,
            version: definition.version,
            description: definition.description,
            definition: value.to_string(),
        };
        let now = self.engine.clock.now();
        let outcome = store.define(reach.clone(), new, now).await?;
        Ok(outcome != DefineOutcome::Unchanged)
    }
}

/// The definition of a line. One that Mimo wrote was checked when it was defined; one
/// that has changed since is checked again.
fn checked(line: &Line) -> Result<(Value, Definition), Failure> {
    if definition::hash(&line.definition) == line.hash
        && let Ok(definition) = serde_json::from_value(line.definition.clone())
    {
        return Ok((line.definition.clone(), definition));
    }
    let refused = |mistakes: Vec<Diagnostic>| {
        let first = mistakes.into_iter().next();
        first.map_or_else(
            || Failure::invalid("/definition", "the definition is not valid"),
            |first| Failure::from(first.below("/definition")),
        )
    };
    let checked = check::check(&line.definition, &AnyName).map_err(refused)?;
    Ok((checked.value, checked.definition))
}
