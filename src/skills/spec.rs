//! A skill as Mimo runs it: checked, resolved, and complete. The manifest and
//! the policies make these values, the launcher and the registry use them; who
//! holds one need not check anything again.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The name of a skill: 1 to 32 of `a-z 0-9 _ -`, beginning with a letter or a
/// digit, and without `__`, which separates it from its tools' names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkillName(String);

impl SkillName {
    /// Longest name, in bytes.
    const BYTES: usize = crate::limits::SKILL_NAME_BYTES_MAX;

    /// The name `text`, if it is one.
    pub fn new(text: &str) -> Option<SkillName> {
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        let begins = text
            .bytes()
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric());
        (begins && text.len() <= Self::BYTES && text.bytes().all(fits) && !text.contains("__"))
            .then(|| SkillName(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SkillName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Everything there is to know about a skill before it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct SkillSpec {
    /// What it is called.
    pub name: SkillName,
    /// What is executed: an absolute path, resolved against the trusted PATH
    /// and found to be nobody else's to change.
    pub program: PathBuf,
    /// Its arguments, the program's own name left out. A NUL in them and in the
    /// environment stands for the skill's private folder, which the launcher
    /// puts in; nothing else holds that character.
    pub arguments: Vec<String>,
    /// Its whole environment; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// What it may do.
    pub sandbox: Sandbox,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Whether it starts with Mimo, or at its first use.
    pub eager: bool,
    /// How clients see its tools.
    pub expose: Expose,
}

/// How clients see a skill's tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expose {
    /// By name while there are few, else by search.
    #[default]
    Auto,
    /// By name.
    Direct,
    /// Through `skill_find`.
    Search,
}

impl Expose {
    /// The word for it in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Expose::Auto => "auto",
            Expose::Direct => "direct",
            Expose::Search => "search",
        }
    }
}

impl SkillSpec {
    /// The same with `folder` wherever the private folder is meant.
    pub fn with_private_folder(&self, folder: &str) -> SkillSpec {
        let place = |text: &String| text.replace('\0', folder);
        let environment = self.environment.iter();
        SkillSpec {
            arguments: self.arguments.iter().map(place).collect(),
            environment: environment
                .map(|(name, value)| (name.clone(), place(value)))
                .collect(),
            ..self.clone()
        }
    }
}

/// What a skill may do.
#[derive(Clone, Debug, PartialEq)]
pub struct Sandbox {
    /// Files and folders it may read beside the default profile's, absolute.
    pub read: Vec<PathBuf>,
    /// Files and folders it may read and change beside its own, absolute.
    pub write: Vec<PathBuf>,
    /// Whom it may talk to.
    pub network: Network,
    /// Resident memory of its whole process tree.
    pub memory_bytes: u64,
    /// CPU time of its whole process tree.
    pub cpu_seconds: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// Open files of each process.
    pub open_files: u64,
    /// One file it writes.
    pub file_bytes: u64,
    /// All files in its private folder.
    pub disk_bytes: u64,
    /// It is the docker client, which needs its daemon's socket.
    pub docker: bool,
}

/// Whom a skill may talk to over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Nobody.
    None,
    /// Any host, TCP to these ports only; none named means any port.
    Outbound(Vec<u16>),
}

/// How long a skill may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From its start to its answer to `initialize`.
    pub initialize: Duration,
    /// One call.
    pub call: Duration,
}
