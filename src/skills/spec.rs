//! A skill as Mimo runs it. The manifest and the policies make these values after
//! all checks, so whoever holds one need not check anything again.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::secret::Secrets;

/// The name of a skill: 1 to 32 of `a-z 0-9 _ -`, beginning with a letter or a
/// digit, and without `__`, which separates it from its tools' names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkillName(String);

impl SkillName {
    const BYTES: usize = crate::limits::SKILL_NAME_BYTES_MAX;

    /// `None` where `text` is not a valid name.
    pub fn new(text: &str) -> Option<SkillName> {
        let allowed =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        let begins = text
            .bytes()
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric());
        (begins && text.len() <= Self::BYTES && text.bytes().all(allowed) && !text.contains("__"))
            .then(|| SkillName(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SkillName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Tells a skill from others that had its name before. Both are SHA-256 digests in
/// hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What runs: the command, the package without its version, and the invocation. The
    /// private folder and the approvals belong to it.
    pub program: String,
    /// The part of the manifest entry that decides what it may do. A change of it is
    /// a person's.
    pub entry: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SkillSpec {
    pub name: SkillName,
    pub identity: Identity,
    /// An absolute path, resolved against the trusted PATH. Only this user and root
    /// can change the file.
    pub program: PathBuf,
    /// Where the program is a package manager: what it would fetch and run.
    pub package: Option<Package>,
    /// Without the program's name. A NUL, which no manifest can contain, stands for
    /// the skill's private folder, here and in the environment.
    pub arguments: Vec<String>,
    /// The working directory, in a granted folder; the private folder where absent.
    pub folder: Option<PathBuf>,
    /// The whole environment; nothing else is inherited.
    pub environment: BTreeMap<String, String>,
    /// The values of it that are redacted from the skill's output.
    pub secrets: Secrets,
    pub sandbox: Sandbox,
    pub timeouts: Timeouts,
    /// Whether it starts with Mimo, or at its first use.
    pub eager: bool,
    pub expose: Expose,
}

/// A package of a registry, which is installed once and then run from disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Package {
    pub registry: Registry,
    /// Without a version.
    pub name: String,
    /// Requirements in the package manager's own form; the package itself first.
    pub specs: Vec<String>,
    /// The program to run, where it is not the package's own.
    pub bin: Option<String>,
    /// Runs the installed program in place of node.
    pub host: Option<Host>,
    /// npm's script, or uv. Absent where it was not found beside npx or uvx.
    pub manager: Option<PathBuf>,
    /// Node or Python.
    pub runtime: PathBuf,
    /// Paths that the manager and the runtime read besides the default profile.
    pub read: Vec<PathBuf>,
    /// Certificates, the locale and the registry, as Mimo's own environment has them.
    pub environment: BTreeMap<String, String>,
    /// Proxies and indexes, which may hold passwords: for steps that reach a registry.
    pub fetching: BTreeMap<String, String>,
}

/// A program that runs those of npm packages, as node does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// Absent until it was looked up.
    pub program: Option<PathBuf>,
    /// Before the script.
    pub arguments: Vec<String>,
    /// It also runs code that is not written for node, so that its own permissions
    /// hold.
    pub always: bool,
}

impl Package {
    /// The names of packages and program, without versions.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let version = |spec: &str| match self.registry {
            Registry::Npm => spec.rfind('@').filter(|at| *at > 0),
            Registry::Python => spec.find(['[', '@', '=']),
        };
        let name = move |spec| version(spec).map_or(spec, |at| &spec[..at]);
        self.specs
            .iter()
            .map(String::as_str)
            .map(name)
            .chain(self.bin.as_deref())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registry {
    #[default]
    Npm,
    /// PyPI or another index of Python packages.
    Python,
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
    /// The word in the manifest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Expose::Auto => "auto",
            Expose::Direct => "direct",
            Expose::Search => "search",
        }
    }
}

impl SkillSpec {
    /// `program` with the default limits, and with neither files, network nor variables.
    /// `timeout` bounds its start and each call.
    pub fn bare(name: SkillName, program: PathBuf, timeout: Duration) -> SkillSpec {
        SkillSpec {
            name,
            identity: Identity::default(),
            program,
            package: None,
            arguments: Vec::new(),
            folder: None,
            environment: BTreeMap::new(),
            secrets: Secrets::default(),
            sandbox: Sandbox::default(),
            timeouts: Timeouts {
                initialize: timeout,
                call: timeout,
            },
            eager: false,
            expose: Expose::default(),
        }
    }

    /// Replaces each NUL by the path of the private folder.
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
    /// The files and folders that its entry names; their paths are in `read` and
    /// `write` too.
    pub grants: Vec<Grant>,
    /// Absolute paths that it may read besides the default profile.
    pub read: Vec<PathBuf>,
    /// Absolute paths that it may read and change besides its private folder.
    pub write: Vec<PathBuf>,
    /// Folders that untrusted code has written: a link in them gives no access to its
    /// target.
    pub installed: Vec<PathBuf>,
    pub network: Network,
    /// Resident memory of its whole process tree.
    pub memory_bytes: u64,
    /// CPU time of its whole process tree.
    pub cpu_seconds: u64,
    /// Processes and threads at the same time.
    pub processes: u64,
    /// Open files of each process.
    pub open_files: u64,
    /// The size of one file that it writes.
    pub file_bytes: u64,
    /// All files in its private folder.
    pub disk_bytes: u64,
    /// Loopback ports that it may listen on.
    pub listen: Vec<u16>,
    /// Whether it may use Unix sockets where it can reach no others than its own:
    /// a granted folder may hold the socket of another program.
    pub unix_sockets: bool,
    /// Whether it is the docker client, which needs the daemon's socket.
    pub docker: bool,
}

/// No files and no network, within the default limits.
impl Default for Sandbox {
    fn default() -> Sandbox {
        const MB: u64 = 1024 * 1024;
        Sandbox {
            grants: Vec::new(),
            read: Vec::new(),
            write: Vec::new(),
            installed: Vec::new(),
            network: Network::None,
            memory_bytes: limits::SKILL_MEMORY_MB_DEFAULT * MB,
            cpu_seconds: limits::SKILL_CPU_SECONDS_DEFAULT,
            processes: limits::SKILL_PROCESSES_DEFAULT,
            open_files: limits::SKILL_OPEN_FILES_DEFAULT,
            file_bytes: limits::SKILL_FILE_MB_DEFAULT * MB,
            disk_bytes: limits::SKILL_DISK_MB_DEFAULT * MB,
            listen: Vec::new(),
            unix_sockets: false,
            docker: false,
        }
    }
}

/// A file or folder that a manifest entry gives to a skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Absolute, as the entry has it.
    pub asked: PathBuf,
    /// Without links.
    pub path: PathBuf,
    pub writable: bool,
}

/// Which hosts a skill may connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    None,
    /// Any host; TCP to these ports only, or to any port where none is named.
    Outbound(Vec<u16>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From its start to its answer to `initialize`.
    pub initialize: Duration,
    /// One call.
    pub call: Duration,
}
