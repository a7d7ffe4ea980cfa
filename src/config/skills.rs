//! The settings of skills: where their manifest is, which commands, folders
//! and secrets the operator allows. What they allow is applied elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Surroundings, text, whole_path};
use crate::failure::Failure;
use crate::secret::Secret;

/// Commands that run where nobody settled otherwise.
const COMMANDS: [&str; 2] = ["npx", "docker"];
/// Commands that may be allowed by their name; each has a grammar of its own.
const NAMES: [&str; 5] = ["npx", "docker", "uvx", "node", "python3"];
/// Where programs are looked for before the operator's own folders.
const PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// What `${VAR}` may name where nobody settled otherwise.
const SECRETS: [&str; 2] = ["EXA_API_KEY", "GITHUB_TOKEN"];
/// Handed on to every skill, where set: the locale, and where and by whose word
/// packages are fetched on this machine, which no manifest may say.
const HANDED_ON: [&str; 5] = [
    "LANG",
    "LC_ALL",
    "TZ",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_registry",
];

/// What the file says, or the defaults.
#[derive(Debug, PartialEq)]
pub(in crate::config) struct SkillKeys {
    pub commands: Vec<String>,
    pub path: Vec<String>,
    pub secrets: Vec<String>,
    pub strict: bool,
    pub first_sight: Option<String>,
}

impl Default for SkillKeys {
    fn default() -> Self {
        SkillKeys {
            commands: COMMANDS.map(str::to_owned).to_vec(),
            path: Vec::new(),
            secrets: SECRETS.map(str::to_owned).to_vec(),
            strict: false,
            first_sight: None,
        }
    }
}

/// Which skills may run, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct SkillSettings {
    /// The manifest; need not exist.
    pub manifest: PathBuf,
    /// Commands that may run: names, or absolute paths.
    pub commands: Vec<String>,
    /// Folders in which commands are looked for.
    pub path: Vec<PathBuf>,
    /// What `${VAR}` may name, with the values of those that are set.
    pub secrets: BTreeMap<String, Option<Secret>>,
    /// No skill starts unless every layer of its sandbox is enforced.
    pub strict: bool,
    /// A tool that was never seen before waits for a person's approval.
    pub ask_first: bool,
    /// What every skill's environment takes over from Mimo's own.
    pub inherited: BTreeMap<String, String>,
    /// The account's own folder, for `~/`.
    pub home: Option<PathBuf>,
    /// Folders for what may vanish.
    pub temporary: Vec<PathBuf>,
}

/// The settings of what the file and the surroundings say.
pub(in crate::config) fn settle(
    keys: SkillKeys,
    around: &Surroundings,
    config_folder: &Path,
) -> Result<SkillSettings, Failure> {
    let manifest = match around.variables.get("SKILLS_PATH") {
        Some(path) => whole_path("SKILLS_PATH", Path::new(path))?,
        None => config_folder.join("skills.json"),
    };
    let mut inherited = BTreeMap::new();
    for name in HANDED_ON
        .into_iter()
        .filter(|name| around.variables.contains_key(name))
    {
        inherited.insert(name.to_owned(), text(around, name)?);
    }
    let fixed = PATH.iter().map(PathBuf::from);
    let mut temporary = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from).to_vec();
    temporary.push(around.temporary_folder.clone());
    temporary.retain(|folder| folder.is_absolute());
    Ok(SkillSettings {
        manifest,
        path: fixed
            .chain(keys.path.into_iter().map(PathBuf::from))
            .collect(),
        secrets: keys
            .secrets
            .into_iter()
            .map(|name| (name.clone(), around.secret_of(&name)))
            .collect(),
        commands: keys.commands,
        strict: keys.strict,
        ask_first: keys.first_sight.as_deref() == Some("ask"),
        inherited,
        home: around.home_folder.clone(),
        temporary,
    })
}

/// A command's name, or a whole path.
pub(in crate::config) fn check_command(text: &str) -> Result<(), String> {
    match text.starts_with('/') {
        true => check_folder(text),
        false if NAMES.contains(&text) => Ok(()),
        false => Err(format!(
            "allowed are {}, and programs by their whole path",
            NAMES.join(", ")
        )),
    }
}

/// A whole path that means one place.
pub(in crate::config) fn check_folder(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err("a whole path begins with /".into());
    }
    if text.split('/').any(|part| part == ".." || part == ".") {
        return Err("a whole path has no . and .. in it".into());
    }
    match text.contains([':', '\0']) {
        true => Err("a PATH cannot hold it: it has a colon or a NUL byte".into()),
        false => Ok(()),
    }
}

/// A variable's name.
pub(in crate::config) fn check_variable(text: &str) -> Result<(), String> {
    let begins = |c: u8| c.is_ascii_alphabetic() || c == b'_';
    let fits = text.bytes().next().is_some_and(begins)
        && text.bytes().all(|c| begins(c) || c.is_ascii_digit());
    match fits {
        true => Ok(()),
        false => Err("a variable's name has letters, digits and _, no digit first".into()),
    }
}
