//! The log of one step: the calls, the answers, and the time they took.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Client;
use crate::failure::{Failure, Kind};

pub(super) enum Line {
    /// A tool or method, and its arguments.
    Call(String, Value),
    /// A summary of the answer.
    Note(String),
}

#[derive(Default)]
pub(super) struct StepLog {
    pub(crate) lines: Vec<Line>,
    /// The complete answers.
    pub(crate) documents: Vec<Value>,
    /// Why the step cannot be shown on this machine.
    pub(super) skipped: Option<String>,
    /// Time spent waiting for the server.
    pub(crate) waited: Duration,
}

impl StepLog {
    /// Logs a call and measures how long `ask` takes.
    pub(super) fn timed<T>(
        &mut self,
        what: &str,
        arguments: Value,
        ask: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.lines.push(Line::Call(what.to_owned(), arguments));
        let begun = Instant::now();
        let answer = ask();
        self.waited += begun.elapsed();
        answer
    }

    /// Calls `tool` and returns its document, which must not be an error.
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

    /// Calls `tool`; returns its document and whether it is an error.
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

    /// Calls a skill's tool; returns its text and whether it is an error.
    pub(super) fn call_skill(
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

    /// The memories that a search finds, best first.
    pub(super) fn search(
        &mut self,
        client: &mut Client,
        arguments: Value,
    ) -> Result<Vec<FoundMemory>, Failure> {
        let document = self.call(client, "memory_search", arguments)?;
        let items = document["items"].as_array();
        let items = items.ok_or_else(|| unexpected(format!("no items in {document}")))?;
        Ok(items.iter().map(FoundMemory::of).collect())
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Note(text.into()));
    }
}

#[derive(Debug)]
pub(super) struct FoundMemory {
    pub(crate) id: i64,
    pub(crate) content: String,
    pub(crate) score: f64,
}

impl FoundMemory {
    fn of(item: &Value) -> FoundMemory {
        FoundMemory {
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

/// Fails the step unless `holds`.
pub(super) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    match holds {
        true => Ok(()),
        false => Err(unexpected(otherwise())),
    }
}

fn unexpected(what: String) -> Failure {
    Failure::new(Kind::Internal, what)
}

/// The ids and outcomes in a `memory_store` document.
pub(super) fn outcomes(document: &Value) -> Vec<(i64, String)> {
    let results = document["results"].as_array().cloned().unwrap_or_default();
    results
        .iter()
        .filter_map(|each| Some((each["id"].as_i64()?, each["outcome"].as_str()?.to_owned())))
        .collect()
}
