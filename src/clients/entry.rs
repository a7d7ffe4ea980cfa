//! Mimo's entry in a client's settings.

use crate::diagnostics::Diagnostic;

/// Mimo's key in every client's settings.
pub(crate) const ENTRY: &str = "mimo";

/// The part of an entry that starts Mimo; other keys are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The absolute path of the program.
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
}

/// An entry in a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundEntry {
    /// `None` unless it is a program with arguments.
    pub(crate) entry: Option<Entry>,
    /// The entry as the file writes it.
    pub(crate) text: String,
    /// The key of a remote server's address, where it starts no program.
    pub(crate) remote_key: Option<&'static str>,
    /// Whether the person has switched it off.
    pub(crate) is_off: bool,
}

/// A settings file that cannot be understood; `place` is `line:column`, if known.
pub(super) fn mistake(place: &str, reason: impl Into<String>) -> Diagnostic {
    let fix = "the file is as it was; put that right, then run the same command again";
    Diagnostic::at(place, reason, fix)
}

/// Keys of entries that reach a server over the network.
pub(super) const REMOTE: [&str; 3] = ["url", "serverUrl", "httpUrl"];
