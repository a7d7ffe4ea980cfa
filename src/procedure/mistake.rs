//! What is wrong in a definition: the place, the value, the reason and the fix.
//! A check tells all of them at once.

use std::fmt;

use serde_json::{Value, json};

use crate::limits;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// JSON Pointer into the definition; `""` is the whole.
    pub path: String,
    /// What stands there, cut short.
    pub value: Value,
    /// What is wrong with it.
    pub message: String,
    /// The next step.
    pub fix: String,
}

impl Mistake {
    /// A mistake at `path` of `whole`, with the value that stands there.
    pub fn at(
        whole: &Value,
        path: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Mistake {
        let path = path.into();
        let value = whole.pointer(&path).map_or(Value::Null, short);
        Mistake {
            path,
            value,
            message: message.into(),
            fix: fix.into(),
        }
    }

    /// `{"path","value","message","fix"}`.
    pub fn document(&self) -> Value {
        json!({
            "path": self.path,
            "value": self.value,
            "message": self.message,
            "fix": self.fix,
        })
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(out, "{}", self.message),
            path => write!(out, "{path}: {}", self.message),
        }
    }
}

/// A value as a message may hold it: whole where it is short, else its
/// beginning as a text.
pub fn short(value: &Value) -> Value {
    let text = value.to_string();
    match text.char_indices().nth(limits::PROCEDURE_SHOWN_CHARS_MAX) {
        Some((end, _)) => json!(format!("{}…", &text[..end])),
        None => value.clone(),
    }
}

/// A key as a JSON Pointer writes it.
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// `did you mean ..?`, or what there is.
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let best = known
        .iter()
        .map(|name| {
            let distance = strsim::damerau_levenshtein(&word.to_lowercase(), &name.to_lowercase());
            (distance, *name)
        })
        .filter(|(distance, name)| *distance <= 1 + name.len().max(word.len()) / 4)
        .min();
    match best {
        Some((_, name)) => format!("did you mean {name}?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("there are {}", known.join(", ")),
    }
}
