//! The tools called in this process, over a store in a temporary folder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mimo::ask::Writers;
use mimo::caller::Caller;
use mimo::clock::{Clock, FixedClock, Timestamp};
use mimo::embed::Embedder;
use mimo::failure::{CallError, Failure, Kind};
use mimo::graph::Graph;
use mimo::memory::{Memories, Settings};
use mimo::procedure::Procedures;
use mimo::store::graph::GraphStore;
use mimo::store::sqlite::SqliteStore;
use mimo::tools::{Context, Reply, Tool, standard};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-11-22T12:00:00Z.
pub const NOON: Timestamp = Timestamp(1_795_348_800_000_000);

/// Encodes a text as hashed word counts, so that texts with common words are
/// near each other.
#[derive(Default)]
pub struct WordCounts {
    /// Makes every call fail.
    pub broken: AtomicBool,
}

const DIMENSIONS: usize = 96;

impl WordCounts {
    fn embed(&self, text: &str) -> Result<Vec<f32>, Failure> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Failure::new(Kind::Unavailable, "the encoder is broken"));
        }
        let mut vector = vec![0f32; DIMENSIONS];
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
            let hash = word.bytes().fold(7u64, |hash, byte| {
                hash.wrapping_mul(31).wrapping_add(u64::from(byte))
            });
            if !word.is_empty() {
                vector[(hash % DIMENSIONS as u64) as usize] += 1.0;
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length == 0.0 {
            vector[0] = 1.0;
        } else {
            vector.iter_mut().for_each(|x| *x /= length);
        }
        Ok(vector)
    }
}

impl Embedder for WordCounts {
    fn model_id(&self) -> &str {
        "word-counts"
    }

    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure> {
        // Windows of 50 words.
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return Ok(vec![self.embed(text)?]);
        }
        words
            .chunks(50)
            .map(|window| self.embed(&window.join(" ")))
            .collect()
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure> {
        self.embed(text)
    }
}

pub struct Mimo {
    pub clock: Arc<FixedClock>,
    pub encoder: Arc<WordCounts>,
    pub folder: TempDir,
    pub store: Arc<SqliteStore>,
    pub memories: Arc<Memories>,
    caller: Caller,
    tools: Vec<Tool>,
    runtime: tokio::runtime::Runtime,
}

impl Mimo {
    /// An empty store in the project `global`.
    pub fn new() -> Mimo {
        Mimo::in_project("global")
    }

    pub fn in_project(project: &str) -> Mimo {
        Mimo::with(project, &[], |store| store)
    }

    /// With these functional predicates, and a graph over `of` of the store.
    pub fn with(
        project: &str,
        functional: &[&str],
        of: impl FnOnce(Arc<dyn GraphStore>) -> Arc<dyn GraphStore>,
    ) -> Mimo {
        let folder = TempDir::new().expect("a temporary folder");
        let store = SqliteStore::start(folder.path().join("mimo.db")).expect("threads start");
        let store = Arc::new(store);
        let clock = Arc::new(FixedClock::at(NOON));
        let encoder = Arc::new(WordCounts::default());
        let graph = Arc::new(Graph::new(
            of(store.clone()),
            clock.clone(),
            mimo::graph::Settings {
                functional: functional.iter().map(|&name| name.to_owned()).collect(),
            },
        ));
        let procedures = Procedures::new(store.clone(), clock.clone(), None);
        let memories = Arc::new(Memories::new(
            store.clone(),
            encoder.clone(),
            clock.clone(),
            Settings::default(),
        ));
        let tools = standard(&memories, &graph, None, &procedures, Writers::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Mimo {
            clock,
            encoder,
            folder,
            store,
            memories,
            caller: Caller::local(project, "session-1"),
            tools,
            runtime,
        }
    }

    /// Calls a tool. The clock advances a second after each call, so that times
    /// differ.
    pub fn call(&self, tool: &str, arguments: Value) -> Result<Value, Failure> {
        self.call_as(self.caller.clone(), tool, arguments)
    }

    pub fn call_as(&self, caller: Caller, tool: &str, arguments: Value) -> Result<Value, Failure> {
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object");
        };
        let context = Context::new(caller);
        let tool = self.tools.iter().find(|t| t.name == tool).expect("a tool");
        let answer = self.runtime.block_on((tool.handler)(arguments, context));
        self.clock.advance_seconds(1);
        answer
            .map_err(CallError::into_failure)
            .map(|reply| match reply {
                Reply::Document(document) => serde_json::from_str(&document.0).expect("JSON"),
                _ => panic!("memories are our own"),
            })
    }

    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Stores memories and returns their ids.
    pub fn store(&self, memories: Value) -> Vec<i64> {
        let stored = self
            .call("memory_store", json!({ "memories": memories }))
            .expect("stored");
        let results = stored["results"].as_array().expect("results");
        results
            .iter()
            .map(|result| result["id"].as_i64().expect("an id"))
            .collect()
    }

    /// Stores texts and returns their ids.
    pub fn store_texts(&self, texts: &[&str]) -> Vec<i64> {
        self.store(
            texts
                .iter()
                .map(|text| json!({ "content": text }))
                .collect(),
        )
    }

    pub fn search(&self, arguments: Value) -> Vec<Value> {
        let mut found = self.call("memory_search", arguments).expect("found");
        match found["items"].take() {
            Value::Array(items) => items,
            other => panic!("items are a list, not {other}"),
        }
    }

    pub fn ids(&self, arguments: Value) -> Vec<i64> {
        let items = self.search(arguments);
        items
            .iter()
            .map(|item| item["id"].as_i64().expect("an id"))
            .collect()
    }

    pub fn texts(&self, arguments: Value) -> Vec<String> {
        let items = self.search(arguments);
        items
            .iter()
            .map(|item| item["content"].as_str().expect("a text").to_owned())
            .collect()
    }

    /// The time of the clock in ISO 8601.
    pub fn now(&self) -> String {
        self.clock.now().to_iso()
    }
}
