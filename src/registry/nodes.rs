//! Mimos on one database reload their skills together: the one that is asked asks all
//! others, each loads its own copy of the manifest and answers, and an approval on one
//! is read by all.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::reloader::{Reloader, failed};
use crate::clock::Clock;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::changes::Topic;
use crate::store::nodes::{
    NewReload, NodeLabel, NodeStore, ReloadAnswer, ReloadRecord, ReloadRequest, ReloadState,
};
use crate::store::{Store, StoreError};

/// This process among the nodes.
#[derive(Clone)]
pub(crate) struct Nodes {
    store: Arc<dyn Store>,
    nodes: Arc<dyn NodeStore>,
    label: NodeLabel,
    clock: Arc<dyn Clock>,
}

impl Nodes {
    /// `None` if the store has no nodes.
    pub(crate) fn of(
        store: &Arc<dyn Store>,
        label: NodeLabel,
        clock: Arc<dyn Clock>,
    ) -> Option<Nodes> {
        Some(Nodes {
            nodes: store.clone().nodes()?,
            store: store.clone(),
            label,
            clock,
        })
    }

    /// The database, as messages name it.
    pub(crate) fn place(&self) -> String {
        self.store.place()
    }

    /// Has every node with the manifest of this digest reload. The reload continues
    /// even if the caller stops waiting.
    pub(crate) async fn reload(&self, manifest: String) -> Result<Value, Failure> {
        let reload = NewReload {
            manifest,
            by: name(&self.label),
            at: self.clock.now(),
        };
        let nodes = self.nodes.clone();
        let most = Duration::from_secs(limits::NODES_RELOAD_SECONDS_MAX);
        let reloading = tokio::spawn(async move { nodes.reload_nodes(reload, most).await });
        let record = match reloading.await.map_err(Failure::internal)? {
            Ok(record) => record,
            Err(StoreError::Conflict(message)) => {
                return Err(Failure::new(Kind::Conflict, message)
                    .hint("wait until `mimo status` shows its end, then reload again"));
            }
            Err(error) => return Err(error.into()),
        };
        let mut told = document(&record);
        let mut answers = record.answers.into_iter();
        let own = answers.find(|answer| answer.node.name == self.label.name);
        if let (Some(Value::Object(own)), Some(told)) =
            (own.and_then(|own| own.outcome), told.as_object_mut())
        {
            for (key, value) in own {
                told.entry(key).or_insert(value);
            }
        }
        Ok(told)
    }

    /// Takes part in reloads and approvals of all nodes until it is dropped.
    pub(crate) async fn follow(&self, reloader: &Reloader) {
        tokio::join!(
            self.nodes.serve(self.label.clone()),
            self.follow_announcements(reloader)
        );
    }

    async fn follow_announcements(&self, reloader: &Reloader) {
        let mut reloads = self.store.announced(Topic::Reloads);
        let mut approvals = self.store.announced(Topic::Approvals);
        // Earlier reloads are part of the manifest that this process has loaded.
        let mut seen = None;
        let mut looks = 0;
        loop {
            reloads.mark_unchanged();
            match self.nodes.newest_reload(self.label.name.clone()).await {
                Err(error) => tracing::debug!(%error, "reloads of the nodes were not read"),
                Ok(newest) => {
                    let epoch = newest.as_ref().map_or(0, |newest| newest.epoch);
                    let is_new = |wanted: &ReloadRequest| match seen {
                        Some(seen) => wanted.epoch > seen,
                        None => wanted.is_asked,
                    };
                    if let Some(wanted) = newest.filter(is_new) {
                        self.take_part(reloader, wanted).await;
                    }
                    seen = Some(epoch);
                }
            }
            let pause = Duration::from_secs(limits::NODES_POLL_SECONDS_MAX);
            let is_approved = tokio::select! {
                _ = reloads.changed() => false,
                _ = approvals.changed() => true,
                () = sleep(pause) => {
                    looks += 1;
                    looks % limits::NODES_POLLS_PER_APPROVALS == 0
                }
            };
            if is_approved && let Err(failure) = reloader.refresh_approvals().await {
                tracing::warn!("the approved tools were not read: {failure}");
            }
        }
    }

    async fn take_part(&self, reloader: &Reloader, wanted: ReloadRequest) {
        let outcome = match reloader.manifest_digest() == wanted.manifest {
            true => reloader.reload_in_turn().await,
            false => Err(Failure::new(
                Kind::Conflict,
                "other_manifest: the file of skills here is not that of the Mimo that began \
                 the reload",
            )
            .hint("give every Mimo the same file, then reload again")),
        };
        let outcome = outcome.unwrap_or_else(|failure| failed(&failure));
        let answered = self
            .nodes
            .answer_reload(wanted.epoch, self.label.clone(), outcome);
        if let Err(error) = answered.await {
            tracing::warn!(%error, "the outcome of a reload was not recorded");
        }
    }
}

/// The host and process of a node, for a person.
pub(crate) fn name(node: &NodeLabel) -> String {
    format!("{} (process {})", node.host, node.pid)
}

/// Whether a Mimo reloaded and all its skills started.
pub(crate) fn has_succeeded(outcome: &Value) -> bool {
    let failed = outcome["failed"].as_object();
    outcome["ok"] == true && failed.is_none_or(Map::is_empty)
}

/// A reload of all nodes as a document.
pub(crate) fn document(record: &ReloadRecord) -> Value {
    let mimos: Vec<Value> = record
        .answers
        .iter()
        .map(|answer| answer_document(record, answer))
        .collect();
    let state = match record.state {
        ReloadState::Running => "running",
        ReloadState::Abandoned => "abandoned",
        ReloadState::Ended if mimos.iter().all(has_succeeded) => "ok",
        ReloadState::Ended => "failed",
    };
    json!({
        "ok": state == "ok",
        "epoch": record.epoch,
        "state": state,
        "by": record.by,
        "begun_at": record.begun_at.to_iso(),
        "mimos": mimos,
    })
}

fn answer_document(record: &ReloadRecord, answer: &ReloadAnswer) -> Value {
    let missing = match (answer.is_gone, record.state) {
        (true, _) => "it ended, or lost its connection, before it answered",
        (false, ReloadState::Running) => "it has not answered yet",
        (false, _) => "it did not answer in time",
    };
    let mut document = answer.outcome.clone().unwrap_or_else(
        || json!({"ok": false, "error": {"kind": "unavailable", "message": missing}}),
    );
    let NodeLabel {
        name,
        host,
        pid,
        version,
    } = &answer.node;
    for (key, value) in [
        ("node", json!(name)),
        ("host", json!(host)),
        ("pid", json!(pid)),
        ("version", json!(version)),
    ] {
        document[key] = value;
    }
    document
}
