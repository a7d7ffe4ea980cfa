//! What a call of `ask_mimo` asks for.

use std::time::Duration;

use tokio::time::Instant;

use crate::ask::Store;
use crate::failure::Failure;
use crate::limits;
use crate::tools::Arguments;
use crate::tools::arguments::Reader;

/// The arguments of a call.
pub struct Request {
    /// The question.
    pub query: String,
    /// The stores that the caller chose.
    pub stores: Option<Vec<Store>>,
    /// How long it may take.
    pub patience: Duration,
    /// What the whole answer may have.
    pub budget_bytes: usize,
    /// The conversation it goes on with.
    pub context_id: Option<String>,
}

/// When a call began, and how long it may take.
#[derive(Clone, Copy)]
pub struct Time {
    /// The beginning.
    pub began: Instant,
    /// From then on.
    pub patience: Duration,
}

impl Time {
    /// When so many tenths of it are over.
    pub fn tenths(self, tenths: u32) -> Instant {
        self.began + self.patience * tenths / 10
    }
}

impl Request {
    /// Reads arguments that fit the schema.
    pub fn read(arguments: &Arguments) -> Result<Request, Failure> {
        let reader = Reader::new(arguments);
        Ok(Request {
            query: query(&reader)?.to_owned(),
            stores: stores(&reader)?,
            patience: patience(&reader)?,
            budget_bytes: budget(&reader)?,
            context_id: reader.name("context_id")?,
        })
    }
}

fn query<'a>(reader: &Reader<'a>) -> Result<&'a str, Failure> {
    let query = reader.text("query")?.unwrap_or_default();
    if query.trim().is_empty() {
        return Err(Failure::invalid("/query", "nothing is asked")
            .hint("ask for what you want to know in a sentence"));
    }
    if query.len() > limits::QUERY_BYTES_MAX {
        let (bytes, most) = (query.len(), limits::QUERY_BYTES_MAX);
        return Err(Failure::invalid(
            "/query",
            format!("the query has {bytes} bytes; at most {most} fit"),
        )
        .hint("ask for what you want to know in a sentence"));
    }
    Ok(query)
}

/// The stores that the caller chose, without doubles.
fn stores(reader: &Reader<'_>) -> Result<Option<Vec<Store>>, Failure> {
    let names = reader.names("stores", 2 * Store::ALL.len())?;
    let mut stores: Vec<Store> = Vec::new();
    for (nth, name) in names.into_iter().flatten().enumerate() {
        let store = Store::ALL.into_iter().find(|store| store.name() == name);
        let store = store.ok_or_else(|| {
            let path = format!("/stores/{nth}");
            Failure::invalid(path, format!("there is no store {name:?}"))
                .hint("use episodic, semantic, procedural or skills")
        })?;
        if !stores.contains(&store) {
            stores.push(store);
        }
    }
    Ok((!stores.is_empty()).then_some(stores))
}

fn patience(reader: &Reader<'_>) -> Result<Duration, Failure> {
    let millis = reader.integer("timeout_ms")?.unwrap_or(5000);
    let (least, most) = (limits::ASK_MILLIS_MIN, limits::ASK_MILLIS_MAX);
    let fits = u64::try_from(millis).ok();
    let fits = fits.filter(|millis| (least..=most).contains(millis));
    fits.map(Duration::from_millis).ok_or_else(|| {
        Failure::invalid(
            "/timeout_ms",
            format!("{millis} is not between {least} and {most}"),
        )
    })
}

fn budget(reader: &Reader<'_>) -> Result<usize, Failure> {
    let bytes = reader.budget(2000)?;
    let least = limits::ASK_TOKENS_MIN;
    if bytes < least * limits::TOKEN_BYTES {
        let why = format!("an answer with its sources needs at least {least} tokens");
        return Err(Failure::invalid("/max_tokens", why)
            .hint("memory_search answers in fewer, where a memory is wanted"));
    }
    Ok(bytes)
}
