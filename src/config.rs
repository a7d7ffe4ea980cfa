//! Settings and folders: the only reader of the environment, of the platform's
//! folders and of `config.toml`. Everything else is handed the values.

mod ask;
mod file;
mod private;
mod retention;
mod skills;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use directories::{BaseDirs, ProjectDirs};

use crate::caller::{Grants, PROJECT_SHARED};
use crate::failure::Failure;
use crate::limits::NAME_BYTES_MAX;
use crate::secret::Secret;

pub use ask::{AskSettings, EndpointSettings, Synthesis};
pub use private::{private_file, private_folder};
pub use retention::RetentionSettings;
pub use skills::SkillSettings;

/// The profile of tools where nobody named one.
pub const PROFILE_DEFAULT: &str = "standard";

/// The profiles there are.
pub const PROFILES: [&str; 3] = ["core", PROFILE_DEFAULT, "legacy"];

/// The variables Mimo looks at; nothing else of the environment is read, but
/// for the secrets that the settings approve, and the endpoint's key.
pub const VARIABLES: [&str; 15] = [
    "MIMO_CONFIG_DIR",
    "MIMO_DATA_DIR",
    "MIMO_PROJECT",
    "MIMO_PROFILE",
    "MIMO_LOG",
    "DB_PATH",
    "SKILLS_PATH",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_registry",
    "NO_COLOR",
];

/// What the process was started in. A value, so that tests make their own.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Those of [`VARIABLES`] that are set to something.
    pub variables: BTreeMap<&'static str, OsString>,
    /// Where this platform keeps a program's settings.
    pub config_folder: Option<PathBuf>,
    /// Where this platform keeps a program's data.
    pub data_folder: Option<PathBuf>,
    /// Where this platform keeps what may vanish.
    pub temporary_folder: PathBuf,
    /// The running program.
    pub executable: Option<PathBuf>,
    /// The account's own folder.
    pub home_folder: Option<PathBuf>,
    /// Where this platform keeps the settings of all programs.
    pub settings_folder: Option<PathBuf>,
    /// Where this process was started.
    pub current_folder: Option<PathBuf>,
    /// Reads one more variable: asked for the approved secrets
    /// and the endpoint's key only.
    pub secret: Option<fn(&str) -> Option<OsString>>,
}

impl Surroundings {
    /// Reads the process: the only place that does.
    #[allow(clippy::disallowed_methods)]
    pub fn of_this_process() -> Self {
        let platform = ProjectDirs::from("", "", "mimo");
        let account = BaseDirs::new();
        // A client that knows no value for a variable may pass it empty.
        let variables = VARIABLES
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?)))
            .filter(|(_, value)| !value.is_empty());
        Surroundings {
            variables: variables.collect(),
            config_folder: platform.as_ref().map(|dirs| dirs.config_dir().to_owned()),
            data_folder: platform.as_ref().map(|dirs| dirs.data_dir().to_owned()),
            temporary_folder: std::env::temp_dir(),
            executable: std::env::current_exe().ok(),
            home_folder: account.as_ref().map(|dirs| dirs.home_dir().to_owned()),
            settings_folder: account.as_ref().map(|dirs| dirs.config_dir().to_owned()),
            current_folder: std::env::current_dir().ok(),
            secret: Some(|name| std::env::var_os(name)),
        }
    }

    /// What an approved secret holds; `None` where it is not set to any text.
    fn secret_of(&self, name: &str) -> Option<Secret> {
        let value = self.secret.and_then(|read| read(name));
        let value = value.filter(|value| !value.is_empty())?;
        value.into_string().ok().map(Secret::new)
    }

    /// Whether the person asked every program to print without colors.
    pub fn no_color(&self) -> bool {
        self.variables.contains_key("NO_COLOR")
    }
}

