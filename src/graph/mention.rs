//! How people and models write entities and predicates, and what is the same.
//! Pure.

use unicode_normalization::UnicodeNormalization;

use crate::failure::Failure;
use crate::limits;
use crate::text;

/// The type of an entity that nobody gave one.
pub const UNTYPED: &str = "thing";

/// The longest name of a type, in bytes.
const TYPE_BYTES: usize = 32;

/// An entity as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// Its type, where one was given.
    pub kind: Option<String>,
    /// What it was called, spaces put right.
    pub name: String,
    /// How names are compared.
    pub name_key: String,
    /// The `id` of `type:id`.
    pub slug: String,
}

impl Mention {
    /// Reads `Alice Smith`, `person:alice_smith` or `person:Alice Smith`;
    /// `path` is where it stands in the arguments.
    pub fn parse(text: &str, path: &str) -> Result<Mention, Failure> {
        if text.len() > limits::ENTITY_NAME_BYTES_MAX {
            let most = limits::ENTITY_NAME_BYTES_MAX;
            return Err(Failure::invalid(
                path,
                format!(
                    "a name of {} bytes is too long; at most {most} fit",
                    text.len()
                ),
            )
            .hint("name the entity in short, and keep what there is to say about it as a memory"));
        }
        if let Some(control) = text.chars().find(|c| c.is_control() && !c.is_whitespace()) {
            return Err(Failure::invalid(
                path,
                format!("a name has no control characters, and this has {control:?}"),
            ));
        }
        let (kind, rest) = match text.trim().split_once(':') {
            Some((kind, rest)) if is_type(kind) && names_something(rest) => {
                (Some(kind.to_ascii_lowercase()), rest)
            }
            _ => (None, text),
        };
        let name = one_spaced(rest);
        if name.is_empty() {
            return Err(Failure::invalid(path, "an entity needs a name")
                .hint("for example person:alice, or simply Alice"));
        }
        let slug = folded(&name);
        // An id of one word is called by its words: alice_smith is alice smith.
        let name = match name.contains(' ') {
            true => name,
            false => name.replace('_', " ").trim().to_owned(),
        };
        let name = if name.is_empty() { slug.clone() } else { name };
        Ok(Mention {
            kind: kind.filter(|kind| kind != UNTYPED),
            name_key: name_key(&name),
            name,
            slug,
        })
    }

    /// Its `type:id`, where `kind` is the type it would have.
    pub fn key(&self, kind: &str) -> String {
        format!("{kind}:{}", self.slug)
    }
}

/// How names are compared: by their words, or where there are none (`+++`), as
/// they stand.
pub fn name_key(name: &str) -> String {
    let words = text::words(name);
    match words.is_empty() {
        true => folded(name),
        false => words,
    }
}

/// A predicate as it is kept: `Works At` is `works_at`.
pub fn predicate(text: &str, path: &str) -> Result<String, Failure> {
    let spaced: String = text
        .chars()
        .map(|c| if c == '-' { ' ' } else { c })
        .collect();
    let predicate = folded(&one_spaced(&spaced));
    if predicate.is_empty() {
        return Err(
            Failure::invalid(path, "a predicate cannot be blank").hint("for example works_at")
        );
    }
    if predicate.len() > limits::NAME_BYTES_MAX || predicate.chars().any(char::is_control) {
        return Err(Failure::invalid(
            path,
            format!(
                "a predicate has at most {} bytes and no control characters",
                limits::NAME_BYTES_MAX
            ),
        )
        .hint("for example works_at"));
    }
    Ok(predicate)
}

fn is_type(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    begins && text.len() <= TYPE_BYTES && text.chars().all(word)
}

/// `person:alice` has a type; `https://example.org` and `Note: x` have none.
fn names_something(rest: &str) -> bool {
    !rest.trim().is_empty() && !rest.starts_with("//") && !rest.starts_with(' ')
}

fn one_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn folded(name: &str) -> String {
    let folded: String = name.nfkc().flat_map(char::to_lowercase).collect();
    folded.split_whitespace().collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions() {
        for (text, kind, name, slug) in [
            ("Alice", None, "Alice", "alice"),
            ("person:alice", Some("person"), "alice", "alice"),
            (
                "Person:Alice  Smith",
                Some("person"),
                "Alice Smith",
                "alice_smith",
            ),
            (
                "person:alice_smith",
                Some("person"),
                "alice smith",
                "alice_smith",
            ),
            ("thing:alice", None, "alice", "alice"),
            (
                "https://example.org",
                None,
                "https://example.org",
                "https://example.org",
            ),
            (
                "Note: buy bread",
                None,
                "Note: buy bread",
                "note:_buy_bread",
            ),
            ("12:30", None, "12:30", "12:30"),
            (
                "'; DROP TABLE triple; --",
                None,
                "'; DROP TABLE triple; --",
                "';_drop_table_triple;_--",
            ),
            ("city:東京", Some("city"), "東京", "東京"),
            ("_", None, "_", "_"),
            ("１２ Ａ", None, "１２ Ａ", "12_a"),
        ] {
            let found = Mention::parse(text, "").expect(text);
            assert_eq!(
                (
                    found.kind.as_deref(),
                    found.name.as_str(),
                    found.slug.as_str()
                ),
                (kind, name, slug),
                "{text}"
            );
        }
        for wrong in ["", "  ", "a\0b", &"x".repeat(10_000)] {
            Mention::parse(wrong, "/start").expect_err("no name");
        }
    }

    #[test]
    fn predicates() {
        for (text, kept) in [
            ("works_at", "works_at"),
            ("Works At", "works_at"),
            ("part-of", "part_of"),
        ] {
            assert_eq!(predicate(text, "").expect(text), kept);
        }
        for wrong in ["", " - ", &"x".repeat(300)] {
            predicate(wrong, "").expect_err("no predicate");
        }
    }
}
