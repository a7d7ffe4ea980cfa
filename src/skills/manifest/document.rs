//! Parses a manifest into a tree that keeps the order of its keys, and writes it
//! back. Finds what JSON parsers accept silently: duplicate keys, and text after
//! the end. Knows nothing of skills.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Number, Value};

use crate::diagnostics::pointer_token;
use crate::limits::{SKILL_REFUSALS_MAX, SKILLS_FILE_BYTES_MAX, SKILLS_FILE_DEPTH_MAX};
use crate::skills::refusal::{Class, Refusal, shown};

/// A JSON value whose objects keep the order in which a person wrote them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A scalar.
    Leaf(Value),
    List(Vec<Node>),
    /// No key occurs twice.
    Object(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node)
    }

    /// The entries of an object; empty for anything else.
    pub(crate) fn entries(&self) -> &[(String, Node)] {
        match self {
            Node::Object(entries) => entries,
            _ => &[],
        }
    }

    /// The same without the order of keys.
    pub(crate) fn value(&self) -> Value {
        match self {
            Node::Leaf(value) => value.clone(),
            Node::List(nodes) => nodes.iter().map(Node::value).collect(),
            Node::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.clone(), node.value()))
                    .collect(),
            ),
        }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Node {
        match value {
            Value::Array(values) => Node::List(values.into_iter().map(Node::from).collect()),
            Value::Object(map) => Node::Object(
                map.into_iter()
                    .map(|(key, value)| (key, value.into()))
                    .collect(),
            ),
            leaf => Node::Leaf(leaf),
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Leaf(value) => value.serialize(serializer),
            Node::List(nodes) => serializer.collect_seq(nodes),
            Node::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, node) in entries {
                    map.serialize_entry(key, node)?;
                }
                map.end()
            }
        }
    }
}

/// Parses `bytes`, or reports everything that is wrong with them as JSON.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node, Vec<Refusal>> {
    let alone = |class, why: String, fix: &str| Err(vec![Refusal::new(class, why, fix)]);
    if bytes.len() > SKILLS_FILE_BYTES_MAX {
        let why = format!("the file is longer than {SKILLS_FILE_BYTES_MAX} bytes");
        return alone(Class::File, why, "keep only skills in it");
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let why = format!("byte {} is not UTF-8 text", error.valid_up_to());
            return alone(Class::Text, why, "save the file as UTF-8");
        }
    };
    let text = without_comments(text.strip_prefix('\u{feff}').unwrap_or(text));
    let found = RefCell::new(Vec::new());
    let seed = Seed {
        path: String::new(),
        depth: 0,
        found: &found,
    };
    let mut reader = serde_json::Deserializer::from_str(&text);
    let read = seed
        .deserialize(&mut reader)
        .and_then(|node| reader.end().map(|()| node));
    let mut found = found.into_inner();
    match read {
        Ok(node) if found.is_empty() => Ok(node),
        Ok(_) => Err(found),
        Err(error) => {
            let fix = "write JSON: keys and texts in double quotes, a comma between two entries and \
                       nothing after the end";
            if !error.is_data() {
                found.push(Refusal::new(Class::Text, format!("not JSON: {error}"), fix));
            }
            Err(found)
        }
    }
}

/// JSON with comments and trailing commas, which some clients write, as JSON. Spaces
/// take their place, so that lines and columns stay.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut comma, mut last) = (None, '[');
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' => string_length(rest),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => c.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        rest = after;
        if c == '/' && length > 1 {
            out.extend(piece.chars().map(|c| if c == '\n' { c } else { ' ' }));
            continue;
        }
        if let (']' | '}', Some(at)) = (c, comma) {
            out.replace_range(at..at + 1, " ");
        }
        if c == ',' && !matches!(last, '[' | '{' | ',' | ':') {
            comma = Some(out.len());
        } else if !c.is_whitespace() {
            comma = None;
        }
        if !c.is_whitespace() {
            last = c;
        }
        out.push_str(piece);
    }
    out
}

/// The bytes of the string at the start of `text`, with its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Reads one value; mistakes go to `found` with their place.
struct Seed<'a> {
    path: String,
    depth: usize,
    found: &'a RefCell<Vec<Refusal>>,
}

impl Seed<'_> {
    fn note(&self, path: &str, why: String, fix: &str) {
        let mut found = self.found.borrow_mut();
        if found.len() < SKILL_REFUSALS_MAX {
            found.push(Refusal::new(Class::Text, why, fix).below(path));
        }
    }

    fn inner(&self, key: &str) -> Self {
        Seed {
            path: format!("{}/{}", self.path, pointer_token(key)),
            depth: self.depth + 1,
            found: self.found,
        }
    }

    /// Stops at values that are nested too deeply.
    fn bounded<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.depth < SKILLS_FILE_DEPTH_MAX {
            return Ok(());
        }
        let why = format!("is nested more than {SKILLS_FILE_DEPTH_MAX} levels deep");
        self.note(
            &self.path,
            why,
            "no setting of a skill is that deep: remove it",
        );
        Err(E::custom("too deep"))
    }

    fn checked(&self, path: &str, text: &str) {
        if text.contains('\0') {
            let fix = "remove the \\u0000, which no argument or name can contain";
            self.note(path, "contains a NUL byte".to_owned(), fix);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("no number"))?;
        Ok(Node::Leaf(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        self.checked(&self.path, value);
        Ok(Node::Leaf(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        self.bounded()?;
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(self.inner(&nodes.len().to_string()))? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        self.bounded()?;
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let inner = self.inner(&key);
            inner.checked(&inner.path, &key);
            if !seen.insert(key.clone()) {
                let why = format!(
                    "the key {} occurs twice here, and only one would count",
                    shown(&key)
                );
                inner.note(&inner.path, why, "keep one of the two");
            }
            let node = map.next_value_seed(inner)?;
            entries.push((key, node));
        }
        Ok(Node::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_no_mistakes() {
        let text = "\u{feff}{ // one, two\n \"a\": [1, /* , */ 2,\n], \"b\": \"// no, \\\" }\",\n}";
        let node = parse(text.as_bytes()).expect("it is read");
        assert_eq!(
            node.value(),
            serde_json::json!({"a": [1, 2], "b": "// no, \" }"})
        );
        for wrong in ["{,}", "[1,,]", "{\"a\": 1 /", "\"a", "{\"a\":,}"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
