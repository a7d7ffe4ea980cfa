//! The classes of rules that a manifest may break.

use crate::diagnostics::Diagnostic;
pub(crate) use crate::diagnostics::shown;

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

/// Why something in a manifest is refused.
pub type Refusal = Diagnostic<Class>;
