//! Mistakes in documents that a person or a model wrote, such as a manifest, a
//! definition, a settings file or a call: each with its path, reason and fix. Also
//! suggests known names for a misspelled one.

use std::fmt;

use serde_json::{Value, json};

use crate::failure::{Failure, Kind};
use crate::limits::DIAGNOSTIC_VALUE_CHARS_MAX;

/// One mistake. `C` is the class of the broken rule, in rooms that distinguish them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic<C = ()> {
    /// A JSON Pointer into the document (`""` is all of it), or a line of a file.
    pub path: String,
    pub class: C,
    /// The value at `path`, cut short; absent where it may be a secret.
    pub value: Option<Value>,
    /// What is wrong and why that matters.
    pub reason: String,
    /// The next step.
    pub fix: String,
}

impl<C> Diagnostic<C> {
    /// A mistake in the whole document; `under` and `below` set its path.
    pub(crate) fn new(class: C, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Diagnostic {
            path: String::new(),
            class,
            value: None,
            reason: reason.into(),
            fix: fix.into(),
        }
    }

    /// Puts `key` in front of the path.
    pub(crate) fn under(mut self, key: impl fmt::Display) -> Self {
        self.path = format!("/{}{}", pointer_token(&key.to_string()), self.path);
        self
    }

    /// Puts a whole pointer in front of the path.
    pub(crate) fn below(mut self, pointer: &str) -> Self {
        self.path.insert_str(0, pointer);
        self
    }
}

impl Diagnostic {
    pub(crate) fn at(
        path: impl Into<String>,
        reason: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Diagnostic::new((), reason, fix).below(&path.into())
    }

    /// A mistake at `path` in `document`, with the value there.
    pub(crate) fn in_document(
        document: &Value,
        path: impl Into<String>,
        reason: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let mut diagnostic = Diagnostic::at(path, reason, fix);
        diagnostic.value = Some(
            document
                .pointer(&diagnostic.path)
                .map_or(Value::Null, brief),
        );
        diagnostic
    }

    /// `{"path","value","message","fix"}`, as tools and commands print it.
    pub(crate) fn document(&self) -> Value {
        json!({
            "path": self.path,
            "value": self.value,
            "message": self.reason,
            "fix": self.fix,
        })
    }
}

impl<C> fmt::Display for Diagnostic<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(out, "{}", self.reason),
            path => write!(out, "{path}: {}", self.reason),
        }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Failure {
        Failure::new(Kind::InvalidArguments, diagnostic.to_string()).hint(diagnostic.fix)
    }
}

/// The names among `known` that `word` probably stands for, best first, at most three.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // No name is longer, and the distance takes time proportional to the length.
    let word: String = word.to_lowercase().chars().take(64).collect();
    let word_chars = word.chars().count();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let other = name.to_lowercase();
            let distance = strsim::damerau_levenshtein(&word, &other);
            let is_close = distance <= 1 + word_chars.max(other.chars().count()) / 5;
            let is_part = word_chars >= 3 && (other.contains(&word) || word.contains(&other));
            (is_close || is_part).then_some((distance, name))
        })
        .collect();
    near.sort_unstable();
    near.truncate(3);
    near.into_iter().map(|(_, name)| name).collect()
}

/// `did you mean "limit"?`, where some known name is near.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let near = nearest(word, known);
    let names: Vec<String> = near.iter().map(|name| format!("\"{name}\"")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

/// `did you mean ..?`, or else all the names there are.
pub(crate) fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match did_you_mean(word, known.iter().copied()) {
        Some(question) => question,
        None if known.is_empty() => "none exists yet".to_owned(),
        None => format!("choose one of {}", known.join(", ")),
    }
}

/// A key as a JSON Pointer writes it.
pub(crate) fn pointer_token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// `text` in quotes, with control characters escaped, cut short.
pub(crate) fn shown(text: &str) -> String {
    format!("{:?}", clip(text, 60))
}

/// `value` as a message may hold it: itself, or the beginning of its text.
pub(crate) fn brief(value: &Value) -> Value {
    let text = value.to_string();
    match text.chars().nth(DIAGNOSTIC_VALUE_CHARS_MAX) {
        Some(_) => json!(clip(&text, DIAGNOSTIC_VALUE_CHARS_MAX)),
        None => value.clone(),
    }
}

/// The first `chars` characters of `text`, with `…` where more follow.
pub(crate) fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `1 memory`, `3 memories`.
pub(crate) fn counted<N: From<u8> + PartialEq + fmt::Display>(
    count: N,
    one: &str,
    many: &str,
) -> String {
    let unit = if count == N::from(1) { one } else { many };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_thing_is_singular() {
        for (count, expected) in [(0, "0 memories"), (1, "1 memory"), (2, "2 memories")] {
            assert_eq!(counted::<usize>(count, "memory", "memories"), expected);
        }
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = [
            "memory_store",
            "memory_search",
            "memory_edit",
            "mimo_status",
        ];
        let near = |word: &str| nearest(word, names);
        assert_eq!(near("memory_stor"), ["memory_store"]);
        assert_eq!(near("search"), ["memory_search"]);
        assert_eq!(near("Mimo-Status"), ["mimo_status"]);
        assert!(near("xyz").is_empty() && near("").is_empty());
        assert!(near(&"m".repeat(100_000)).is_empty());
    }

    #[test]
    fn a_suggestion_asks_lists_or_says_that_there_is_nothing() {
        assert_eq!(
            suggest("limt", ["limit", "query"]),
            "did you mean \"limit\"?"
        );
        assert_eq!(
            suggest("x", ["limit", "query"]),
            "choose one of limit, query"
        );
        assert_eq!(suggest("x", []), "none exists yet");
    }

    #[test]
    fn a_path_is_built_from_the_inside_out() {
        let diagnostic = Diagnostic::at("/args", "is empty", "add one");
        let diagnostic = diagnostic.under("a/b").below("/skills");
        assert_eq!(diagnostic.to_string(), "/skills/a~1b/args: is empty");
    }

    #[test]
    fn a_long_value_is_cut_short() {
        let document = json!({"text": "é".repeat(1_000), "short": 1});
        let long = Diagnostic::in_document(&document, "/text", "is too long", "shorten it");
        let value = long.value.expect("there is one").to_string();
        assert!(value.chars().count() < 200, "{value}");
        let short = Diagnostic::in_document(&document, "/short", "is odd", "use 2");
        assert_eq!(short.value, Some(json!(1)));
    }
}
