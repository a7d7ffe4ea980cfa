//! Recorded calls of skills' tools, of which procedures can be made. They are
//! written in batches, because a call must not cost a transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{from_calls, secrets};
use crate::caller::Reach;
use crate::clock::{Clock, Timestamp};
use crate::failure::Failure;
use crate::limits;
use crate::store::Store;
use crate::store::procedure::RecordedCall;

pub(super) struct Recorder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Calls that are not in the store yet.
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    calls: VecDeque<Call>,
    bytes: usize,
}

struct Call {
    project: String,
    tool: String,
    arguments: String,
    at: Timestamp,
}

impl Pending {
    /// Adds a call; returns whether it is the first one. The oldest make room,
    /// as they would in the store.
    fn push(&mut self, call: Call) -> bool {
        let first = self.calls.is_empty();
        self.bytes += call.arguments.len();
        self.calls.push_back(call);
        while self.calls.len() > limits::RECORDED_CALLS_MAX
            || self.bytes > limits::RECORDED_PENDING_BYTES_MAX
        {
            let dropped = self.calls.pop_front();
            self.bytes -= dropped.map_or(0, |call| call.arguments.len());
        }
        first
    }
}

impl Recorder {
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Recorder {
        Recorder {
            store,
            clock,
            tasks,
            stop,
            pending: Mutex::default(),
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a call with the JSON of its arguments, without waiting.
    pub(super) fn record(self: &Arc<Self>, project: &str, tool: String, arguments: &str) {
        if arguments.len() > limits::RECORDED_CALL_BYTES_MAX {
            return;
        }
        let first = self.pending().push(Call {
            project: project.to_owned(),
            tool,
            arguments: arguments.to_owned(),
            at: self.clock.now(),
        });
        if !first {
            return;
        }
        let recorder = self.clone();
        self.tasks.spawn(async move {
            let wait = Duration::from_millis(limits::RECORD_MILLIS_MAX);
            let _ = tokio::time::timeout(wait, recorder.stop.cancelled()).await;
            if let Err(failure) = recorder.flush().await {
                tracing::warn!("calls of skills were not recorded: {failure}");
            }
        });
    }

    async fn flush(&self) -> Result<(), Failure> {
        let pending = std::mem::take(&mut *self.pending());
        if pending.calls.is_empty() {
            return Ok(());
        }
        let recorded = |call: Call| {
            let mut arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            secrets::redact_names(&mut arguments);
            RecordedCall {
                id: self.clock.new_id(),
                project: call.project,
                tool: call.tool,
                arguments: arguments.to_string(),
                at: call.at,
            }
        };
        let calls = pending.calls.into_iter().map(recorded).collect();
        Ok(self.store.record(calls, limits::RECORDED_CALLS_MAX).await?)
    }

    /// Newest first.
    pub(super) async fn recent(
        &self,
        reach: &Reach,
        limit: usize,
    ) -> Result<Vec<RecordedCall>, Failure> {
        self.flush().await?;
        Ok(self.store.recent(reach.clone(), limit).await?)
    }

    /// A definition made of the recorded calls with these ids, in their order.
    pub(super) async fn definition(
        &self,
        reach: &Reach,
        ids: Vec<String>,
    ) -> Result<Value, Failure> {
        self.flush().await?;
        let calls = self.store.recorded(reach.clone(), ids.clone()).await?;
        from_calls::definition(&ids, &calls)
    }
}
