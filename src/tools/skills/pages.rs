//! Long results of skills: whole where they fit a budget, else page by page. Keeps
//! recent long texts, within a bound, for the cursors into them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::caller::{Caller, Reach};
use crate::clock::Clock;
use crate::failure::{Failure, Kind};
use crate::limits::{self, SKILL_CALL_TOKENS_DEFAULT, TOKEN_BYTES};
use crate::printable::prefix;
use crate::tools::Reply;

pub(super) struct Pages {
    clock: Arc<dyn Clock>,
    /// The newest last.
    texts: Mutex<VecDeque<LongText>>,
}

#[derive(Clone)]
struct LongText {
    id: String,
    /// The session of the caller that got the first page.
    session: Arc<str>,
    text: Arc<str>,
    /// Whether the result was an error, or lacks its structured content.
    is_error: bool,
}

impl Pages {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Pages {
        Pages {
            clock,
            texts: Mutex::default(),
        }
    }

    /// The part of a result that `select` (a JSON Pointer) names, or else the
    /// result unchanged where it fits `budget` bytes, or else its first page.
    ///
    /// Its texts and its structured content mostly say the same, and a client shows
    /// a model one of them, so each has the budget to itself.
    pub(super) fn first(
        &self,
        caller: &Caller,
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
        if let Some(pointer) = select {
            let text = selected(&value, pointer)?;
            let mut rest = Map::new();
            if let Some(is_error) = value.get("isError") {
                rest.insert("isError".to_owned(), is_error.clone());
            }
            return Ok(self.first_page(caller, text, budget, Vec::new(), rest));
        }
        let mut text = text_of(&value);
        let structured = value.get("structuredContent").map(Value::to_string);
        let structured = structured.unwrap_or_default();
        // Images and sounds go whole, on the first page.
        if text.len() <= budget && structured.len() <= budget {
            return Ok(Reply::Forwarded(result.into()));
        }
        if structured.len() > budget {
            let content = value
                .as_object_mut()
                .and_then(|it| it.shift_remove("structuredContent"));
            if !says_the_same(&text, &content.unwrap_or_default()) {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&structured);
            }
            // A client that was promised structured content refuses a result
            // without it, unless the result is an error.
            value["isError"] = true.into();
        }
        let others = value["content"].as_array_mut().map(std::mem::take);
        let mut others = others.unwrap_or_default();
        others.retain(|block| block["type"] != "text");
        let Value::Object(rest) = value else {
            return Ok(Reply::Forwarded(result.into()));
        };
        Ok(self.first_page(caller, text, budget, others, rest))
    }

    /// The page at a cursor. A caller other than the local user, or with limited reach,
    /// may use only the cursors of its own session: its grants may leave out the tool.
    pub(super) fn next(
        &self,
        caller: &Caller,
        cursor: &str,
        budget: usize,
    ) -> Result<Reply, Failure> {
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
        let found = self.texts().iter().find(|kept| kept.id == id).cloned();
        let may_read = |kept: &LongText| {
            let is_unlimited = caller.grants.is_local && *caller.reach() == Reach::Everything;
            is_unlimited || kept.session == caller.session
        };
        let found = found.filter(|kept| may_read(kept) && kept.text.is_char_boundary(at));
        let LongText { text, is_error, .. } = found.ok_or_else(gone)?;
        let mut rest = Map::new();
        if is_error {
            // Else a client that was promised structured content refuses the page.
            rest.insert("isError".to_owned(), true.into());
        }
        Ok(page(id, &text, at, budget, Vec::new(), rest))
    }

    fn first_page(
        &self,
        caller: &Caller,
        text: String,
        budget: usize,
        others: Vec<Value>,
        rest: Map<String, Value>,
    ) -> Reply {
        let id = self.clock.new_id();
        let text: Arc<str> = text.into();
        if text.len() > budget {
            self.keep(LongText {
                id: id.clone(),
                session: caller.session.clone(),
                text: text.clone(),
                is_error: rest.get("isError").is_some_and(|flag| flag == true),
            });
        }
        page(&id, &text, 0, budget, others, rest)
    }

    fn keep(&self, text: LongText) {
        let mut texts = self.texts();
        texts.push_back(text);
        let bytes = |texts: &VecDeque<LongText>| -> usize {
            texts.iter().map(|kept| kept.text.len()).sum()
        };
        while texts.len() > 1 && bytes(&texts) > limits::SKILL_PAGES_BYTES_MAX {
            texts.pop_front();
        }
    }

    fn texts(&self) -> MutexGuard<'_, VecDeque<LongText>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a text from `at`, with `others` after it, in a result whose other
/// members are `rest`.
fn page(
    id: &str,
    text: &str,
    at: usize,
    budget: usize,
    others: Vec<Value>,
    rest: Map<String, Value>,
) -> Reply {
    let page = prefix(&text[at..], budget);
    let end = at + page.len();
    let mut content = vec![json!({"type": "text", "text": page})];
    content.extend(others);
    if end < text.len() {
        // It may be read with another budget than this page's.
        let part = budget.min(SKILL_CALL_TOKENS_DEFAULT as usize * TOKEN_BYTES);
        let mut last = end.max(text.len().saturating_sub(part));
        while !text.is_char_boundary(last) {
            last += 1;
        }
        let trailer = json!({
            "truncated": true,
            "next_cursor": format!("{id}.{end}"),
            "last_cursor": format!("{id}.{last}"),
            "shown_bytes": [at, end],
            "total_bytes": text.len(),
            "next_step": "call skill_read with next_cursor as cursor, or with last_cursor \
                          for the end; max_tokens makes the parts larger",
        });
        content.push(json!({"type": "text", "text": trailer.to_string()}));
    }
    let mut result = rest;
    result.insert("content".to_owned(), content.into());
    Reply::Object(Value::Object(result))
}

/// Whether a text is the structured content as JSON, or its only string.
fn says_the_same(text: &str, structured: &Value) -> bool {
    let is_only = |members: &Map<String, Value>| {
        members.len() == 1 && members.values().all(|member| member == text)
    };
    structured.as_object().is_some_and(is_only)
        || serde_json::from_str::<Value>(text).is_ok_and(|value| value == *structured)
}

/// The text blocks of a result, joined by line breaks.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Grants;
    use crate::clock::{FixedClock, Timestamp};

    fn caller(session: &str, reach: Reach) -> Caller {
        let grants = Grants {
            reach,
            ..Grants::local("a")
        };
        Caller::new(grants, session)
    }

    #[test]
    fn cursor_is_valid_in_its_session_and_for_unlimited_callers() {
        let pages = Pages::new(Arc::new(FixedClock::at(Timestamp(0))));
        let result = json!({"content": [{"type": "text", "text": "x".repeat(100)}]});
        let result = serde_json::value::to_raw_value(&result).expect("JSON");
        let fenced = |session| caller(session, Reach::fenced("a"));
        pages
            .first(&fenced("one"), result, None, 60)
            .expect("a first page");
        let cursor = format!("{}.60", pages.texts()[0].id);
        let next = |caller: &Caller| pages.next(caller, &cursor, 60);
        next(&fenced("one")).expect("its own");
        next(&caller("two", Reach::Everything)).expect("the local user's");
        let mut keyed = Grants::local("a");
        keyed.is_local = false;
        let keyed = next(&Caller::new(keyed, "two"));
        assert!(keyed.is_err(), "a key's tools may be others");
        let Err(unknown) = next(&fenced("two")) else {
            panic!("another caller's cursor was known");
        };
        assert_eq!(unknown.kind, Kind::NotFound);
    }
}
