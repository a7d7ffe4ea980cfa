//! The operator's rules that a manifest is checked against: allowed commands,
//! trusted folders, approved secrets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::secret::Secret;

/// The operator's settings.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Commands that may run: names that have a grammar, or absolute paths.
    pub commands: Vec<String>,
    /// The folders that commands are looked up in, in this order.
    pub path: Vec<PathBuf>,
    /// Programs that a shell found, with what each printed for its version where that
    /// was asked.
    pub recorded: BTreeMap<PathBuf, String>,
    /// Folders for temporary files; a program in one of them is never trusted.
    pub temporary: Vec<PathBuf>,
    /// The variables that `${VAR}` may name. The value is absent if the variable is
    /// unset.
    pub secrets: BTreeMap<String, Option<Secret>>,
    /// Variables that every skill inherits from Mimo's own environment.
    pub inherited: BTreeMap<String, String>,
    /// Variables that only installs inherit.
    pub fetching: BTreeMap<String, String>,
    /// The expansion of `~/`.
    pub home: Option<PathBuf>,
    /// The system has no sandbox: no entry is taken.
    pub no_sandbox: bool,
    /// Mimo's own files and folders, which no skill may reach.
    pub protected: Vec<PathBuf>,
}

/// Variables that name a file or folder of certificates.
const CERTIFICATES: [&str; 4] = [
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
];

impl Rules {
    /// The folders that hold programs which Mimo runs.
    pub(crate) fn program_folders(&self) -> impl Iterator<Item = PathBuf> {
        let recorded = self.recorded.keys().filter_map(|path| path.parent());
        let recorded = recorded.map(PathBuf::from);
        self.path.iter().cloned().chain(recorded)
    }

    /// The certificates that skills are told to use, where they exist.
    pub(crate) fn certificates(&self) -> Vec<PathBuf> {
        let named = CERTIFICATES
            .iter()
            .filter_map(|name| self.inherited.get(*name));
        named
            .map(PathBuf::from)
            .filter(|path| path.exists())
            .collect()
    }
}
