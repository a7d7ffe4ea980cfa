//! Results of skills within a budget: whole where they fit, else page by page.
//! Keeps the rest of long texts for a while, within bounds.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::tools::Reply;

/// Long texts whose beginning was shown, the newest last.
pub struct Pages {
    clock: Arc<dyn Clock>,
    kept: Mutex<VecDeque<(String, Arc<str>)>>,
}

impl Pages {
    /// Nothing kept yet; `clock` names what will be.
    pub fn new(clock: Arc<dyn Clock>) -> Pages {
        Pages {
            clock,
            kept: Mutex::default(),
        }
    }

    /// A result as it came, if it fits `budget` bytes; the part that `select`
    /// (a JSON Pointer) names, where it is given; else the first page.
    pub fn first(
        &self,
        result: Box<RawValue>,
        select: Option<&str>,
        budget: usize,
    ) -> Result<Reply, Failure> {
        if select.is_none() && result.get().len() <= budget {
            return Ok(Reply::Forwarded(result.into()));
        }
        let mut value: Value = serde_json::from_str(result.get()).map_err(|error| {
            Failure::new(Kind::Unavailable, "the skill's result is not JSON").source(error)
        })?;
        let is_error = value.get("isError").cloned();
        if let Some(pointer) = select {
            let text = selected(&value, pointer)?;
            return self.page(text.into(), 0, budget, Vec::new(), is_error);
        }
        let text = text_of(&value);
        // Pictures and sounds are no text: they go whole, on the first page.
        if text.is_empty() {
            return Ok(Reply::Forwarded(result.into()));
        }
        let others = value["content"].as_array_mut().map(std::mem::take);
        let mut others = others.unwrap_or_default();
        others.retain(|block| block["type"] != "text");
        self.page(text.into(), 0, budget, others, is_error)
    }

    /// The page that a cursor leads to.
    pub fn next(&self, cursor: &str, budget: usize) -> Result<Reply, Failure> {
        let gone = || {
            Failure::new(
                Kind::NotFound,
                "the rest of that result is not kept any more",
            )
            .at("/cursor")
            .hint("call the tool again without a cursor, or with select for a part of it")
        };
        let (id, at) = cursor.split_once('.').ok_or_else(gone)?;
        let at: usize = at.parse().map_err(|_| gone())?;
        let kept = self.kept().iter().find(|(kept, _)| kept == id).cloned();
        let (_, text) = kept
            .filter(|(_, text)| text.is_char_boundary(at))
            .ok_or_else(gone)?;
        self.page_of(id, text, at, budget, Vec::new(), None)
    }

    fn page(
        &self,
        text: Arc<str>,
        at: usize,
        budget: usize,
        others: Vec<Value>,
        is_error: Option<Value>,
    ) -> Result<Reply, Failure> {
        let id = self.clock.new_id();
        if text.len() > budget {
            self.keep(id.clone(), text.clone());
        }
        self.page_of(&id, text, at, budget, others, is_error)
    }

    fn page_of(
        &self,
        id: &str,
        text: Arc<str>,
        at: usize,
        budget: usize,
        others: Vec<Value>,
        is_error: Option<Value>,
    ) -> Result<Reply, Failure> {
        let mut end = text.len().min(at.saturating_add(budget));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut content = vec![json!({"type": "text", "text": &text[at..end]})];
        content.extend(others);
        if end < text.len() {
            let rest = json!({"truncated": true, "next_cursor": format!("{id}.{end}")});
            content.push(json!({"type": "text", "text": rest.to_string()}));
        }
        let mut result = json!({ "content": content });
        if let Some(is_error) = is_error {
            result["isError"] = is_error;
        }
        Ok(Reply::Object(result))
    }

    fn keep(&self, id: String, text: Arc<str>) {
        let mut kept = self.kept();
        kept.push_back((id, text));
        let bytes = |kept: &VecDeque<(String, Arc<str>)>| -> usize {
            kept.iter().map(|(_, text)| text.len()).sum()
        };
        while kept.len() > 1 && bytes(&kept) > limits::SKILL_PAGES_BYTES_MAX {
            kept.pop_front();
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, Arc<str>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text blocks of a result, a line between them.
fn text_of(result: &Value) -> String {
    let blocks = result["content"].as_array();
    let texts = blocks
        .into_iter()
        .flatten()
        .filter_map(|block| block["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}

fn selected(result: &Value, pointer: &str) -> Result<String, Failure> {
    match result.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value) => Ok(value.to_string()),
        None => {
            let members = result
                .as_object()
                .into_iter()
                .flat_map(|members| members.keys());
            let members: Vec<String> = members.map(|key| format!("/{key}")).collect();
            Err(
                Failure::invalid("/select", format!("the result has nothing at {pointer:?}"))
                    .hint(format!("it has {}", members.join(", "))),
            )
        }
    }
}
