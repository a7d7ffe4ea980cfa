//! The part of the port that connects the Mimos on one database. Those on one file are
//! on one machine, and find each other in its data folder.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use super::Stored;
use crate::clock::Timestamp;

pub trait NodeStore: Send + Sync {
    /// Keeps this process among the nodes that serve, on a connection that is renewed
    /// when it breaks, until the future is dropped.
    fn serve(&self, label: NodeLabel) -> BoxFuture<'_, ()>;

    /// The nodes that serve now.
    fn nodes(&self) -> Stored<'_, Vec<NodeRecord>>;

    /// Has every node reload its skills and waits for the answers, at most `timeout`.
    /// Fails with `Conflict` while another reload runs.
    fn reload_nodes(&self, reload: NewReload, timeout: Duration) -> Stored<'_, ReloadRecord>;

    /// The newest reload, as the node of this name sees it.
    fn newest_reload(&self, name: String) -> Stored<'_, Option<ReloadRequest>>;

    /// Records what a node has done for a reload.
    fn answer_reload(&self, epoch: i64, label: NodeLabel, outcome: Value) -> Stored<'_, ()>;

    /// The newest reload and what came of it.
    fn last_reload(&self) -> Stored<'_, Option<ReloadRecord>>;
}

/// A process that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLabel {
    /// Unique to this process, for as long as it runs.
    pub name: String,
    pub host: String,
    pub pid: u32,
    pub version: String,
}

#[derive(Clone, Debug)]
pub struct NodeRecord {
    pub label: NodeLabel,
    pub joined_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct NewReload {
    /// SHA-256 of the manifest: nodes with another one do not reload.
    pub manifest: String,
    /// The requester, for people.
    pub by: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct ReloadRequest {
    pub epoch: i64,
    pub manifest: String,
    /// Whether the node has been asked and has not answered yet.
    pub is_asked: bool,
}

#[derive(Clone, Debug)]
pub struct ReloadRecord {
    pub epoch: i64,
    pub by: String,
    pub begun_at: Timestamp,
    pub state: ReloadState,
    pub answers: Vec<ReloadAnswer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadState {
    Running,
    Ended,
    /// The requester ended or lost its connection before it had all answers.
    Abandoned,
}

#[derive(Clone, Debug)]
pub struct ReloadAnswer {
    pub node: NodeLabel,
    pub outcome: Option<Value>,
    /// The node ended, or lost its connection, before it answered.
    pub is_gone: bool,
}

impl ReloadRecord {
    /// Whether no answer is waited for any more.
    pub(crate) fn is_answered(&self) -> bool {
        let mut answers = self.answers.iter();
        answers.all(|answer| answer.outcome.is_some() || answer.is_gone)
    }
}
