//! An encoder behind an HTTP endpoint with `POST URL/embeddings`, such as Ollama's or
//! OpenAI's.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::Embedder;
use crate::endpoint::{Requests, refusal};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::text;

/// The prefixes that the model expects before texts; mostly empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefixes {
    pub(crate) document: String,
    pub(crate) query: String,
}

pub(crate) struct Remote {
    requests: Requests,
    model: String,
    prefixes: Prefixes,
    space: String,
    /// The last failure and when it happened. For some time after it no request is
    /// made, so that calls do not wait for a server that is down.
    failed: Mutex<Option<(Instant, Problem)>>,
}

/// A predicate of the encoder's name, and the fix.
type Problem = (String, String);

#[derive(Deserialize)]
struct Response {
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl Remote {
    pub(crate) fn new(requests: Requests, model: &str, prefixes: Prefixes) -> Remote {
        // A document prefix changes the vectors, so those with another prefix are not
        // comparable.
        let space = match prefixes.document.as_str() {
            "" => model.to_owned(),
            prefix => format!("{model} after {prefix:?}"),
        };
        Remote {
            requests,
            model: model.to_owned(),
            prefixes,
            space,
            failed: Mutex::default(),
        }
    }

    fn embed(&self, texts: &[String], timeout: Duration) -> Result<Vec<Vec<f32>>, Failure> {
        if let Some((at, problem)) = &*self.failed()
            && at.elapsed() < Duration::from_secs(limits::EMBED_RETRY_SECONDS)
        {
            return Err(self.unavailable(problem));
        }
        let asked = self.ask(texts, timeout);
        asked.map_err(|problem| {
            let failure = self.unavailable(&problem);
            *self.failed() = Some((Instant::now(), problem));
            failure
        })
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Instant, Problem)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unavailable(&self, (why, fix): &Problem) -> Failure {
        let message = format!("the encoder at {} {why}", self.requests.base());
        Failure::new(Kind::Unavailable, message).hint(fix.clone())
    }

    fn ask(&self, texts: &[String], timeout: Duration) -> Result<Vec<Vec<f32>>, Problem> {
        let body = json!({"model": self.model, "input": texts}).to_string();
        let most = limits::EMBED_BODY_BYTES_MAX;
        let start = || "start it, or check [embedding] in config.toml".to_owned();
        let posted = self.requests.post("/embeddings", &body, timeout, most);
        let (status, body) = posted.map_err(|why| (why, start()))?;
        if status != 200 {
            let model = &self.model;
            let fix = match status {
                404 => format!("see that it has the model; with Ollama: ollama pull {model}"),
                401 | 403 => "check the key that key_variable of [embedding] names".to_owned(),
                _ => start(),
            };
            return Err((refusal(status), fix));
        }
        let unfit = |what: &str| (format!("answered with {what}"), start());
        let response: Response = serde_json::from_slice(&body)
            .map_err(|_| unfit("something that is not an embedding"))?;
        let mut rows = response.data;
        rows.sort_by_key(|row| row.index);
        let width = rows.first().map_or(0, |row| row.embedding.len());
        let is_whole = rows.len() == texts.len()
            && (1..=limits::EMBED_DIMENSIONS_MAX).contains(&width)
            && rows.iter().all(|row| row.embedding.len() == width);
        if !is_whole {
            return Err(unfit("vectors that are missing or of unequal length"));
        }
        let vectors = rows.into_iter().map(|row| unit(row.embedding));
        let vectors: Option<Vec<Vec<f32>>> = vectors.collect();
        vectors.ok_or_else(|| unfit("a vector without a direction"))
    }
}

impl Embedder for Remote {
    fn model_id(&self) -> &str {
        &self.space
    }

    fn may_be_unavailable(&self) -> bool {
        true
    }

    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure> {
        let windows = windows(text).map(|window| format!("{}{window}", self.prefixes.document));
        let windows: Vec<String> = windows.take(limits::EMBED_CHUNKS_MAX).collect();
        let most = Duration::from_secs(limits::EMBED_DOCUMENT_SECONDS_MAX);
        self.embed(&windows, most)
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure> {
        let first = windows(text).next().unwrap_or_default();
        let query = [format!("{}{first}", self.prefixes.query)];
        let most = Duration::from_secs(limits::EMBED_QUERY_SECONDS_MAX);
        let mut vectors = self.embed(&query, most)?;
        vectors
            .pop()
            .ok_or_else(|| Failure::internal("a query without a vector"))
    }
}

/// The windows of a text, each short enough for a model of 512 tokens.
fn windows(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim();
    let mut is_first = true;
    std::iter::from_fn(move || {
        if rest.is_empty() && !is_first {
            return None;
        }
        is_first = false;
        let window = text::beginning(rest, limits::EMBED_WINDOW_BYTES_MAX);
        rest = rest[window.len()..].trim_start();
        Some(window)
    })
}

/// The vector scaled to unit length; `None` if it is zero or not finite.
fn unit(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let squares = vector.iter().map(|number| f64::from(*number).powi(2));
    let length = squares.sum::<f64>().sqrt();
    if !length.is_normal() {
        return None;
    }
    for number in &mut vector {
        *number = (f64::from(*number) / length) as f32;
    }
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_has_windows_that_hold_all_of_it() {
        let text = "word ".repeat(1_000);
        let parts: Vec<&str> = windows(&text).collect();
        assert!(parts.len() > 2);
        assert!(
            parts
                .iter()
                .all(|part| part.len() <= limits::EMBED_WINDOW_BYTES_MAX)
        );
        assert_eq!(parts.join(" "), text.trim());
        assert_eq!(windows("short").collect::<Vec<_>>(), ["short"]);
        assert_eq!(windows(" ").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn vectors_have_unit_length_or_are_none() {
        assert_eq!(unit(vec![3.0, 4.0]), Some(vec![0.6, 0.8]));
        assert_eq!(unit(vec![0.0, 0.0]), None);
        assert_eq!(unit(vec![f32::NAN, 1.0]), None);
    }
}
