//! The classes of rules that a manifest may break.

use crate::diagnostics::Diagnostic;
pub(crate) use crate::diagnostics::shown;

/// The class of the broken rule, for tests and scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The file itself: missing, a pipe, too long, writable by others.
    File,
    /// The text: not JSON, a duplicate key, nested too deeply.
    Text,
    /// An unknown key, or one of another client.
    Key,
    /// A value of the wrong type or beyond its bounds.
    Value,
    /// A skill's name.
    Name,
    /// A command that is not allowed, or whose file others could change.
    Command,
    /// An argument that the command's grammar does not allow.
    Argument,
    /// An entry of the environment.
    Environment,
    /// A `${VAR}`.
    Secret,
    /// A file or folder that no skill may access.
    Path,
}

impl Class {
    /// The word in JSON.
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

/// Why something in a manifest is refused.
pub type Refusal = Diagnostic<Class>;
