//! The settings of skills: where their manifest is, which commands, folders
//! and secrets the operator allows. What they allow is applied elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::environment::{Environment, FETCHING, INHERITED};
use super::programs::{self, Recorded};
use super::values::absolute;
use crate::failure::Failure;
use crate::secret::{Secret, holds_sign_in};

/// The default allow-list of commands.
const COMMANDS: [&str; 3] = ["npx", "uvx", "docker"];
/// Where programs are looked for before the operator's own folders.
const PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// The default list of variables that `${VAR}` may name.
const SECRETS: [&str; 2] = ["EXA_API_KEY", "GITHUB_TOKEN"];
/// The keys of `[skills]` in the file.
#[derive(Debug, PartialEq)]
pub(super) struct SkillKeys {
    pub(crate) commands: Vec<String>,
    pub(crate) path: Vec<String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) strict: bool,
    pub(crate) first_sight: Option<String>,
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
pub(crate) struct SkillSettings {
    /// The manifest; need not exist.
    pub(crate) manifest: PathBuf,
    /// Commands that may run: names, or absolute paths.
    pub(crate) commands: Vec<String>,
    /// Folders in which commands are looked for.
    pub(crate) path: Vec<PathBuf>,
    /// Programs that a shell found, and their versions.
    pub(crate) recorded: Recorded,
    /// What `${VAR}` may name, with the values of those that are set.
    pub(crate) secrets: BTreeMap<String, Option<Secret>>,
    /// No skill starts unless every layer of its sandbox is enforced.
    pub(crate) strict: bool,
    /// A tool that was never seen before waits for a person's approval.
    pub(crate) ask_first: bool,
    /// What every skill's environment takes over from Mimo's own.
    pub(crate) inherited: BTreeMap<String, String>,
    /// Variables that installs inherit in addition.
    pub(crate) fetching: BTreeMap<String, String>,
    /// The account's own folder, for `~/`.
    pub(crate) home: Option<PathBuf>,
    /// Folders for temporary files.
    pub(crate) temporary: Vec<PathBuf>,
}

pub(super) fn resolve(
    keys: SkillKeys,
    environment: &Environment,
    config_folder: &Path,
    data_folder: &Path,
) -> Result<SkillSettings, Failure> {
    let manifest = match environment.variables.get("SKILLS_PATH") {
        Some(path) => absolute("SKILLS_PATH", Path::new(path))?,
        None => config_folder.join("skills.json"),
    };
    let set = |names: &[&str]| -> Result<BTreeMap<String, String>, Failure> {
        let mut set = BTreeMap::new();
        for name in names {
            if let Some(value) = environment.text(name)? {
                set.insert((*name).to_owned(), value);
            }
        }
        Ok(set)
    };
    // An address with a password is for installs, not for the skills themselves.
    let (sign_ins, inherited): (BTreeMap<_, _>, BTreeMap<_, _>) = set(&INHERITED)?
        .into_iter()
        .partition(|(_, value)| holds_sign_in(value));
    let mut fetching = set(&FETCHING)?;
    fetching.extend(sign_ins);
    let fixed = PATH.iter().map(PathBuf::from);
    let mut temporary = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from).to_vec();
    temporary.push(environment.temporary_folder.clone());
    // On macOS each of them is reached through a link.
    let real: Vec<PathBuf> = temporary
        .iter()
        .flat_map(|folder| folder.canonicalize())
        .filter(|folder| !temporary.contains(folder))
        .collect();
    temporary.extend(real);
    temporary.retain(|folder| folder.is_absolute());
    Ok(SkillSettings {
        manifest,
        path: fixed
            .chain(keys.path.into_iter().map(PathBuf::from))
            .chain(programs::folders(environment.home_folder.as_deref()))
            .collect(),
        recorded: programs::recorded(data_folder),
        secrets: keys
            .secrets
            .into_iter()
            .map(|name| (name.clone(), environment.secret(&name)))
            .collect(),
        commands: keys.commands,
        strict: keys.strict,
        ask_first: keys.first_sight.as_deref() == Some("ask"),
        inherited,
        fetching,
        home: environment.home_folder.clone(),
        temporary,
    })
}
