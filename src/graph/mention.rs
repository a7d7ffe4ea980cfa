//! How people and models write entities and predicates, and which spellings are
//! equal. Pure.

use super::error::Problem;
use crate::limits;
use crate::text;

/// The default type of an entity.
pub(crate) const UNTYPED: &str = "thing";

/// Bytes of the longest type.
const TYPE_BYTES: usize = 32;

/// An entity as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// Its type, where one was given.
    pub(crate) kind: Option<String>,
    /// The name as it was written, with single spaces.
    pub(crate) name: String,
    /// The form in which names are compared.
    pub(crate) name_key: String,
    /// The `id` of `type:id`.
    pub(crate) slug: String,
    /// Whether this is the exact `type:id` of an export, which matches no other name.
    pub(crate) is_exact: bool,
}

impl Mention {
    /// Reads `Alice Smith`, `person:alice_smith` or `person:Alice Smith`.
    pub fn parse(text: &str) -> Result<Mention, Problem> {
        if text.len() > limits::ENTITY_NAME_BYTES_MAX {
            return Err(Problem::NameTooLong(text.len()));
        }
        if let Some(control) = text.chars().find(|c| c.is_control() && !c.is_whitespace()) {
            return Err(Problem::ControlCharacter(control));
        }
        let (kind, rest) = match text.trim().split_once(':') {
            Some((kind, rest)) if is_type(kind) && is_id(rest) => {
                (Some(kind.to_ascii_lowercase()), rest)
            }
            _ => (None, text),
        };
        let name = single_spaced(rest);
        if name.is_empty() {
            return Err(Problem::NoName);
        }
        let slug = text::identity(&name);
        check_key(&slug)?;
        check_key(&text::name_words(&name))?;
        // An id of one word is displayed as words: alice_smith is alice smith.
        let spaced = name.replace('_', " ");
        let name = match text::identity(&spaced) == slug {
            true => single_spaced(&spaced),
            false => name,
        };
        Ok(Mention {
            kind: kind.filter(|kind| kind != UNTYPED),
            name_key: text::identity(&name),
            name,
            slug,
            is_exact: false,
        })
    }

    /// The entity with exactly the `type:id` of an export, known by `name`, or by its
    /// id where none is given.
    pub(crate) fn exact(key: &str, name: Option<&str>) -> Result<Mention, Problem> {
        let (kind, slug) = key.split_once(':').unwrap_or((UNTYPED, key));
        let own = Mention::parse(name.unwrap_or(slug))?;
        check_key(slug)?;
        Ok(Mention {
            kind: Some(kind.to_owned()),
            name_key: name.map_or(own.name_key, text::identity),
            name: name.map_or(own.name, str::to_owned),
            slug: slug.to_owned(),
            is_exact: true,
        })
    }

    /// Its `type:id` if its type is `kind`.
    pub(crate) fn key(&self, kind: &str) -> String {
        format!("{kind}:{}", self.slug)
    }
}

/// A short name may have a long form: ㌖ is written out with six characters.
fn check_key(key: &str) -> Result<(), Problem> {
    match key.len() <= limits::NAME_KEY_BYTES_MAX {
        true => Ok(()),
        false => Err(Problem::NameKeyTooLong(key.len())),
    }
}

/// The stored form of a predicate: `Works At` is `works_at`.
pub fn predicate(text: &str) -> Result<String, Problem> {
    let predicate = text::identity(&single_spaced(&text.replace('-', " ")));
    if predicate.is_empty() {
        return Err(Problem::BlankPredicate);
    }
    if predicate.len() > limits::NAME_BYTES_MAX || predicate.chars().any(char::is_control) {
        return Err(Problem::UnusablePredicate);
    }
    Ok(predicate)
}

fn is_type(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    begins && text.len() <= TYPE_BYTES && text.chars().all(word)
}

/// Whether this is the id behind a type. `https://example.org` and `Note: x`
/// have no type.
fn is_id(rest: &str) -> bool {
    !rest.trim().is_empty() && !rest.starts_with("//") && !rest.starts_with(' ')
}

fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_has_a_type_a_name_and_an_id() {
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
            ("__init__", None, "__init__", "__init__"),
            ("C++", None, "C++", "c++"),
            ("１２ Ａ", None, "１２ Ａ", "12_a"),
        ] {
            let found = Mention::parse(text).expect(text);
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
            Mention::parse(wrong).expect_err("no name");
        }
    }

    #[test]
    fn predicates_are_lower_case_words() {
        for (text, kept) in [
            ("works_at", "works_at"),
            ("Works At", "works_at"),
            ("part-of", "part_of"),
        ] {
            assert_eq!(predicate(text).expect(text), kept);
        }
        for wrong in ["", " - ", &"x".repeat(300)] {
            predicate(wrong).expect_err("no predicate");
        }
    }
}
