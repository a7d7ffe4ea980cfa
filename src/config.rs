//! Settings and folders: the only reader of the environment, of the platform's
//! folders and of `config.toml`. Every other room receives values.

mod ask;
mod embedding;
mod endpoint;
mod environment;
mod file;
mod http;
mod keys;
mod memory;
mod private;
mod programs;
mod rules;
mod skills;
mod store;
mod values;

use std::path::{Path, PathBuf};

use crate::caller::{Grants, PROJECT_SHARED, check_project};
use crate::clock::Zone;
use crate::failure::Failure;
use crate::printable::shell_word;

pub(crate) use ask::AskSettings;
#[cfg(test)]
pub(crate) use ask::Synthesis;
pub(crate) use embedding::{EmbeddingSettings, choose_model};
pub(crate) use endpoint::EndpointSettings;
pub(crate) use environment::{COMPLETING, Environment, own_program};
pub(crate) use http::{HttpSettings, parse_address};
pub(crate) use memory::{MemorySettings, RetentionSettings};
pub(crate) use private::{private_file, private_folder};
pub(crate) use programs::record as record_programs;
pub(crate) use skills::SkillSettings;
pub(crate) use store::StoreSettings;
use values::absolute;
pub(crate) use values::is_open;

/// The default profile of tools.
pub(crate) const PROFILE_DEFAULT: &str = "standard";

/// The project that follows the client.
pub(crate) const AUTO: &str = "auto";

/// The database's name in the data folder.
const DATABASE: &str = "mimo.db";
/// In the config folder.
const FILE: &str = "config.toml";

pub(crate) const PROFILES: [&str; 3] = ["core", PROFILE_DEFAULT, "legacy"];

/// The options of the command line, which override everything else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--config-dir`.
    pub(crate) config_folder: Option<PathBuf>,
    /// `--data-dir`.
    pub(crate) data_folder: Option<PathBuf>,
    /// `--project`.
    pub(crate) project: Option<String>,
    /// `--profile`.
    pub(crate) profile: Option<String>,
    /// `--fence`.
    pub(crate) fence: bool,
}

/// The settings, complete and checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// Holds `config.toml`; need not exist.
    pub(crate) config_folder: PathBuf,
    /// Holds the database and `logs/`; made when something is written there.
    pub(crate) data_folder: PathBuf,
    pub(crate) database: PathBuf,
    /// The current project where no client tells one.
    pub(crate) project: String,
    /// Whether a client's only root is the current project: the setting is [`AUTO`].
    pub(crate) follows_root: bool,
    /// Whether nothing but the current project and `global` is reached.
    pub(crate) fence: bool,
    /// The time zone of the days that the user names.
    pub(crate) time_zone: Zone,
    /// One of [`PROFILES`].
    pub(crate) profile: String,
    /// A log filter (`debug`, `mimo::store=trace`) for stderr and the log
    /// file; without one each has its own default.
    pub(crate) log: Option<String>,
    pub(crate) memory: MemorySettings,
    pub(crate) graph: GraphSettings,
    pub(crate) ask: AskSettings,
    /// The encoder, unless it is the built-in model.
    pub(crate) embedding: Option<EmbeddingSettings>,
    pub(crate) skills: SkillSettings,
    pub(crate) http: HttpSettings,
    pub(crate) store: StoreSettings,
    /// Where `mimo update` asks for the newest version.
    pub(crate) update_url: Option<String>,
    /// The options that a command needs in another shell to find the same data, each after
    /// a space; empty for the folders that are used without options.
    pub(crate) options: String,
}

/// Properties of predicates that the graph cannot infer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GraphSettings {
    /// Predicates that have one object at a time.
    pub(crate) functional: Vec<String>,
}

impl Config {
    /// Reads the settings: a flag overrides a variable, a variable overrides
    /// `config.toml`, and that the default.
    pub(crate) fn load(flags: &Flags, environment: &Environment) -> Result<Config, Failure> {
        let config_folder = folder(
            flags.config_folder.as_deref(),
            ("--config-dir", "MIMO_CONFIG_DIR"),
            environment,
            environment.config_folder.as_deref(),
        )?;
        let data_folder = folder(
            flags.data_folder.as_deref(),
            ("--data-dir", "MIMO_DATA_DIR"),
            environment,
            environment.data_folder.as_deref(),
        )?;
        let file = file::read(&config_folder.join(FILE))?;
        let database = database(flags, environment, &data_folder)?;
        let project = project(flags, environment, file.project)?;
        let follows_root = project == AUTO;
        Ok(Config {
            options: options(&database, &config_folder, environment),
            database,
            follows_root,
            project: match follows_root {
                true => PROJECT_SHARED.to_owned(),
                false => project,
            },
            fence: flags.fence || file.fence,
            time_zone: file
                .time_zone
                .and_then(|name| Zone::named(&name))
                .unwrap_or(Zone::Machine),
            profile: profile(flags, environment, file.profile)?,
            log: log_filter(environment, file.log_level)?,
            memory: file.memory,
            graph: file.graph,
            ask: file.ask.resolve(environment),
            embedding: file.embedding.resolve(environment)?,
            update_url: file
                .update_url
                .or_else(|| released_at(env!("CARGO_PKG_REPOSITORY"))),
            http: file.http.resolve(environment)?,
            store: file
                .store
                .resolve(environment, flags.data_folder.is_some())?,
            skills: skills::resolve(file.skills, environment, &config_folder, &data_folder)?,
            config_folder,
            data_folder,
        })
    }

