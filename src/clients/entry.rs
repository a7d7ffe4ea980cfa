//! Mimo's entry in a client's settings.

use serde_json::Value;

use crate::diagnostics::Diagnostic;

/// Mimo's key in every client's settings.
pub(crate) const ENTRY: &str = "mimo";

/// A program that a client starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The absolute path of the program.
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    /// What is added to the program's environment; not read from a file.
    pub(crate) env: Vec<(String, Value)>,
}

/// A Mimo that a client reaches over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) url: String,
    /// The variable of the environment that holds the key: settings are no place for it.
    pub(crate) key_variable: String,
}

/// What an entry leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Program(Entry),
    Remote(Remote),
}

/// The keys of an entry that are ours, in the client's form.
pub(super) type Keys = Vec<(&'static str, Value)>;

/// Whether a key that is missing means the same as `wanted`.
pub(super) fn is_default(key: &str, wanted: &Value) -> bool {
    matches!((key, wanted.as_str()), ("type", Some("stdio")))
        || wanted.as_array().is_some_and(Vec::is_empty)
}

/// An entry in a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundEntry {
    /// `None` unless it is a program with arguments.
    pub(crate) entry: Option<Entry>,
    /// The entry as the file writes it.
    pub(crate) text: String,
    /// The key of a remote server's address and that address, where it starts no program.
    pub(crate) remote: Option<(&'static str, String)>,
    /// Whether the person has switched it off.
    pub(crate) is_off: bool,
}

/// A settings file that cannot be understood; `place` is `line:column`, if known.
pub(super) fn mistake(place: &str, reason: impl Into<String>) -> Diagnostic {
    let fix = "the file is unchanged; fix that, then run the same command again";
    Diagnostic::at(place, reason, fix)
}

/// Whether a key switches an entry on and off: what a person chose stays.
pub(super) fn is_switch(key: &str) -> bool {
    matches!(key, "enabled" | "active")
}

/// Keys of entries that reach a server over the network.
pub(super) const REMOTE: [&str; 4] = ["url", "serverUrl", "httpUrl", "uri"];
