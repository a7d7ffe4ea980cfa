//! One step of the demo as it happens: what was asked, what came back, how
//! long the server took, and what was expected of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Client;
use crate::failure::{Failure, Kind};

/// A line of the story, in the order things happened.
pub(super) enum Line {
    /// Sent to the server: a tool (or method) and its arguments.
    Asked(String, Value),
    /// What came back, in short.
    Told(String),
}

/// What one step did.
#[derive(Default)]
pub(super) struct Scene {
    pub lines: Vec<Line>,
    /// The documents the server returned, whole.
    pub documents: Vec<Value>,
    /// Time spent waiting for the server.
    pub waited: Duration,
}

impl Scene {
    /// Runs `ask` on the clock, after noting what is asked.
    pub(super) fn timed<T>(
        &mut self,
        what: &str,
        arguments: Value,
        ask: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.lines.push(Line::Asked(what.to_owned(), arguments));
        let begun = Instant::now();
        let answer = ask();
        self.waited += begun.elapsed();
        answer
    }

    /// Calls `tool`; gives its document, which must not be an error.
    pub(super) fn call(
        &mut self,
        client: &mut Client,
        tool: &str,
        arguments: Value,
    ) -> Result<Value, Failure> {
        let (document, is_error) = self.try_call(client, tool, arguments)?;
        expect(!is_error, || format!("{tool} failed: {document}"))?;
        Ok(document)
    }

    /// Calls `tool`; gives its document and whether it is an error.
    pub(super) fn try_call(
        &mut self,
        client: &mut Client,
        tool: &str,
        arguments: Value,
    ) -> Result<(Value, bool), Failure> {
        let params = json!({"name": tool, "arguments": arguments});
        let result = self.timed(tool, arguments, || client.request("tools/call", params))?;
        let (document, is_error) = document_of(&result)?;
        self.documents.push(document.clone());
        Ok((document, is_error))
    }

    /// Has a skill's tool read something; gives the text, and whether it is an
    /// error.
    pub(super) fn skill(
        &mut self,
        client: &mut Client,
        arguments: Value,
    ) -> Result<(String, bool), Failure> {
        let params = json!({"name": "skill_read", "arguments": arguments});
        let result = self.timed("skill_read", arguments, || {
            client.request("tools/call", params)
        })?;
        let text = result["content"][0]["text"].as_str().map(str::to_owned);
        let text = text.ok_or_else(|| unexpected(format!("no text in {result}")))?;
        let is_error = result["isError"] == true;
        self.documents.push(result);
        Ok((text, is_error))
    }

    /// Searches; gives what was found, best first.
    pub(super) fn search(
        &mut self,
        client: &mut Client,
        arguments: Value,
    ) -> Result<Vec<Found>, Failure> {
        let document = self.call(client, "memory_search", arguments)?;
        let items = document["items"].as_array();
        let items = items.ok_or_else(|| unexpected(format!("no items in {document}")))?;
        Ok(items.iter().map(Found::of).collect())
    }

    /// Tells what came back.
    pub(super) fn tell(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Told(text.into()));
    }
}

/// A memory that a search found.
#[derive(Debug)]
pub(super) struct Found {
    pub id: i64,
    pub content: String,
    pub score: f64,
}

impl Found {
    fn of(item: &Value) -> Found {
        Found {
            id: item["id"].as_i64().unwrap_or_default(),
            content: item["content"].as_str().unwrap_or_default().to_owned(),
            score: item["score"].as_f64().unwrap_or_default(),
        }
    }
}

/// The document in a `tools/call` result, and whether it is an error.
pub(super) fn document_of(result: &Value) -> Result<(Value, bool), Failure> {
    let text = result["content"][0]["text"].as_str();
    let document = text.and_then(|text| serde_json::from_str(text).ok());
    let document = document.ok_or_else(|| unexpected(format!("no document in {result}")))?;
    Ok((document, result["isError"] == true))
}

/// The demo checks itself: a step whose answer is not the expected one fails.
pub(super) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    match holds {
        true => Ok(()),
        false => Err(unexpected(otherwise())),
    }
}

fn unexpected(what: String) -> Failure {
    Failure::new(Kind::Internal, what)
}
