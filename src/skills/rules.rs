//! The operator's rules that a manifest is checked against: allowed commands,
//! trusted folders, approved secrets.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the operator's settings allow.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Commands that may run: names that have a grammar, or absolute paths.
    pub commands: Vec<String>,
    /// The folders that commands are looked up in, in this order.
    pub path: Vec<PathBuf>,
    /// Folders for temporary files; a program in one of them is never trusted.
    pub temporary: Vec<PathBuf>,
    /// What `${VAR}` may name. The value is absent where the variable is unset.
    pub secrets: BTreeMap<String, Option<Secret>>,
    /// Variables that every skill inherits from Mimo's own environment.
    pub inherited: BTreeMap<String, String>,
    /// What `~/` stands for.
    pub home: Option<PathBuf>,
    /// Mimo's own files and folders, which no skill may reach.
    pub protected: Vec<PathBuf>,
}

/// A secret value: it has no readable `Debug` and no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: String) -> Secret {
        Secret(value)
    }

    /// The value, for the environment of a skill only.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("(secret)")
    }
}
