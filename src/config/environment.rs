//! The environment that the process was started in. The only reader of the environment and of
//! the platform's folders.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use directories::{BaseDirs, ProjectDirs};

use crate::failure::Failure;
use crate::platform;
use crate::secret::Secret;

/// Set by a shell's completion script: this process completes a word.
pub(crate) const COMPLETING: &str = "MIMO_COMPLETE";

/// The variables of Mimo and of its clients.
const OWN: [&str; 19] = [
    COMPLETING,
    "MIMO_CONFIG_DIR",
    "MIMO_DATA_DIR",
    "MIMO_PROJECT",
    "MIMO_PROFILE",
    "MIMO_LOG",
    "DB_PATH",
    "SKILLS_PATH",
    "OLLAMA_URL",
    "OLLAMA_EMBEDDING_MODEL",
    "MIMO_HOST",
    "MIMO_HTTP_PORT",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "CONTINUE_GLOBAL_DIR",
    "GOOSE_PATH_ROOT",
    "JAN_DATA_FOLDER",
    "JAN_DATA_ROOT",
    "NO_COLOR",
];
/// Handed on to every skill, where set: the locale, and where and by whose word
/// packages are fetched on this machine, which no manifest may say.
pub(super) const INHERITED: [&str; 8] = [
    "LANG",
    "LC_ALL",
    "TZ",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "npm_config_registry",
];
/// Handed on to installs only, since they may hold passwords: how to reach the
/// registries.
pub(super) const FETCHING: [&str; 12] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "NETRC",
];
/// What a program needs to show something on the desktop of the person.
const DESKTOP: [&str; 15] = [
    "PATH",
    "HOME",
    "LANG",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "BROWSER",
    "DESKTOP_SESSION",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_CONFIG_HOME",
    "XDG_CURRENT_DESKTOP",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
];

/// The environment of a process. A value, so that tests make their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// The variables of the lists above that are set and not empty.
    pub(crate) variables: BTreeMap<&'static str, OsString>,
    /// The variables for programs that show something, those that are set.
    pub(crate) desktop: Vec<(&'static str, OsString)>,
    /// Where this platform keeps Mimo's settings.
    pub(crate) config_folder: Option<PathBuf>,
    /// Where this platform keeps Mimo's data.
    pub(crate) data_folder: Option<PathBuf>,
    pub(crate) temporary_folder: PathBuf,
    /// The running program.
    pub(crate) executable: Option<PathBuf>,
    pub(crate) home_folder: Option<PathBuf>,
    /// Finds the account's home folder, whatever HOME says. This may ask the network.
    pub(crate) account_folder: Option<fn() -> Option<PathBuf>>,
    /// Where this platform keeps the settings of all programs.
    pub(crate) settings_folder: Option<PathBuf>,
    /// Where this platform keeps the data of all programs.
    pub(crate) programs_data_folder: Option<PathBuf>,
    pub(crate) current_folder: Option<PathBuf>,
    /// The folders of PATH, as the shell has them.
    pub(crate) program_folders: Vec<PathBuf>,
    /// Reads one more variable, for approved secrets and the endpoint's key.
    pub(crate) read_secret: Option<fn(&str) -> Option<OsString>>,
}

/// Mimo's own program, for starting it again. On Linux this is the same program even
/// after its file was replaced.
#[allow(clippy::disallowed_methods)]
pub(crate) fn own_program() -> PathBuf {
    match cfg!(target_os = "linux") {
        true => "/proc/self/exe".into(),
        // Starting an empty path fails with its own message.
        false => std::env::current_exe().unwrap_or_default(),
    }
}

impl Environment {
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn of_this_process() -> Self {
        let project = ProjectDirs::from("", "", "mimo");
        let account = BaseDirs::new();
        // A client without a value for a variable may pass it empty.
        let desktop = DESKTOP.iter();
        let desktop = desktop.filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let variables = OWN
            .iter()
            .chain(&INHERITED)
            .chain(&FETCHING)
            .filter_map(|name| Some((*name, std::env::var_os(name)?)))
            .filter(|(_, value)| !value.is_empty());
        Environment {
            variables: variables.collect(),
            desktop: desktop.filter(|(_, value)| !value.is_empty()).collect(),
            config_folder: project.as_ref().map(|dirs| dirs.config_dir().to_owned()),
            data_folder: project
                .as_ref()
                .map(|dirs| dirs.data_local_dir().to_owned()),
            temporary_folder: std::env::temp_dir(),
            executable: std::env::current_exe().ok(),
            account_folder: Some(platform::account_folder),
            home_folder: account.as_ref().map(|dirs| dirs.home_dir().to_owned()),
            settings_folder: account.as_ref().map(|dirs| dirs.config_dir().to_owned()),
            programs_data_folder: account.as_ref().map(|dirs| dirs.data_dir().to_owned()),
            current_folder: std::env::current_dir().ok(),
            program_folders: std::env::var_os("PATH")
                .iter()
                .flat_map(std::env::split_paths)
                .filter(|folder| folder.is_absolute())
                .collect(),
            read_secret: Some(|name| std::env::var_os(name)),
        }
    }

    /// The text of a variable, if it is set.
    pub(super) fn text(&self, variable: &str) -> Result<Option<String>, Failure> {
        let Some(value) = self.variables.get(variable) else {
            return Ok(None);
        };
        value.clone().into_string().map(Some).map_err(|_| {
            Failure::invalid("", format!("{variable} is not UTF-8 text"))
                .hint(format!("set {variable} to plain text, or unset it"))
        })
    }

    /// The secret in a variable; `None` where it holds no text.
    pub(crate) fn secret(&self, variable: &str) -> Option<Secret> {
        let value = self.read_secret.and_then(|read| read(variable));
        let value = value.filter(|value| !value.is_empty())?;
        value.into_string().ok().map(Secret::new)
    }

    /// The program that opens a file on this person's desktop, if there is a desktop.
    pub(crate) fn opener(&self) -> Option<PathBuf> {
        if cfg!(target_os = "macos") {
            return Some("/usr/bin/open".into());
        }
        let get = |name: &str| self.desktop.iter().find(|(each, _)| *each == name);
        get("DISPLAY").or_else(|| get("WAYLAND_DISPLAY"))?;
        let (_, path) = get("PATH")?;
        let mut programs = std::env::split_paths(path).map(|folder| folder.join("xdg-open"));
        programs.find(|program| program.is_absolute() && program.is_file())
    }

    /// The folder of this person's session, where the system has one.
    pub(crate) fn session_folder(&self) -> Option<PathBuf> {
        let mut all = self.desktop.iter();
        let (_, folder) = all.find(|(name, _)| *name == "XDG_RUNTIME_DIR")?;
        Some(PathBuf::from(folder)).filter(|folder| folder.is_absolute())
    }

    /// Whether the person asked every program to print without colors.
    pub(crate) fn no_color(&self) -> bool {
        self.variables.contains_key("NO_COLOR")
    }
}
