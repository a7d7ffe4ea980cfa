//! `mimo_status`: counts of stored data and the state of each part.

use std::sync::Arc;

use serde_json::json;

use super::arguments::ArgumentReader;
use super::skills::Skills;
use super::{Arguments, Context, Document, Tool};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::limits::DISK_FREE_BYTES_MIN;
use crate::memory::Memories;
use crate::procedure::Procedures;

/// The parts that `mimo_status` reports.
pub(crate) struct Status {
    pub(crate) memories: Arc<Memories>,
    pub(crate) graph: Arc<Graph>,
    /// When this process began to serve.
    pub(crate) started: Timestamp,
    /// The skills, where this process runs them.
    pub(crate) skills: Option<Arc<Skills>>,
    pub(crate) procedures: Procedures,
}

pub(crate) fn tool(status: Arc<Status>) -> Tool {
    Tool::of(
        "mimo_status",
        include_str!("../../schemas/tools/mimo_status.json"),
        &status,
        call,
    )
}

async fn call(
    status: Arc<Status>,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let section = ArgumentReader::new(&arguments)
        .text("section")?
        .unwrap_or("all");
    let up = status.memories.now().0 - status.started.0;
    let mut document = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": up.max(0) / 1_000_000,
        "project": context.caller.project(),
    });
    if matches!(section, "all" | "memory") {
        document["memory"] = memory(&status, context.caller.reach()).await;
    }
    if section == "all" {
        document["graph"] = graph(&status, context.caller.reach()).await;
    }
    if let Some(skills) = &status.skills
        && matches!(section, "all" | "skills")
    {
        skills.ready().await;
        let grants = &context.caller.grants;
        document["skills"] = skills.statuses(grants);
        document["pending"] = skills.pending(grants);
        if let Some(problem) = skills.problem().filter(|_| grants.operates) {
            document["skills_problem"] = json!(problem);
        }
    }
    if matches!(section, "all" | "procedures") {
        document["procedures"] =
            super::procedure::status(&status.procedures, &context.caller.grants).await;
    }
    Document::of(&document)
}

/// A store that cannot be used is a status, not a failure of the status.
async fn memory(status: &Status, reach: &Reach) -> serde_json::Value {
    let model = status.memories.model();
    match status.memories.census(reach).await {
        Ok(census) => {
            let mut section = json!({
                "state": "ok",
                "active": census.active,
                "superseded": census.superseded,
                "archived": census.archived,
                "projects": census.projects,
                "file_bytes": census.file_bytes,
                "embedding_model": model,
            });
            if census.read_only {
                section["state"] = json!("read_only");
                section["problem"] = json!(
                    "the database or its folder cannot be written to: searches, exports, backups \
                     and verify work, and nothing can be stored, changed or counted"
                );
                section["next_step"] = json!("check the permissions of the file and of its folder");
            } else if let Some(free) = census.free_bytes.filter(|free| *free < DISK_FREE_BYTES_MIN)
            {
                section["state"] = json!("disk_full");
                section["problem"] = json!(format!(
                    "the disk of the database has only {free} bytes free: what is stored may be \
                     refused, searches work"
                ));
                section["next_step"] = json!("free some space there; `mimo doctor` names the disk");
            }
            section
        }
        Err(failure) => json!({
            "state": failure.kind.name(),
            "problem": failure.message,
            "next_step": failure.hint,
            "embedding_model": model,
        }),
    }
}

/// The graph's section.
async fn graph(status: &Status, reach: &Reach) -> serde_json::Value {
    match status.graph.census(reach).await.map_err(Failure::from) {
        Ok(census) => json!({
            "state": "ok",
            "entities": census.entities,
            "triples": census.triples,
            "closed": census.closed,
            "predicates": census.predicates,
        }),
        Err(failure) => json!({"state": failure.kind.name(), "problem": failure.message}),
    }
}