/// What the command line settles; it wins over everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config-dir`.
    pub config_folder: Option<PathBuf>,
    /// `--data-dir`.
    pub data_folder: Option<PathBuf>,
    /// `--project`.
    pub project: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--fence`.
    pub fence: bool,
}

/// Everything that was settled, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Holds `config.toml`; need not exist.
    pub config_folder: PathBuf,
    /// Holds the database and `logs/`; made when something is written there.
    pub data_folder: PathBuf,
    /// The database file.
    pub database: PathBuf,
    /// The current project.
    pub project: String,
    /// Whether nothing but the current project and `global` is reached.
    pub fence: bool,
    /// One of [`PROFILES`].
    pub profile: String,
    /// A log filter (`debug`, `mimo::store=trace`) for stderr and the log
    /// file; without one each has its own default.
    pub log: Option<String>,
    /// How memories are ranked.
    pub memory: MemorySettings,
    /// What the graph is told about its predicates.
    pub graph: GraphSettings,
    /// Who writes answers.
    pub ask: AskSettings,
    /// Which skills may run, and with what.
    pub skills: SkillSettings,
}

/// How memories are ranked and compared; the defaults are the measured ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemorySettings {
    /// Share of the keyword side in a hybrid score.
    pub keyword_weight: f64,
    /// Share of the meaning side in a hybrid score.
    pub semantic_weight: f64,
    /// What a memory gains from the stronger score next to it in its thread,
    /// and next but one.
    pub neighbour_weights: [f64; 2],
    /// The cosine from which a stored text is reported as `similar`.
    pub similar_threshold: f64,
    /// Which memories leave by themselves, and when.
    pub retention: RetentionSettings,
}

impl Default for MemorySettings {
    fn default() -> Self {
        MemorySettings {
            keyword_weight: 0.6,
            semantic_weight: 0.4,
            neighbour_weights: [0.6, 0.3],
            similar_threshold: 0.9,
            retention: RetentionSettings::default(),
        }
    }
}

/// What the graph is told about its predicates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraphSettings {
    /// Those that have one object at a time.
    pub functional: Vec<String>,
}

impl Config {
    /// Settles everything: a flag wins over a variable, a variable over
    /// `config.toml`, and that over the default.
    pub fn load(flags: &Flags, around: &Surroundings) -> Result<Config, Failure> {
        let config_folder = folder(
            flags.config_folder.as_deref(),
            ("--config-dir", "MIMO_CONFIG_DIR"),
            around,
            around.config_folder.as_deref(),
        )?;
        let data_folder = folder(
            flags.data_folder.as_deref(),
            ("--data-dir", "MIMO_DATA_DIR"),
            around,
            around.data_folder.as_deref(),
        )?;
        let file = file::read(&config_folder.join("config.toml"))?;
        Ok(Config {
            database: database(flags, around, &data_folder)?,
            project: project(flags, around, file.project)?,
            fence: flags.fence || file.fence,
            profile: profile(flags, around, file.profile)?,
            log: log_filter(around, file.log_level)?,
            memory: file.memory,
            graph: file.graph,
            ask: file.ask.settle(around),
            skills: skills::settle(file.skills, around, &config_folder)?,
            config_folder,
            data_folder,
        })
    }

    /// What a caller at this machine may see and do.
    pub fn grants(&self) -> Grants {
        match self.fence {
            true => Grants::fenced(&*self.project),
            false => Grants::local(&*self.project),
        }
    }

    /// Where running Mimos are reached by commands.
    pub fn running_folder(&self) -> PathBuf {
        self.data_folder.join("running")
    }

    /// Where what skills write to stderr goes.
    pub fn skill_log_folder(&self) -> PathBuf {
        self.log_folder().join("skills")
    }

    /// Where the log files go.
    pub fn log_folder(&self) -> PathBuf {
        self.data_folder.join("logs")
    }
}

fn folder(
    flag: Option<&Path>,
    (flag_name, variable): (&str, &str),
    around: &Surroundings,
    platform: Option<&Path>,
) -> Result<PathBuf, Failure> {
    if let Some(path) = flag {
        return whole_path(flag_name, path);
    }
    if let Some(path) = around.variables.get(variable) {
        return whole_path(variable, Path::new(path));
    }
    platform.map(Path::to_owned).ok_or_else(|| {
        Failure::invalid(
            "",
            "this account has no home folder to keep Mimo's files under",
        )
        .hint(format!("name a folder with {flag_name} or {variable}"))
    })
}

/// The database follows a folder named on the command line, so that
/// `--data-dir` never reaches another one's memories through `DB_PATH`.
fn database(flags: &Flags, around: &Surroundings, data: &Path) -> Result<PathBuf, Failure> {
    match around.variables.get("DB_PATH") {
        Some(path) if flags.data_folder.is_none() => whole_path("DB_PATH", Path::new(path)),
        _ => Ok(data.join("mimo.db")),
    }
}

fn project(flags: &Flags, around: &Surroundings, file: Option<String>) -> Result<String, Failure> {
    let (origin, name) = if let Some(name) = &flags.project {
        ("--project", name.clone())
    } else if around.variables.contains_key("MIMO_PROJECT") {
        ("MIMO_PROJECT", text(around, "MIMO_PROJECT")?)
    } else {
        return Ok(file.unwrap_or_else(|| PROJECT_SHARED.to_owned()));
    };
    check_project(&name).map_err(|why| {
        Failure::invalid("", format!("{origin}: {why}"))
            .hint("use a short name, for example website")
    })
}

fn profile(flags: &Flags, around: &Surroundings, file: Option<String>) -> Result<String, Failure> {
    let (origin, name) = if let Some(name) = &flags.profile {
        ("--profile", name.clone())
    } else if around.variables.contains_key("MIMO_PROFILE") {
        ("MIMO_PROFILE", text(around, "MIMO_PROFILE")?)
    } else {
        return Ok(file.unwrap_or_else(|| PROFILE_DEFAULT.to_owned()));
    };
    match PROFILES.contains(&name.as_str()) {
        true => Ok(name),
        false => Err(
            Failure::invalid("", format!("{origin}: there is no profile {name:?}"))
                .hint(format!("the profiles are {}", PROFILES.join(", "))),
        ),
    }
}

/// A project's name as it is kept, or why it cannot be one.
fn check_project(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() {
        Err("a project's name cannot be empty".into())
    } else if name == "*" {
        Err("* stands for all projects in a search and cannot be the current one".into())
    } else if name.len() > NAME_BYTES_MAX {
        Err(format!(
            "a project's name has at most {NAME_BYTES_MAX} bytes, this one has {}",
            name.len()
        ))
    } else if name.chars().any(char::is_control) {
        Err("a project's name has no control characters".into())
    } else {
        Ok(name.to_owned())
    }
}

fn log_filter(around: &Surroundings, file: Option<String>) -> Result<Option<String>, Failure> {
    if !around.variables.contains_key("MIMO_LOG") {
        return Ok(file);
    }
    let filter = text(around, "MIMO_LOG")?;
    match tracing_subscriber::EnvFilter::try_new(&filter) {
        Ok(_) => Ok(Some(filter)),
        Err(error) => Err(
            Failure::invalid("", format!("MIMO_LOG is not a log filter: {error}"))
                .hint("write a level (debug) or levels by part (warn,mimo=debug)"),
        ),
    }
}

fn text(around: &Surroundings, variable: &str) -> Result<String, Failure> {
    let value = around.variables.get(variable).cloned().unwrap_or_default();
    value.into_string().map_err(|_| {
        Failure::invalid("", format!("{variable} is not UTF-8 text"))
            .hint(format!("set {variable} to plain text, or unset it"))
    })
}

/// `path` made absolute. Only a shell expands `~`; in a client's settings it
/// would silently make a folder of that name.
fn whole_path(origin: &str, path: &Path) -> Result<PathBuf, Failure> {
    let shown = path.display();
    if path.starts_with("~") {
        return Err(Failure::invalid(
            "",
            format!("{origin} is {shown}, and only a shell expands ~"),
        )
        .hint("write the whole path, beginning with /"));
    }
    std::path::absolute(path).map_err(|error| {
        Failure::invalid("", format!("{origin} is no usable path ({shown}): {error}"))
            .hint("write the whole path, beginning with /")
    })
}

/// Whether a predicate can be declared functional: as the graph keeps it.
fn check_predicate(name: &str) -> Result<(), String> {
    let kept = |c: char| !c.is_control() && !c.is_whitespace() && !c.is_uppercase() && c != '-';
    match !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(kept) {
        true => Ok(()),
        false => Err("a predicate is written in lower case, with _ between its words".into()),
    }
}

#[cfg(test)]
mod tests;
