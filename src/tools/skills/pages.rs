//! Long results of skills: whole where they fit a budget, else page by page. Keeps
//! recent long texts, within a bound, for the cursors into them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::caller::{Caller, Reach};
use crate::clock::Clock;
use crate::failure::{Failure, Kind};
use crate::limits;
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
        let is_error = value.get("isError").cloned();
        if let Some(pointer) = select {
            let text = selected(&value, pointer)?;
            return self.first_page(caller, text.into(), budget, Vec::new(), is_error);
        }
        let text = text_of(&value);
        // Images and sounds go whole, on the first page.
        if text.is_empty() {
            return Ok(Reply::Forwarded(result.into()));
        }
        let others = value["content"].as_array_mut().map(std::mem::take);
        let mut others = others.unwrap_or_default();
        others.retain(|block| block["type"] != "text");
        self.first_page(caller, text.into(), budget, others, is_error)
    }

    /// The page at a cursor. A caller with limited reach may use only the cursors
    /// of its own session.
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
            *caller.reach() == Reach::Everything || kept.session == caller.session
        };
        let found = found.filter(|kept| may_read(kept) && kept.text.is_char_boundary(at));
        let text = found.ok_or_else(gone)?.text;
        self.page(id, text, at, budget, Vec::new(), None)
    }

    fn first_page(
        &self,
        caller: &Caller,
        text: Arc<str>,
        budget: usize,
        others: Vec<Value>,
        is_error: Option<Value>,
    ) -> Result<Reply, Failure> {
        let id = self.clock.new_id();
        if text.len() > budget {
            self.keep(LongText {
                id: id.clone(),
                session: caller.session.clone(),
                text: text.clone(),
            });
        }
        self.page(&id, text, 0, budget, others, is_error)
    }

    fn page(
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
        let Err(unknown) = next(&fenced("two")) else {
            panic!("another caller's cursor was known");
        };
        assert_eq!(unknown.kind, Kind::NotFound);
    }
}
