//! Calls of skills' tools, kept so that procedures can be made of them. Written
//! a little later and together: a call must not cost a transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::{Procedures, from_calls, view};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::store::procedure::RecordedCall;

/// Calls that are not in the store yet.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Pending>);

#[derive(Default)]
struct Pending {
    calls: VecDeque<Call>,
    bytes: usize,
}

struct Call {
    tool: String,
    arguments: String,
    at: Timestamp,
}

impl Recorder {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a call; whether it is the first that waits. Of too many the oldest
    /// go, as they would from the store.
    fn keep(&self, call: Call) -> bool {
        let mut pending = self.pending();
        let first = pending.calls.is_empty();
        pending.bytes += call.arguments.len();
        pending.calls.push_back(call);
        while pending.calls.len() > limits::RECORDED_CALLS_MAX
            || pending.bytes > limits::RECORDED_PENDING_BYTES_MAX
        {
            let gone = pending.calls.pop_front();
            pending.bytes -= gone.map_or(0, |call| call.arguments.len());
        }
        first
    }

    fn take(&self) -> VecDeque<Call> {
        std::mem::take(&mut *self.pending()).calls
    }
}

impl Procedures {
    /// What records a call of a skill's tool, given the JSON of its arguments,
    /// without waiting. It keeps nothing alive: procedures know the skills.
    pub fn recorder(&self) -> impl Fn(String, &str) + Send + Sync + 'static {
        let inner = Arc::downgrade(&self.0);
        move |tool, arguments| {
            if let Some(inner) = inner.upgrade() {
                Procedures(inner).record(tool, arguments);
            }
        }
    }

    fn record(&self, tool: String, arguments: &str) {
        if arguments.len() > limits::RECORDED_CALL_BYTES_MAX {
            return;
        }
        let call = Call {
            tool,
            arguments: arguments.to_owned(),
            at: self.0.clock.now(),
        };
        if !self.0.recorder.keep(call) {
            return;
        }
        let (procedures, stop) = (self.clone(), self.0.running.stop.clone());
        self.0.running.behind(async move {
            let wait = Duration::from_millis(limits::RECORD_MILLIS_MAX);
            let _ = tokio::time::timeout(wait, stop.cancelled()).await;
            if let Err(failure) = procedures.write_recorded().await {
                tracing::warn!("calls of skills were not recorded: {failure}");
            }
        });
    }

    async fn write_recorded(&self) -> Result<(), Failure> {
        let calls: Vec<RecordedCall> = self
            .0
            .recorder
            .take()
            .into_iter()
            .map(|call| {
                let mut arguments: Value =
                    serde_json::from_str(&call.arguments).unwrap_or_default();
                view::redact_names(&mut arguments);
                RecordedCall {
                    id: self.0.clock.new_id(),
                    tool: call.tool,
                    arguments: arguments.to_string(),
                    at: call.at,
                }
            })
            .collect();
        if calls.is_empty() {
            return Ok(());
        }
        let store = &self.0.store;
        Ok(store.record(calls, limits::RECORDED_CALLS_MAX).await?)
    }

    /// The newest recorded calls.
    pub async fn recorded(&self, limit: usize) -> Result<Vec<RecordedCall>, Failure> {
        self.write_recorded().await?;
        Ok(self.0.store.recent(limit).await?)
    }

    /// A definition made of recorded calls, in the order of their ids.
    pub async fn of_recorded(&self, ids: Vec<String>) -> Result<Value, Failure> {
        self.write_recorded().await?;
        let calls = self.0.store.recorded(ids.clone()).await?;
        from_calls::definition(&ids, &calls)
    }
}
