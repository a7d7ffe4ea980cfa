//! The page that shows a person what is stored: its files, and the calls it makes
//! besides the tools.
//!
//! Memories, questions and the status come from the tools, as every client gets them.
//! What people see and decide, and clients do not, is here: drawings, the runs of
//! procedures, what waits for an approval, the logs of skills.

mod arguments;
mod drawing;
mod figures;
mod files;
mod runs;
mod skills;

use std::sync::Arc;

use serde_json::{Value, json};

use self::arguments::Arguments;
use crate::caller::Grants;
use crate::failure::{Failure, Kind};
use crate::graph::Graph;
use crate::limits::VIEW_PROJECTS_MAX;
use crate::procedure::Procedures;
use crate::store::InventoryStore;
use crate::store::names::{NameKind, NameStore, NamesQuery};

pub(crate) use self::files::{File, PAGE, file};
pub(crate) use self::skills::SkillFiles;

/// Calls of the page begin with this; others name a tool.
pub(crate) const PREFIX: &str = "view_";

pub(crate) struct View {
    pub(crate) graph: Arc<Graph>,
    pub(crate) procedures: Procedures,
    pub(crate) skills: SkillFiles,
    pub(crate) names: Arc<dyn NameStore>,
    pub(crate) counts: Arc<dyn InventoryStore>,
}

impl View {
    /// Answers one call of the page.
    pub(crate) async fn call(
        &self,
        name: &str,
        arguments: &Value,
        grants: &Grants,
    ) -> Result<Value, Failure> {
        let arguments = Arguments::new(arguments);
        match name {
            "view_projects" => self.projects(grants).await,
            "view_graph" => drawing::graph(&self.graph, grants, &arguments).await,
            "view_figures" => figures::show(&*self.counts, grants, &arguments).await,
            "view_runs" => runs::list(&self.procedures, grants, &arguments).await,
            "view_run" => runs::show(&self.procedures, grants, &arguments).await,
            "view_procedure" => runs::definition(&self.procedures, grants, &arguments).await,
            "view_decide" => runs::decide(&self.procedures, grants, &arguments).await,
            "view_pending" => self.skills.pending(grants).await,
            "view_approve" => self.skills.approve(grants, &arguments).await,
            "view_logs" => self.skills.logs(grants, &arguments).await,
            _ => Err(Failure::new(
                Kind::NotFound,
                format!("the page has no call {name:?}"),
            )),
        }
    }

    /// The names of projects with a memory.
    async fn projects(&self, grants: &Grants) -> Result<Value, Failure> {
        let query = NamesQuery {
            kind: NameKind::Project,
            reach: grants.reach.clone(),
            projects: Vec::new(),
            prefix: String::new(),
            limit: VIEW_PROJECTS_MAX,
        };
        let names = self.names.names(query).await.map_err(Failure::from)?;
        Ok(json!({ "projects": names.names }))
    }
}

/// Decisions are for the person at this machine, not for whoever has a key.
fn only_local(grants: &Grants, command: &str) -> Result<(), Failure> {
    match grants.is_local {
        true => Ok(()),
        false => Err(
            Failure::new(Kind::Refused, "a person at Mimo's own machine decides this")
                .hint(format!("run `{command}` there, or `mimo view`")),
        ),
    }
}
