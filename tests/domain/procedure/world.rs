//! A real store in a folder, with tools that do what their arguments say and count
//! their calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mimo::caller::{Caller, Grants, ToolGrants};
use mimo::clock::SystemClock;
use mimo::procedure::journal::{ActionError, SideEffects};
use mimo::procedure::{JournalHook, Procedures, Start, ToolCaller, view};
use mimo::store::sqlite::SqliteStore;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Calls in order: the tool and its `id` argument.
#[derive(Default)]
pub struct Calls {
    made: Mutex<Vec<String>>,
    callers: Mutex<Vec<Caller>>,
    failures: Mutex<BTreeMap<String, usize>>,
    /// Opened by a test to release waiting tools.
    pub gate: Notify,
    /// Notified when a tool waits.
    pub waiting: Notify,
}

impl Calls {
    pub fn made(&self) -> Vec<String> {
        self.made.lock().expect("the calls").clone()
    }

    /// Who made the calls, in order.
    pub fn callers(&self) -> Vec<Caller> {
        self.callers.lock().expect("the callers").clone()
    }
}

/// `do` acts, `read` reads, `put` is idempotent. Each takes `fail` (how often,
/// and the kind) and `wait` (until the gate opens or it is cancelled).
pub struct Fake(pub Arc<Calls>);

impl ToolCaller for Fake {
    fn check(&self, name: &str, _grants: &ToolGrants) -> Result<(), (String, String)> {
        match name {
            "do" | "put" | "read" | "undo" => Ok(()),
            _ => Err((
                format!("there is no tool {name:?}"),
                "name another".to_owned(),
            )),
        }
    }

    fn side_effects(&self, name: &str) -> SideEffects {
        SideEffects {
            read_only: name == "read",
            idempotent: matches!(name, "read" | "put"),
        }
    }

    fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        caller: Caller,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<Value, ActionError>> {
        let (calls, name) = (self.0.clone(), name.to_owned());
        async move {
            calls.callers.lock().expect("the callers").push(caller);
            let id = arguments.get("id").map_or(String::new(), |id| match id {
                Value::String(text) => format!(" {text}"),
                other => format!(" {other}"),
            });
            calls
                .made
                .lock()
                .expect("the calls")
                .push(format!("{name}{id}"));
            if let Some(times) = arguments.get("fail").and_then(Value::as_u64) {
                let mut failures = calls.failures.lock().expect("the failures");
                let so_far = failures.entry(format!("{name}{id}")).or_default();
                if (*so_far as u64) < times {
                    *so_far += 1;
                    let kind = arguments.get("kind").and_then(Value::as_str);
                    return Err(ActionError::new(kind.unwrap_or("tool_failed"), "as asked"));
                }
            }
            if arguments.contains_key("wait") {
                calls.waiting.notify_one();
                tokio::select! {
                    () = calls.gate.notified() => {}
                    () = cancel.cancelled() => return Err(ActionError::new("cancelled", "taken back")),
                }
            }
            Ok(json!({"did": name, "arguments": arguments}))
        }
        .boxed()
    }
}

/// The procedures of one process, on a file that others may share.
pub struct World {
    pub procedures: Procedures,
    /// Of whoever makes the calls below.
    pub grants: Grants,
    pub calls: Arc<Calls>,
    _folder: Arc<TempDir>,
}

impl World {
    pub fn new() -> World {
        World::on(Arc::new(TempDir::new().expect("a folder")), None)
    }

    pub fn on(folder: Arc<TempDir>, watch: Option<JournalHook>) -> World {
        let store = SqliteStore::start(folder.path().join("mimo.db")).expect("a store");
        let procedures = Procedures::new(Arc::new(store), Arc::new(SystemClock), watch);
        let calls = Arc::new(Calls::default());
        procedures.connect(Arc::new(Fake(calls.clone())));
        World {
            procedures,
            grants: Grants::local("global"),
            calls,
            _folder: folder,
        }
    }

    /// Stores a valid definition.
    pub async fn define(&self, states: Value) -> String {
        self.define_as("example", states, json!({})).await
    }

    pub async fn define_as(&self, name: &str, states: Value, more: Value) -> String {
        let first = states
            .as_object()
            .and_then(|all| all.keys().next().cloned());
        let mut definition = json!({
            "name": name, "version": "1", "initial_state": first, "states": states,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            definition[key] = value.clone();
        }
        let defined = self
            .procedures
            .define(&self.grants, &definition, false)
            .await
            .expect("kept");
        defined
            .unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
            .checked
            .hash
    }

    pub async fn start(&self, context: Value) -> String {
        self.start_as("example", context).await
    }

    pub async fn start_as(&self, name: &str, context: Value) -> String {
        let start = Start {
            name: name.to_owned(),
            version: "latest".to_owned(),
            context: context.as_object().cloned().unwrap_or_default(),
            ..Start::default()
        };
        self.procedures
            .start(&self.grants, start)
            .await
            .expect("started")
            .0
    }

    /// Waits until it ends or waits for a person, and returns its view.
    pub async fn wait(&self, id: &str) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        self.procedures
            .wait(&self.grants, id, end, |_| {})
            .await
            .expect("it ends");
        self.view(id).await
    }

    pub async fn view(&self, id: &str) -> Value {
        let snapshot = self.procedures.snapshot(&self.grants, id);
        let (execution, machine) = snapshot.await.expect("an execution");
        view::execution(&execution, &machine)
    }

    pub async fn run(&self, context: Value) -> Value {
        let id = self.start(context).await;
        self.wait(&id).await
    }
}
