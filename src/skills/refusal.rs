//! Why something in a manifest is refused: the place, the class, the reason
//! and the fix. Who shows it, and how, is decided outside.

use std::fmt;

/// What class of rule was broken: tests and scripts tell refusals apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The file itself: missing, a pipe, too long, writable by others.
    File,
    /// The text: not JSON, a key twice, too deep.
    Text,
    /// A key nobody reads, or one that means something elsewhere.
    Key,
    /// A value of the wrong type or beyond its bounds.
    Value,
    /// A skill's name.
    Name,
    /// A command that is not allowed, or not to be trusted where it lies.
    Command,
    /// An argument that the command's grammar does not know.
    Argument,
    /// An entry of the environment.
    Environment,
    /// A `${VAR}`.
    Secret,
    /// A file or a folder that a skill may not be given.
    Path,
}

impl Class {
    /// The word for it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Class::File => "file",
            Class::Text => "text",
            Class::Key => "key",
            Class::Value => "value",
            Class::Name => "name",
            Class::Command => "command",
            Class::Argument => "argument",
            Class::Environment => "environment",
            Class::Secret => "secret",
            Class::Path => "path",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// JSON Pointer into the manifest; `""` is the whole.
    pub path: String,
    /// What class of rule it breaks.
    pub class: Class,
    /// What is wrong, and why that matters.
    pub why: String,
    /// The next step.
    pub fix: String,
}

impl Refusal {
    /// A refusal of the whole; `under` and `at` give it its place.
    pub fn new(class: Class, why: impl Into<String>, fix: impl Into<String>) -> Refusal {
        Refusal {
            path: String::new(),
            class,
            why: why.into(),
            fix: fix.into(),
        }
    }

    /// Puts `key` before the path it has so far.
    pub fn under(mut self, key: impl fmt::Display) -> Refusal {
        self.path = format!("/{}{}", escaped(&key.to_string()), self.path);
        self
    }

    /// Puts a whole pointer before the path it has so far.
    pub fn at(mut self, pointer: &str) -> Refusal {
        self.path.insert_str(0, pointer);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(out, "{}", self.why),
            path => write!(out, "{path}: {}", self.why),
        }
    }
}

/// A key as a JSON Pointer writes it.
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// `text` as messages show it: quoted, control characters escaped, cut short.
pub fn shown(text: &str) -> String {
    const CHARS: usize = 60;
    let mut cut: String = text.chars().take(CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}