    /// What a caller at this machine may see and do.
    pub(crate) fn grants(&self) -> Grants {
        match self.fence {
            true => Grants::fenced(&*self.project),
            false => Grants::local(&*self.project),
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.config_folder.join(FILE)
    }

    /// The folder of installed models.
    pub(crate) fn models_folder(&self) -> PathBuf {
        self.data_folder.join("models")
    }

    /// The folder through which commands reach running Mimos.
    pub(crate) fn running_folder(&self) -> PathBuf {
        self.data_folder.join("running")
    }

    /// The folder of the skills' stderr logs.
    pub(crate) fn skill_log_folder(&self) -> PathBuf {
        self.log_folder().join("skills")
    }

    /// Where the log files go.
    pub(crate) fn log_folder(&self) -> PathBuf {
        self.data_folder.join("logs")
    }
}

fn folder(
    flag: Option<&Path>,
    (flag_name, variable): (&str, &str),
    environment: &Environment,
    platform: Option<&Path>,
) -> Result<PathBuf, Failure> {
    if let Some(path) = flag {
        return absolute(flag_name, path);
    }
    if let Some(path) = environment.variables.get(variable) {
        return absolute(variable, Path::new(path));
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
fn database(flags: &Flags, environment: &Environment, data: &Path) -> Result<PathBuf, Failure> {
    match environment.variables.get("DB_PATH") {
        Some(path) if flags.data_folder.is_none() => absolute("DB_PATH", Path::new(path)),
        _ => Ok(data.join(DATABASE)),
    }
}

/// No option names a database file: one with another name than the usual has none.
fn options(database: &Path, config_folder: &Path, environment: &Environment) -> String {
    let is_usual = database.file_name().is_some_and(|name| name == DATABASE);
    let data_folder = database.parent().filter(|_| is_usual);
    let config_folder = Some(config_folder);
    [
        ("--data-dir", data_folder, &environment.data_folder),
        ("--config-dir", config_folder, &environment.config_folder),
    ]
    .into_iter()
    .filter(|(_, folder, default)| *folder != default.as_deref())
    .filter_map(|(option, folder, _)| {
        let word = shell_word(&folder?.to_string_lossy());
        Some(format!(" {option} {word}"))
    })
    .collect()
}

fn project(
    flags: &Flags,
    environment: &Environment,
    file: Option<String>,
) -> Result<String, Failure> {
    let Some((origin, name)) = named(&flags.project, "project", environment)? else {
        return Ok(file.unwrap_or_else(|| PROJECT_SHARED.to_owned()));
    };
    check_project(&name).map_err(|why| {
        Failure::invalid("", format!("{origin}: {why}"))
            .hint("use a short name, for example website")
    })
}

fn profile(
    flags: &Flags,
    environment: &Environment,
    file: Option<String>,
) -> Result<String, Failure> {
    let Some((origin, name)) = named(&flags.profile, "profile", environment)? else {
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

/// What a flag, or else the variable of the same setting, says, with its name.
fn named(
    flag: &Option<String>,
    setting: &str,
    environment: &Environment,
) -> Result<Option<(String, String)>, Failure> {
    if let Some(name) = flag {
        return Ok(Some((format!("--{setting}"), name.clone())));
    }
    let variable = format!("MIMO_{}", setting.to_uppercase());
    let text = environment.text(&variable)?;
    Ok(text.map(|text| (variable, text)))
}

/// The list of releases of a repository on GitHub.
fn released_at(repository: &str) -> Option<String> {
    let url = || format!("{repository}/releases/latest/download/latest.json");
    (!repository.is_empty()).then(url)
}

fn log_filter(environment: &Environment, file: Option<String>) -> Result<Option<String>, Failure> {
    let Some(filter) = environment.text("MIMO_LOG")? else {
        return Ok(file);
    };
    match tracing_subscriber::EnvFilter::try_new(&filter) {
        Ok(_) => Ok(Some(filter)),
        Err(error) => Err(
            Failure::invalid("", format!("MIMO_LOG is not a log filter: {error}"))
                .hint("write a level (debug) or levels by part (warn,mimo=debug)"),
        ),
    }
}

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
